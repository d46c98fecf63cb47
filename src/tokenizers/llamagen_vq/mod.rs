//! VQ-16 and VQ-8, the image tokenizers of LlamaGen.

mod config;
pub mod description;
mod networks;

pub use config::LlamagenVqConfig;
pub use networks::{LlamagenVq, load_decoder, load_encoder, style};
