//! Errors of opening a model: what lies on disk, or the model made of it.

use crate::checkpoint::CheckpointError;
use crate::compute::error::ModelError;
use thiserror::Error;

/// Anything that can go wrong between chosen paths and a running model.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The files.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
}
