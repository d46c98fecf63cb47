//! Half-downloaded files: weights that are zero.
