//! Lumina-mGPT 2.0.

pub mod decoder;
