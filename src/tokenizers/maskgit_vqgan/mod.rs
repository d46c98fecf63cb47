//! MaskGIT-VQGAN, the image tokenizer of RAR.

mod config;
pub mod description;
mod networks;

pub use config::MaskgitVqganConfig;
pub use networks::{MaskgitVqgan, load_decoder, load_encoder};
