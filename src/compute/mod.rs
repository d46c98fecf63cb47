//! What decoding is made of: rows of tokens, linear layers, attention over caches, norms, rotations,
//! activations, on this machine's processor ([`cpu`]) or on another device ([`gpu`]).

pub mod activation;
pub mod attention;
pub mod attention_shape;
pub mod cpu;
pub mod device_kind;
pub mod error;
pub mod gpu;
pub mod host;
pub mod kv_cache;
pub mod layer_source;
pub mod layers;
pub mod layout;
pub mod linear;
pub mod norm;
pub mod precision;
pub mod rotary;
pub mod row_ops;
pub mod rows;
pub mod transformer;
pub mod weights;
