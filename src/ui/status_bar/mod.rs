//! The status bar.

pub mod status_bar;
