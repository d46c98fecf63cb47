//! The decoder-only transformer of the prompt families.

mod block;
mod layers;
mod options;
mod stack;

pub use layers::TransformerLayers;
pub use options::{CodeRange, QueryKeyNorm, TransformerOptions};
pub use stack::Transformer;
