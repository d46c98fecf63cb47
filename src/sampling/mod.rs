//! Sampling of one token from guided logits: temperature, top-k, top-p in the field's order
//! (filters after guidance), then Gumbel-max with noise from a counter-based generator keyed by
//! (seed, step), so that lanes with one seed draw the same noise at the same step.

pub mod filter;
pub mod noise;

use serde::{Deserialize, Serialize};

/// Settings of the sampler.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Divides the guided logits; above 0.
    pub temperature: f32,
    /// Keeps the k most probable tokens, ties included; `None` keeps all.
    pub top_k: Option<usize>,
    /// Keeps the smallest set of tokens whose probability reaches p, in (0, 1]; 1 keeps all.
    pub top_p: f32,
    /// Key of the noise.
    pub seed: u64,
}

// contract (guidance helper implements):
//   pub fn filtered_probabilities(logits: &[f32], sampling: &Sampling) -> Vec<f32>   (filter.rs; zeros for dropped entries; semantics of README-llamagen section 3)
//   pub fn gumbel(seed: u64, step: u64, token: u64) -> f64                          (noise.rs; Philox4x32-10)
//   pub struct Sampler { scratch… } impl Sampler { pub fn new(Sampling) ; pub fn sample(&mut self, guided: &[f32], step: usize) -> Sampled { token: u32, probability: f32 } }
