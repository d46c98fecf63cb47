//! Models: the decoder families, their image tokenizers, and how they are opened.

pub mod attention;
pub mod card;
pub mod checkpoint;
pub mod decoder;
pub mod error;
pub mod kv_cache;
pub mod layout;
pub mod linear;
pub mod norm;
pub mod prompt;
pub mod rotary;
pub mod tokenizer;
pub mod weights;
