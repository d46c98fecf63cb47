//! Small files of a tokenizer, read whole within a bound and as JSON.

use crate::checkpoint::folder::ModelFolder;
use crate::compute::error::ModelError;
use serde::de::DeserializeOwned;
use std::borrow::Cow;

/// Longest file of a tokenizer that is read; Qwen2's tokenizer.json has 7 MB.
const MAX_FILE: u64 = 64 << 20;

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
        Some(length) if length <= MAX_FILE => folder.read(name).map(Some),
        Some(length) => {
            let reason = format!(
                "a file of {length} bytes is no text tokenizer; put the {name} of this model there"
            );
            Err(wrong(folder, name, reason))
        }
    }
}

/// A whole JSON file of a known form, `None` if there is none of this name.
///
/// # Errors
/// It cannot be read, or has another form.
pub(super) fn json<T: DeserializeOwned>(
    folder: &ModelFolder,
    name: &str,
) -> Result<Option<T>, ModelError> {
    let Some(bytes) = bytes(folder, name)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let reason = format!("{name} cannot be read ({error}); download it again");
        wrong(folder, name, reason)
    })
}

/// A file whose contents are not what its name says.
pub(super) fn wrong(folder: &ModelFolder, name: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Format { reason: reason.into(), path: folder.path(name) }
}
