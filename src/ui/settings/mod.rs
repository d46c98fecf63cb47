//! The settings of a run.

pub mod class_field;
pub mod machine_panel;
pub mod method_panel;
pub mod prompt_field;
pub mod schedule_field;
pub mod schedule_plot;
pub mod settings_panel;
pub mod unconditional_field;
