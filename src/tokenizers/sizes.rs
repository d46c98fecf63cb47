//! Sizes that several tokenizers read off their tensors.

use crate::compute::error::ModelError;

/// No tokenizer has more levels, each of which doubles the sides of the one before it.
const MOST_LEVELS: usize = 8;

/// The number of levels, if a tokenizer can have as many.
///
/// # Errors
/// No levels, or too many.
pub(super) fn checked_levels(count: usize) -> Result<usize, ModelError> {
    if (1..=MOST_LEVELS).contains(&count) {
        return Ok(count);
    }
    Err(ModelError::Config(format!("an image tokenizer of {count} levels, not 1 to {MOST_LEVELS}")))
}

/// Side of the square of coloured pixels that `channels` numbers are.
///
/// # Errors
/// They are none.
pub(super) fn patch_side(channels: usize) -> Result<usize, ModelError> {
    (1..=64).find(|side| side * side * 3 == channels).ok_or_else(|| {
        ModelError::Weights(format!("{channels} outputs are no square of coloured pixels"))
    })
}
