//! RAR, and RobusTok's variant of it.

pub mod config;
pub mod decoder;
pub mod description;
mod layers;
