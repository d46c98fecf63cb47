//! The settings of a run.

pub mod class_field;
pub mod form;
pub mod machine;
pub mod method;
pub mod panel;
pub mod prompt_field;
pub mod rows;
pub mod schedule_field;
pub mod schedule_plot;
pub mod unconditional_field;
