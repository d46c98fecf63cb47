//! SimpleAR, and the built-in model of the same architecture.

pub mod decoder;
