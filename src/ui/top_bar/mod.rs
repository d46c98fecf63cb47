//! The top bar.

pub mod top_bar;
