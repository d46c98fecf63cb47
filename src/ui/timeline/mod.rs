//! The timeline.

pub mod timeline;
