//! The inspector.

pub mod figures;
pub mod panel;
pub mod swatches;
pub mod top_tokens;
