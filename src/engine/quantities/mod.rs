//! What is measured at every step of a lane.

pub mod weights;
