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
    /// Of weights.
    pub(super) const OF_WEIGHTS: Self = Self { near: 4 << 10, far: 10 << 10 };

    /// The farther request names a line that is already on its way, which helps a little.
    const FETCHED_BY_ITSELF: Self = Self { near: 4 << 10, far: 2 << 10 };

    /// Of keys and values.
    const OF_CACHES: Self = Self { near: 3 << 10, far: 12 << 10 };
}

/// Which lines of a run are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Requests {
    /// Each of them.
    EveryLine(Distances),
    /// One in [`LINES_A_REQUEST`], in the second-level cache, [`FEW_REQUESTS_AHEAD`].
    Few,
}

/// Lines that one request stands for where few are made.
pub(super) const LINES_A_REQUEST: usize = 4;

/// How far ahead of its use a line is asked for where few are, in bytes: between 12 and 32 KiB it makes no
/// difference.
pub(super) const FEW_REQUESTS_AHEAD: usize = 16 << 10;

impl Requests {
    /// None that means anything.
    pub(super) const NONE: Self = Self::EveryLine(Distances { near: 0, far: 0 });

    /// Those for weights on this machine's processor, found by trying on a Xeon and an EPYC.
    ///
    /// AMD's processors fetch a stream into the second level by themselves, faster if a line is named
    /// further ahead now and then, and slower if all of them are: a request holds a place that
    /// a line from memory could wait in, and takes instructions from the window in which the processor
    /// looks for the next loads. The more is computed, the shorter that window, until lines
    /// must be asked for one by one.
    pub(super) fn for_weights(arithmetic: Arithmetic) -> Self {
        match arithmetic {
            Arithmetic::Much => Self::EveryLine(Distances::OF_WEIGHTS),
            _ if !fetches_streams() => Self::EveryLine(Distances::OF_WEIGHTS),
            Arithmetic::Some => Self::EveryLine(Distances::FETCHED_BY_ITSELF),
            Arithmetic::Little => Self::Few,
        }
    }

    /// Those for keys and values, likewise.
    pub(super) fn for_caches(arithmetic: Arithmetic) -> Self {
        match arithmetic {
            Arithmetic::Little if fetches_streams() => Self::Few,
            _ => Self::EveryLine(Distances::OF_CACHES),
        }
    }
}

/// Whether this processor fetches a stream into the second-level cache fast enough by itself.
fn fetches_streams() -> bool {
    static AMD: OnceLock<bool> = OnceLock::new();
    *AMD.get_or_init(is_amd)
}

/// How much is computed with a cache line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arithmetic {
    /// Memory takes much longer.
    Little,
    /// Memory takes longer.
    Some,
    /// As long as memory takes.
    Much,
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

/// Lines that each of so many `tiles` of heads asks for, so that together they ask for all of `bytes`.
#[inline(always)]
pub(super) fn lines_of_a_tile(bytes: usize, tiles: usize) -> usize {
    bytes.div_ceil(LINE_BYTES * tiles)
}

/// Most lines asked for beyond the usual distance: 32 KiB. In a step, where weights and scores pass through
/// the second-level cache as well, 256 KiB took 7 % longer at 4000 positions: not all of them were still
/// there. (Attention by itself, again and again, gains by more.)
const MOST_LEAD: usize = 512;

/// A run of memory that is read from its start to its end, and then another.
pub(super) struct Ahead {
    start: *const u8,
    lines: usize,
    next: *const u8,
    /// Lines of both.
    total: usize,
    /// The line where the block ends that is worked on.
    end: usize,
    /// Lines that the block has still to ask for.
    left: usize,
    /// Lines that were asked for in the second-level cache beyond the usual distance.
    lead: usize,
    distances: Distances,
    /// Whether one request stands for several lines.
    few: bool,
    near: *const u8,
    far: *const u8,
}

