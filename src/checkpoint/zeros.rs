//! Tensors that hold nothing but zeros: what a download leaves that reserves its file before it is filled.
//! Biases are zero in sound files, and the layers that scale others start at zero; matrices, tables and
//! the weights of norms never are, once anything was trained.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::entry::{Stored, TensorEntry};
use crate::checkpoint::progress::LoadProgress;
use crate::checkpoint::read_tensor::BLOCK;
use crate::checkpoint::source::SourceFile;
use std::sync::Arc;

/// Parts of names, in lower case, of layers that are zero before training and harmless then: modulation by
/// the condition (DiT's adaLN-Zero).
const STARTS_AT_ZERO: [&str; 2] = ["adaln", "ada_ln"];

/// Whether a tensor of this name and shape holds a number other than 0 in every sound file.
pub(crate) fn is_never_zero(entry: &TensorEntry) -> bool {
    let name = entry.name.to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    // A vector is a norm's weight, or one learned row that may be anything.
    let axes = entry.shape.iter().filter(|&&axis| axis > 1).count();
    entry.dtype.is_float()
        && entry.elements() > 1
        && last != "bias"
        && (axes > 1 || last == "weight")
        && !STARTS_AT_ZERO.iter().any(|part| name.contains(part))
}

/// What is said of `found`, which holds only zeros, and of all others like it.
pub(crate) fn describe(
    found: &str,
    sources: &[Arc<SourceFile>],
    entries: &[TensorEntry],
    progress: &LoadProgress,
) -> Result<String, CheckpointError> {
    let (mut count, mut candidates) = (0, 0);
    for entry in entries.iter().filter(|entry| is_never_zero(entry)) {
        candidates += 1;
        if entry.name == found {
            count += 1;
        } else if let Some(file) = sources.get(entry.place.source) {
            count += usize::from(holds_only_zeros(file, entry, progress)?);
        }
    }
    Ok(match count {
        0 | 1 => format!("tensor {found} holds"),
        all if all == candidates => format!("all {all} matrices hold"),
        some => format!("{some} of {candidates} matrices, {found} the first that is read, hold"),
    })
}

/// Reads a tensor up to its first other number. Packed tensors have none of their own: a download that is
/// not complete cannot be unpacked.
fn holds_only_zeros(
    file: &SourceFile,
    entry: &TensorEntry,
    progress: &LoadProgress,
) -> Result<bool, CheckpointError> {
    let (Stored::Plain { start, .. }, None) = (entry.place.stored, &entry.place.strides) else {
        return Ok(false);
    };
    let size = entry.dtype.size().unwrap_or(0);
    let (mut at, mut left) = (start + entry.place.offset * size, entry.bytes());
    while left > 0 {
        let bytes = file.bytes(at, left.min(BLOCK))?;
        if bytes.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        // Not counted, only stopped by whoever cancels.
        progress.advance(0)?;
        (at, left) = (at + bytes.len() as u64, left - bytes.len() as u64);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::entry::{ElementType, TensorPlace};

    #[test]
    fn biases_and_modulation_may_be_zero_matrices_and_norms_not() {
        let never = |name: &str, shape: &[usize]| {
            let stored = Stored::Plain { start: 0, length: 0 };
            let place = TensorPlace { source: 0, stored, offset: 0, strides: None };
            let (name, shape) = (name.to_owned(), shape.to_vec());
            is_never_zero(&TensorEntry { name, shape, dtype: ElementType::Bf16, place })
        };
        assert!(never("model.layers.0.mlp.up_proj.weight", &[4, 4]));
        assert!(never("model.norm.weight", &[4]) && never("q_norm.weight", &[1, 4]));
        assert!(never("pos_embed", &[1, 8, 4]));
        assert!(
            !never("model.layers.0.self_attn.q_proj.bias", &[4]) && !never("k_norm.bias", &[2, 4])
        );
        assert!(!never("blocks.0.adaLN_modulation.1.weight", &[6, 4]));
        assert!(!never("mask_token", &[1, 1, 4]));
    }
}
