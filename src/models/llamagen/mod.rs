//! LlamaGen, drawing classes or captions.

pub mod config;
pub mod decoder;
mod layers;
