//! AliTok's image tokenizer.

mod config;
mod encoder;
mod tokenizer;
mod transformer;

pub use config::{AlitokTokenizerConfig, TransformerConfig};
pub use encoder::AlitokEncoder;
pub use tokenizer::AlitokTokenizer;
pub(crate) use tokenizer::tensors;
