//! The history.

pub mod panel;
pub mod thumbnails;
