//! Asking for cache lines before their use, at the pace of the arithmetic.
//!
//! A processor waits for a few dozen lines at once only. Where more are asked for in one go it
//! stands still, so every block of work hands out as many requests as it has lines of its own, a few
//! at a time.

use super::lanes::Lanes;
use std::sync::OnceLock;

/// Bytes of a cache line.
pub(super) const LINE_BYTES: usize = 64;

/// How far ahead of its use a line is asked for, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Distances {
    /// In the first-level cache.
    pub(super) near: usize,
    /// In the second-level cache, which waits for more lines at once.
    pub(super) far: usize,
}

impl Distances {
    /// Found by trying on a Xeon and an EPYC. AMD's processors fetch streams into the second level by
    /// themselves, and slower when they are asked to as well, unless the arithmetic takes as long as
    /// memory does. There the farther request names a line that is already on its way, and costs
    /// nothing.
    const FETCHED_BY_ITSELF: Self = Self { near: 4 << 10, far: 2 << 10 };
    const ASKED_FOR: Self = Self { near: 4 << 10, far: 10 << 10 };

    /// Those of this machine's processor; `heavy` if the arithmetic takes as long as memory does.
    pub(super) fn of_this_machine(heavy: bool) -> Self {
        static AMD: OnceLock<bool> = OnceLock::new();
        if !heavy && *AMD.get_or_init(is_amd) { Self::FETCHED_BY_ITSELF } else { Self::ASKED_FOR }
    }
}

#[cfg(target_arch = "x86_64")]
fn is_amd() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn is_amd() -> bool {
    false
}

/// Most lines asked for beyond the usual distance: 128 KiB, half of a small second-level cache.
const MOST_LEAD: usize = 2048;

/// A run of memory that is read from its start to its end, and then another.
pub(super) struct Ahead {
    start: *const u8,
    lines: usize,
    next: *const u8,
    /// The line where the block ends that is worked on.
    end: usize,
    /// Lines that the block has still to ask for.
    left: usize,
    /// Lines that were asked for in the second-level cache beyond the usual distance.
    lead: usize,
    distances: Distances,
    near: *const u8,
    far: *const u8,
}

impl Ahead {
    /// Asks for the first lines of `run` at once. `next` is what will be read then.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn new<L: Lanes, N>(distances: Distances, run: &[N], next: &[N]) -> Self {
        let (start, next) = (run.as_ptr().cast(), next.as_ptr().cast());
        let lines = size_of_val(run).div_ceil(LINE_BYTES);
        let ahead = Self {
            start,
            lines,
            next,
            end: 0,
            left: 0,
            lead: 0,
            distances,
            near: start,
            far: start,
        };
        let (near, far) = (distances.near / LINE_BYTES, distances.far / LINE_BYTES);
        for line in 0..near.min(lines) {
            // SAFETY: the instruction set is the caller's.
            unsafe { L::prefetch(ahead.address(line)) }
        }
        for line in near..far.min(lines) {
            // SAFETY: as above.
            unsafe { L::prefetch_far(ahead.address(line)) }
        }
        ahead
    }

    /// Begins a block of `bytes`, which may ask for as many lines as it has itself. What the block
    /// before has not asked for is too late.
    #[inline(always)]
    pub(super) fn allow(&mut self, bytes: usize) {
        let Distances { near, far } = self.distances;
        self.near = self.address(self.end + near / LINE_BYTES);
        self.far = self.address(self.end + far / LINE_BYTES + self.lead);
        self.left = bytes.div_ceil(LINE_BYTES);
        self.end += self.left;
    }

    #[inline(always)]
    fn address(&self, line: usize) -> *const u8 {
        match line.checked_sub(self.lines) {
            None => self.start.wrapping_add(line * LINE_BYTES),
            Some(line) => self.next.wrapping_add(line * LINE_BYTES),
        }
    }

    /// Asks for `lines` lines more in the second-level cache, while nothing of the run is read.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn ask_further<L: Lanes>(&mut self, lines: usize) {
        let first = self.end + self.distances.far / LINE_BYTES;
        for _ in 0..lines.min(MOST_LEAD - self.lead) {
            // SAFETY: prefetches may point anywhere; the instruction set is the caller's.
            unsafe { L::prefetch_far(self.address(first + self.lead)) }
            self.lead += 1;
        }
    }

    /// Asks for `lines` lines more, unless the block has asked for all of its own.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn ask<L: Lanes>(&mut self, lines: usize) {
        let lines = lines.min(self.left);
        self.left -= lines;
        for _ in 0..lines {
            // SAFETY: prefetches may point anywhere; the instruction set is the caller's.
            unsafe {
                L::prefetch(self.near);
                L::prefetch_far(self.far);
            }
            self.near = self.near.wrapping_add(LINE_BYTES);
            self.far = self.far.wrapping_add(LINE_BYTES);
        }
    }
}
