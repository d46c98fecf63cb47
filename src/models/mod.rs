//! Models: the decoder families, their image tokenizers, and how they are opened.

pub mod attention;
pub mod builtin;
pub mod caption;
pub mod card;
pub mod decoder;
pub mod error;
pub mod grammar;
pub mod kv_cache;
pub mod layout;
pub mod linear;
pub mod lumina;
pub mod norm;
pub mod prompt;
pub mod qwen2;
pub mod rotary;
pub mod safetensors_folder;
pub mod t5;
pub mod tokenizer;
pub mod transformer;
pub mod weights;
