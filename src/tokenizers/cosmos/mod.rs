//! Cosmos DV 8×16×16, the image tokenizer of SimpleAR.

mod config;
mod network;

pub use config::{CODES, CosmosConfig, CosmosLevel, LEVELS};
pub(crate) use network::tensors;
pub use network::{Cosmos, load_decoder};
