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
    /// NaN or infinity among a lane's logits.
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
}
