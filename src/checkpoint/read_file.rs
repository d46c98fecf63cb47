//! Reading small files whole: configurations, tokenizers, grammars.

use crate::compute::error::ModelError;
use std::path::Path;

/// Reads a whole file.
///
/// # Errors
/// [`ModelError::Read`] with the path.
pub fn read_file(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|cause| ModelError::Read { cause, path: path.into() })
}
