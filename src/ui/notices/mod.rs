//! Notices.

pub mod panel;
