//! Sampling of one token from guided logits: temperature, top-k, top-p in the field's order
//! (filters after guidance), then Gumbel-max with noise from a counter-based generator keyed by
//! (seed, step), so that lanes with one seed draw the same noise at the same step.

mod filter;
pub mod noise;
pub mod repetition;
mod sampler;
mod settings;

pub use filter::filtered_probabilities;
pub use sampler::{Sampled, Sampler, SamplingError};
pub use settings::Sampling;
