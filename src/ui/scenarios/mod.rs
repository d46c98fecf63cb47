//! Scenarios.

pub mod table;
