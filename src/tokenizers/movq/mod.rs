//! MoVQGAN, the image tokenizer of Lumina-mGPT 2.0.

mod config;
mod network;

pub use config::{MovqConfig, MovqLevel};
pub(crate) use network::tensors;
pub use network::{Movq, load_decoder};
