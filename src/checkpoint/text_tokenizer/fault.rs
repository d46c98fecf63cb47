//! What is wrong with a file of a tokenizer.

use crate::checkpoint::folder::ModelFolder;
use crate::compute::error::ModelError;

/// A file whose contents are not what its name says.
pub(super) fn wrong(folder: &ModelFolder, name: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Format { reason: reason.into(), path: folder.path(name) }
}
