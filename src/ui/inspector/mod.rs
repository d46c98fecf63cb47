//! The inspector of one token.

pub mod inspector;
pub mod top_tokens;
