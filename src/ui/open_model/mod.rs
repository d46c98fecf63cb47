//! Opening models.

pub mod drop_hint;
pub mod open_dialog;
pub mod open_found;
pub mod open_offer;
