//! Results of this program dropped on its window.
