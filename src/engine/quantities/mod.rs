//! What is measured at every step of a lane, described once.

pub mod quantity;
pub mod table;
pub mod weights;
