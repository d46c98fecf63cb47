//! VQ-16 and VQ-8, the image tokenizers of LlamaGen.

mod config;
mod networks;

pub use config::LlamagenVqConfig;
pub(crate) use networks::tensors;
pub use networks::{LlamagenVq, load_decoder, load_encoder, style};
