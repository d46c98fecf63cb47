//! MoVQGAN, the image tokenizer of Lumina-mGPT 2.0.

mod config;
pub mod description;
mod network;

pub use config::{MovqConfig, MovqLevel};
pub use network::{Movq, load_decoder};
