//! The timeline.

pub mod bar;
pub mod panel;
