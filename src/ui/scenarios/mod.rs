//! Scenarios.

pub mod scenarios;
