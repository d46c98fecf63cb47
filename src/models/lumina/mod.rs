//! Lumina-mGPT 2.0.

pub mod config;
pub mod decoder;
pub mod description;
pub mod image_size;
