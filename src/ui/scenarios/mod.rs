//! Scenarios.

pub mod note;
pub mod table;
