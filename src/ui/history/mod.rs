//! The history.

pub mod history;
