//! Notices.

pub mod notices;
