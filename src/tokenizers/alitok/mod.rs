//! AliTok's image tokenizer.

mod config;
pub mod description;
mod encoder;
mod tokenizer;
mod transformer;

pub use config::{AlitokTokenizerConfig, TransformerConfig};
pub use encoder::AlitokEncoder;
pub use tokenizer::AlitokTokenizer;
