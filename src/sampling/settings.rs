//! Settings of the sampler.

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
