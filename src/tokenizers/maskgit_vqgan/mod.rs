//! MaskGIT-VQGAN, the image tokenizer of RAR.

mod config;
mod networks;

pub use config::MaskgitVqganConfig;
pub(crate) use networks::tensors;
pub use networks::{MaskgitVqgan, load_decoder, load_encoder};
