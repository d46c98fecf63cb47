//! AliTok's decoder.

pub mod config;
pub mod decoder;
mod layers;
