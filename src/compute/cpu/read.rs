//! Reading memory as fast as it goes: the roof that decoding is measured against.

use super::ahead::{Distances, FEW_REQUESTS_AHEAD, LINES_A_REQUEST};
use super::isa::{Isa, Task};
use super::lanes::{LANES, Lanes};
use super::storage::AlignedBytes;
use crate::compute::error::ModelError;
use rayon::prelude::*;

/// Bytes that one thread reads before it looks for more work.
const PIECE: usize = 4 << 20;

/// Which cache lines are asked for before their use. Which way is fastest differs between machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefetch {
    /// None: the processor guesses by itself.
    Hardware,
    /// In the first-level cache.
    Near,
    /// In the second-level cache, then in the first, as the kernels do.
    FarAndNear,
    /// Few, as the kernels do where that is faster.
    Few,
}

/// Memory that is read whole, laid out as weights are.
#[derive(Debug)]
pub(crate) struct ReadBuffer {
    storage: AlignedBytes,
}

impl ReadBuffer {
    /// `length` bytes, all of them written, so that every page is one of its own.
    ///
    /// # Errors
    /// No memory.
    pub(crate) fn new(length: usize) -> Result<Self, ModelError> {
        let mut storage = AlignedBytes::zeroed(length / PIECE * PIECE)?;
        storage.bytes_mut().fill(1);
        Ok(Self { storage })
    }

    /// Bytes that [`ReadBuffer::read`] reads.
    pub(crate) fn length(&self) -> usize {
        self.storage.bytes().len()
    }

    /// Reads everything with the threads of the current pool. The result depends on all bytes.
    pub(crate) fn read(&self, isa: Isa, prefetch: Prefetch) -> f32 {
        let numbers: &[f32] = bytemuck::cast_slice(self.storage.bytes());
        let pieces = numbers.par_chunks(PIECE / size_of::<f32>());
        pieces.map(|numbers| isa.run(ReadAll { numbers, prefetch })).sum()
    }
}

struct ReadAll<'a> {
    numbers: &'a [f32],
    prefetch: Prefetch,
}

impl Task for ReadAll<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        // As many lines a turn as the kernels take: bursts of requests wait for one another.
        const LINES: usize = LINES_A_REQUEST;
        let Distances { near, far } = Distances::OF_WEIGHTS;
        let (chunks, _) = self.numbers.as_chunks::<{ LANES * LINES }>();
        // SAFETY: loads are within arrays of LINES times 16; prefetches may point anywhere.
        unsafe {
            let mut sums = [L::splat(0.0); LINES];
            for chunk in chunks {
                if self.prefetch == Prefetch::Few {
                    L::prefetch_far(chunk.as_ptr().cast::<u8>().wrapping_add(FEW_REQUESTS_AHEAD));
                }
                for (line, sum) in sums.iter_mut().enumerate() {
                    let at = chunk.as_ptr().add(line * LANES);
                    if self.prefetch == Prefetch::FarAndNear {
                        L::prefetch_far(at.cast::<u8>().wrapping_add(far));
                    }
                    if matches!(self.prefetch, Prefetch::Near | Prefetch::FarAndNear) {
                        L::prefetch(at.cast::<u8>().wrapping_add(near));
                    }
                    *sum = sum.add(L::load(at));
                }
            }
            sums.iter().fold(0.0, |total, sum| total + sum.sum())
        }
    }
}
