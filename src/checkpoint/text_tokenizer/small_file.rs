//! Small files of a tokenizer, read whole within a bound.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::json_file::MAX_JSON;
use crate::compute::error::ModelError;
use std::borrow::Cow;

/// A whole file, `None` if there is none of this name.
///
/// # Errors
/// It cannot be read, or is longer than any tokenizer's.
pub(super) fn bytes(
    folder: &ModelFolder,
    name: &str,
) -> Result<Option<Cow<'static, [u8]>>, ModelError> {
    match folder.length(name) {
        None => Ok(None),
        Some(length) if length <= MAX_JSON => folder.read(name).map(Some),
        Some(length) => {
            let reason = format!(
                "a file of {length} bytes is no text tokenizer; put the {name} of this model there"
            );
            Err(wrong(folder, name, reason))
        }
    }
}

/// A file whose contents are not what its name says.
pub(super) fn wrong(folder: &ModelFolder, name: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Format { reason: reason.into(), path: folder.path(name) }
}
