//! The plots.

pub mod plot_data;
pub mod plot_parts;
pub mod plots;
