//! Resolutions of convolutional tokenizers: each level doubles the sides of the one before it.

use crate::compute::error::ModelError;

/// No tokenizer has more.
const MOST: usize = 8;

/// The number of levels, if a tokenizer can have as many.
///
/// # Errors
/// No levels, or too many.
pub(super) fn checked_levels(count: usize) -> Result<usize, ModelError> {
    if (1..=MOST).contains(&count) {
        return Ok(count);
    }
    Err(ModelError::Config(format!("an image tokenizer of {count} levels, not 1 to {MOST}")))
}
