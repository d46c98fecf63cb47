//! The history.

pub mod panel;
