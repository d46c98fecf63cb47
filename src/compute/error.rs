//! Errors of loading and running models: what is wrong, then what to do, the path last.

use std::path::PathBuf;
use thiserror::Error;

/// Anything that can go wrong with a model.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The tensor library refused.
    #[error("{0}")]
    Tensor(#[from] candle_core::Error),
    /// A file could not be read.
    #[error("cannot read the file ({cause}); check that it exists and that you may read it: {}", path.display())]
    Read {
        /// The system's message.
        cause: std::io::Error,
        /// The file.
        path: PathBuf,
    },
    /// A file is not what its name says.
    #[error("{reason}: {}", path.display())]
    Format {
        /// What is wrong and what to do.
        reason: String,
        /// The file.
        path: PathBuf,
    },
    /// Files that a model reads while it runs cannot be read.
    #[error(transparent)]
    Files(Box<dyn std::error::Error + Send + Sync>),
    /// A model's configuration makes no sense.
    #[error("the model's configuration is not usable: {0}")]
    Config(String),
    /// Weights are missing or have another shape.
    #[error("the model's weights do not fit its configuration: {0}")]
    Weights(String),
    /// The prompt or class cannot be drawn by this model.
    #[error("{0}")]
    Condition(String),
    /// The device asked for is not there, or does not do what was asked.
    #[error("{0}")]
    Device(String),
    /// A mistake of this program, not of the person.
    #[error("internal error: {0}; please report it")]
    Internal(&'static str),
}

/// Refuses a configuration unless `holds`.
///
/// # Errors
/// [`ModelError::Config`] with the text of `otherwise`.
pub(crate) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::Config(otherwise())) }
}
