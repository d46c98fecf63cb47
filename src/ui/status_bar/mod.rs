//! The status bar.

pub mod bar;
