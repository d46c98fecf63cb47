//! From what a person asks for to what stands before the image: text tokenizers, templates, checks,
//! caption cleaning, the text encoder, classes by name, and the grammar of the built-in model.

pub mod book;
pub mod caption;
pub mod check;
pub mod class_ids;
pub mod condition;
pub mod grammar;
pub mod imagenet;
mod look;
pub mod scene;
pub mod t5;
pub mod template;
pub mod text_encoder;
