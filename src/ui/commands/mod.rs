//! Keyboard commands.

pub mod shortcuts;
