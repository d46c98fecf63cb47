//! Commands with their shortcuts.

pub mod shortcuts;
