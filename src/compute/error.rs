//! Errors of loading and running models: what is wrong, then what to do, the path last.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// Anything that can go wrong with a model.
#[derive(Debug, Error)]
pub enum ModelError {
    /// The tensor library refused.
    #[error("the tensor library refused ({}); check the free memory, or report it with the name of the model", tensor_message(.0))]
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

impl ModelError {
    /// Weights that the tensor library could not make layers of.
    pub(crate) fn weights(error: candle_core::Error) -> Self {
        Self::Weights(tensor_message(&error))
    }

    /// The same error with the file that it is about, where it names none.
    pub(crate) fn about(self, path: &Path) -> Self {
        match self {
            Self::Tensor(_) | Self::Weights(_) | Self::Config(_) => {
                let mut reason = self.to_string();
                if !reason.contains(';') {
                    reason += "; choose files that belong together";
                }
                Self::Format { reason, path: path.to_path_buf() }
            }
            named => named,
        }
    }
}

/// What an error of the tensor library says, without the call stack that it carries where the person set
/// RUST_BACKTRACE.
pub(crate) fn tensor_message(error: &candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => tensor_message(inner),
        candle_core::Error::Context { inner, context } => {
            format!("{context}: {}", tensor_message(inner))
        }
        candle_core::Error::WithPath { inner, path } => {
            format!("{}: {}", tensor_message(inner), path.display())
        }
        other => other.to_string(),
    }
}

/// Refuses a configuration unless `holds`.
///
/// # Errors
/// [`ModelError::Config`] with the text of `otherwise`.
pub(crate) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), ModelError> {
    if holds { Ok(()) } else { Err(ModelError::Config(otherwise())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Error;
    use std::backtrace::Backtrace;

    #[test]
    fn a_message_of_the_tensor_library_is_one_line_at_any_depth() {
        let with_stack = |error: Error| {
            let backtrace = Box::new(Backtrace::force_capture());
            Error::WithBacktrace { inner: Box::new(error), backtrace }
        };
        let inner = with_stack(Error::Msg("shapes differ".into()));
        let error = with_stack(with_stack(inner.context("layer 3")).with_path("a.pt"));
        assert_eq!(tensor_message(&error), "layer 3: shapes differ: a.pt");
        let message = ModelError::from(error).to_string();
        assert!(message.contains("shapes differ") && message.lines().count() == 1, "{message}");
    }
}
