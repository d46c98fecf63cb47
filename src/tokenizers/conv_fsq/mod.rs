//! The built-in image tokenizer.

mod config;
pub mod description;
mod networks;

pub use config::{ConvFsqConfig, DecoderSizes};
pub use networks::{ConvFsq, load_decoder, load_encoder};
