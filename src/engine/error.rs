//! Why a run stops early.

use crate::compute::error::ModelError;
use thiserror::Error;

/// Why a run stopped early, other than by cancelling.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The model refused.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// One logit for every code.
    #[error(
        "the logits of lane {lane} are the same for every code at step {step}, so nothing can be drawn from them; \
         the weights hold zeros, as after a download that was not finished: download the model again"
    )]
    Constant {
        /// Step, from 0.
        step: usize,
        /// Name of the lane.
        lane: String,
    },
    /// NaN or infinity among the logits that the decoder gave.
    #[error(
        "the logits of lane {lane} are not finite at step {step}; the weights may be damaged, or the \
         precision too small: check the file, or load it as f32"
    )]
    NotFinite {
        /// Step, from 0.
        step: usize,
        /// Name of the lane.
        lane: String,
    },
    /// Logits that were finite until a setting was applied to them.
    #[error(
        "{setting}, {value:e} at step {step}, makes the logits of lane {lane} larger than numbers can \
         be; use one nearer to 1. The weights are not at fault"
    )]
    Overflow {
        /// Noun of the setting.
        setting: &'static str,
        /// Its value at this step.
        value: f32,
        /// Step, from 0.
        step: usize,
        /// Name of the lane.
        lane: String,
    },
}
