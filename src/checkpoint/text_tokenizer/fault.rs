//! What is wrong with a file of a tokenizer.

use crate::checkpoint::file_kind::{self, FileKind};
use crate::checkpoint::folder::ModelFolder;
use crate::compute::error::ModelError;

/// A file whose contents are not what its name says.
pub(super) fn wrong(folder: &ModelFolder, name: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Format { reason: reason.into(), path: folder.path(name) }
}

/// Refuses an empty file and one of another kind, such as a web page or a pointer of Git LFS.
pub(super) fn refuse_other_kind(
    folder: &ModelFolder,
    name: &str,
    bytes: &[u8],
) -> Result<(), ModelError> {
    if bytes.trim_ascii().is_empty() {
        return Err(wrong(folder, name, format!("{name} is empty; download it again")));
    }
    let start = bytes.get(..file_kind::START as usize).unwrap_or(bytes);
    match FileKind::of(start, bytes.len() as u64) {
        FileKind::Text(_) | FileKind::Unknown => Ok(()),
        other => Err(wrong(folder, name, other.refusal(name))),
    }
}
