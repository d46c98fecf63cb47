//! Opening models.

pub mod dialog;
pub mod drop_hint;
pub mod found;
pub mod offer;
pub mod panel;
pub mod words;
