//! What is measured, and for how long.

use crate::bench::random_decoder::DecoderSize;
use std::path::PathBuf;
use std::time::Duration;

/// What to measure, and for how long.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Rounds; each variant runs once a round. Slow machines do fewer: a part of the bench that has
    /// used up its time ends after the round it is in.
    pub rounds: usize,
    /// Threads that decode.
    pub threads: usize,
    /// Program and arguments that keep one core busy until their standard input ends; none leaves
    /// that row out.
    pub busy: Option<(PathBuf, Vec<String>)>,
    /// Decoders of two blocks in place of the real sizes: shows that everything runs, and nothing
    /// about speed.
    pub quick: bool,
}

impl BenchOptions {
    /// Blocks of a decoder in the quick mode.
    const QUICK_LAYERS: usize = 2;
    /// Entries of the output head in the quick mode.
    const QUICK_VOCABULARY: usize = 1024;
    /// Larger than the last-level caches of large machines.
    const ROOF_BYTES: usize = 640 << 20;
    /// Enough to run through the code.
    const QUICK_ROOF_BYTES: usize = 8 << 20;

    pub(super) fn size(&self, full: DecoderSize) -> DecoderSize {
        let (layers, vocabulary) = (Self::QUICK_LAYERS, Self::QUICK_VOCABULARY);
        if self.quick { DecoderSize { layers, vocabulary, ..full } } else { full }
    }

    pub(super) fn roof_bytes(&self) -> usize {
        if self.quick { Self::QUICK_ROOF_BYTES } else { Self::ROOF_BYTES }
    }
}

/// Longest time for rows, SoftCFG and lengths of AliTok-B's size in bf16; with the four below, and with
/// what loading and the paired run take, less than two minutes.
pub(super) const ROWS_TIME: Duration = Duration::from_secs(30);
/// Longest time for other precisions, layers and kernels.
pub(super) const OTHERS_TIME: Duration = Duration::from_secs(20);
/// Longest time for a turn of steps alone or beside a busy process, six in all.
pub(super) const BUSY_TIME: Duration = Duration::from_millis(1500);
/// Longest time for the two lengths.
pub(super) const LENGTHS_TIME: Duration = Duration::from_secs(15);
/// Longest time for the built-in model.
pub(super) const BUILT_IN_TIME: Duration = Duration::from_secs(10);

/// Longest time for a model that was chosen.
pub(super) const MODEL_TIME: Duration = Duration::from_secs(60);
