//! The built-in image tokenizer.

mod config;
mod networks;

pub use config::ConvFsqConfig;
pub use networks::{ConvFsq, load_decoder, load_encoder};
