//! The plots.

pub mod data;
pub mod panel;
pub mod toolbar;