impl Ahead {
    /// `next` is what will be read after `run`. The first lines are asked for at once, unless the run is
    /// short and reading has `begun`: what was read before, which had this run as its next, has then
    /// asked for nearly all of it.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn new<L: Lanes, N>(
        requests: Requests,
        run: &[N],
        next: &[N],
        begun: bool,
    ) -> Self {
        let lines = size_of_val(run).div_ceil(LINE_BYTES);
        let (few, distances) = match requests {
            Requests::Few => (true, Distances { far: FEW_REQUESTS_AHEAD, ..Distances::OF_CACHES }),
            Requests::EveryLine(distances) => (false, distances),
        };
        let ahead = Self {
            start: run.as_ptr().cast(),
            lines,
            next: next.as_ptr().cast(),
            total: lines + size_of_val(next).div_ceil(LINE_BYTES),
            end: 0,
            left: 0,
            lead: 0,
            distances,
            few,
            near: run.as_ptr().cast(),
            far: run.as_ptr().cast(),
        };
        let (near, far) = (distances.near / LINE_BYTES, distances.far / LINE_BYTES);
        if !begun || lines > near {
            for line in 0..near.min(ahead.total) {
                // SAFETY: the instruction set is the caller's.
                unsafe { L::prefetch(ahead.address(line)) }
            }
            for line in near..far.min(ahead.total) {
                // SAFETY: as above.
                unsafe { L::prefetch_far(ahead.address(line)) }
            }
        }
        ahead
    }

    /// Begins a block of `bytes`, which may ask for as many lines as it has itself. What the block
    /// before has not asked for is too late.
    #[inline(always)]
    pub(super) fn allow(&mut self, bytes: usize) {
        let near = self.end + self.distances.near / LINE_BYTES;
        let far = self.end + self.distances.far / LINE_BYTES + self.lead;
        let block = bytes.div_ceil(LINE_BYTES);
        self.end += block;
        self.left = block.min(self.total.saturating_sub(near));
        self.near = self.address(near);
        self.far = if far < self.total { self.address(far) } else { self.near };
    }

    #[inline(always)]
    fn address(&self, line: usize) -> *const u8 {
        match line.checked_sub(self.lines) {
            None => self.start.wrapping_add(line * LINE_BYTES),
            Some(line) => self.next.wrapping_add(line * LINE_BYTES),
        }
    }

    /// At most `lines` lines more, to be asked for in the second-level cache while nothing of the run is read.
    pub(super) fn further(&mut self, lines: usize) -> Further {
        let first = self.end + self.distances.far / LINE_BYTES + self.lead;
        // What comes after the run lies elsewhere.
        let end = if first < self.lines { self.lines } else { self.total };
        let left = lines.min(end.saturating_sub(first)).min(MOST_LEAD - self.lead);
        self.lead += left;
        Further { next: self.address(first), left }
    }

    /// Asks for `lines` lines more, or some of them where few requests do, unless the block has asked for all
    /// of its own.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn ask<L: Lanes>(&mut self, lines: usize) {
        let lines = lines.min(self.left);
        self.left -= lines;
        if self.few {
            for line in (0..lines).step_by(LINES_A_REQUEST) {
                // SAFETY: prefetches may point anywhere; the instruction set is the caller's.
                unsafe { L::prefetch_far(self.far.wrapping_add(line * LINE_BYTES)) }
            }
            self.far = self.far.wrapping_add(lines * LINE_BYTES);
            return;
        }
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

/// Lines in a row that are still to be asked for.
pub(super) struct Further {
    next: *const u8,
    left: usize,
}

impl Further {
    /// Asks for `lines` of them.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn ask<L: Lanes>(&mut self, lines: usize) {
        for _ in 0..lines.min(self.left) {
            // SAFETY: prefetches may point anywhere; the instruction set is the caller's.
            unsafe { L::prefetch_far(self.next) }
            self.next = self.next.wrapping_add(LINE_BYTES);
            self.left -= 1;
        }
    }
}
