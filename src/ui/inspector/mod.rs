//! The inspector.

pub mod panel;
pub mod top_tokens;
