//! The plots.

pub mod curves;
pub mod data;
pub mod hover_table;
pub mod legend;
pub mod panel;
pub mod toolbar;
