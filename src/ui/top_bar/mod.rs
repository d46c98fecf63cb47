//! The top bar.

pub mod bar;
