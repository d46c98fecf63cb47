//! What panels share: the runs, how they are looked at.

pub mod centre;
pub mod state;
pub mod view;
