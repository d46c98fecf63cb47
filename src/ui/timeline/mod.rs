//! The timeline.

pub mod panel;
