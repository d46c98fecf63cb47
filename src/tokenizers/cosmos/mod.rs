//! Cosmos DV 8×16×16, the image tokenizer of SimpleAR.

mod config;
pub mod description;
mod network;

pub use config::{CODES, CosmosConfig, CosmosLevel, LEVELS};
pub use network::{Cosmos, load_decoder};
