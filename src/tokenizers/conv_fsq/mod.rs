//! The built-in image tokenizer.

mod config;
mod networks;

pub use config::{ConvFsqConfig, DecoderSizes};
pub(crate) use networks::tensors;
pub use networks::{ConvFsq, load_decoder, load_encoder};
