//! Cosmos DV 8×16×16, the image tokenizer of SimpleAR.

mod config;
mod network;

pub use config::{CosmosConfig, CosmosLevel, LEVELS};
pub use network::{Cosmos, load_decoder};
