//! SimpleAR, and the built-in model of the same architecture.

pub mod config;
pub mod decoder;
pub mod description;
