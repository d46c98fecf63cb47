//! Models: the decoder families, their image tokenizers, and how they are opened.

pub mod alitok;
pub mod attention;
pub mod card;
pub mod class_conditional;
pub mod decoder;
pub mod defaults;
pub mod error;
pub mod imagenet;
pub mod kv_cache;
pub mod layers;
pub mod layout;
pub mod linear;
pub mod llamagen;
pub mod norm;
pub mod prompt;
pub mod rar;
pub mod rotary;
pub mod shapes;
pub mod tokenizer;
pub mod weights;
