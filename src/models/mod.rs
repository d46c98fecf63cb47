//! Models: the decoder families, their image tokenizers, and how they are opened.

pub mod activation;
pub mod attention;
pub mod builtin;
pub mod card;
pub mod decoder;
mod device;
pub mod error;
mod host;
pub mod kernels;
pub mod grammar;
pub mod kv_cache;
pub mod layout;
pub mod linear;
pub mod norm;
pub mod prompt;
pub mod random_decoder;
pub mod roofline;
pub mod qwen2;
pub mod rotary;
pub mod safetensors_folder;
pub mod tokenizer;
pub mod transformer;
pub mod weights;
