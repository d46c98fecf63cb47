//! The identity of weight files: a hash of their bytes.

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::progress::LoadProgress;
use crate::checkpoint::read_tensor;
use crate::checkpoint::source::SourceFile;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// SHA-256 over files one after the other, in hexadecimal. Announces nothing and counts every byte.
///
/// # Errors
/// Reading fails, the person cancels, or nobody wants it any more.
pub(crate) fn sha256(
    files: &[Arc<SourceFile>],
    progress: &LoadProgress,
    abandoned: &AtomicBool,
) -> Result<String, CheckpointError> {
    let mut hash = Sha256::new();
    for file in files {
        let mut position = 0;
        while position < file.length() {
            let block = file.bytes(position, read_tensor::BLOCK.min(file.length() - position))?;
            hash.update(&block);
            position += block.len() as u64;
            progress.advance(block.len() as u64)?;
            if abandoned.load(Ordering::Relaxed) {
                return Err(CheckpointError::Cancelled);
            }
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
