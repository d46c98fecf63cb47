//! LlamaGen, drawing classes or captions.

mod captions;
pub mod config;
pub mod decoder;
pub mod description;
mod layers;
