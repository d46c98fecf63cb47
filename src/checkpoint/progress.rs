//! Progress of loading in bytes, and its cancellation. Shared between the loading thread and the
//! window: plain atomics, so that neither ever waits for the other.

use crate::checkpoint::error::CheckpointError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How far loading is. Cancellation takes effect within one block of 1 MiB.
#[derive(Debug, Default)]
pub struct LoadProgress {
    done: AtomicU64,
    total: AtomicU64,
    cancelled: AtomicBool,
    failure: Mutex<Option<CheckpointError>>,
}

impl LoadProgress {
    /// Announces bytes that will be read; adds up over decoder, tokenizer and text encoder.
    pub fn expect(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes read so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Bytes announced so far.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Part done, 0 to 1; 0 while nothing is announced.
    pub fn fraction(&self) -> f32 {
        match self.total() {
            0 => 0.0,
            total => (self.done() as f64 / total as f64).min(1.0) as f32,
        }
    }

    /// Asks the loading thread to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether [`LoadProgress::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Keeps why a read failed: the tensor library passes on no more than its text.
    pub(crate) fn fail(&self, error: CheckpointError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Why the last read failed, once.
    pub fn take_failure(&self) -> Option<CheckpointError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Counts bytes that were read.
    ///
    /// # Errors
    /// [`CheckpointError::Cancelled`] once the person cancelled.
    pub fn advance(&self, bytes: u64) -> Result<(), CheckpointError> {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        if self.is_cancelled() { Err(CheckpointError::Cancelled) } else { Ok(()) }
    }
}
