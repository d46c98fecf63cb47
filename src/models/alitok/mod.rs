//! AliTok's decoder.

pub mod config;
pub mod decoder;
pub mod description;
mod layers;
