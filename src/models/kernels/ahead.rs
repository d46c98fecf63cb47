//! Asking for cache lines before their use, at the pace of the arithmetic: keys, then values.
//!
//! A processor waits for a few dozen lines at once only. Where more are asked for in one go it
//! stands still, so every block of work hands out as many requests as it has lines of its own, a few
//! at a time.

use super::lanes::Lanes;

/// Bytes of a cache line.
pub(super) const LINE_BYTES: usize = 64;

/// Lines between a request in the first-level cache and the use.
const NEAR: usize = 32;

/// Lines between a request in the second-level cache, which waits for more lines at once, and the
/// use.
const FAR: usize = 128;

/// Two runs of memory that are read one after the other.
pub(super) struct Ahead {
    first: *const u8,
    first_lines: usize,
    second: *const u8,
    lines: usize,
    /// The line that the arithmetic is taken to be at.
    at: usize,
    /// Where `at` may get to during this block.
    until: usize,
}

impl Ahead {
    /// Asks for the first lines at once.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn new<L: Lanes, N>(first: &[N], second: &[N]) -> Self {
        let lines = |numbers: &[N]| size_of_val(numbers).div_ceil(LINE_BYTES);
        let (first_lines, second_lines) = (lines(first), lines(second));
        let ahead = Self {
            first: first.as_ptr().cast(),
            first_lines,
            second: second.as_ptr().cast(),
            lines: first_lines + second_lines,
            at: 0,
            until: 0,
        };
        for line in 0..NEAR.min(ahead.lines) {
            // SAFETY: the instruction set is the caller's.
            unsafe { L::prefetch(ahead.address(line)) }
        }
        ahead
    }

    /// Lets requests go on by the lines of `bytes` more.
    #[inline(always)]
    pub(super) fn allow(&mut self, bytes: usize) {
        self.until += bytes.div_ceil(LINE_BYTES);
    }

    #[inline(always)]
    fn address(&self, line: usize) -> *const u8 {
        let (start, line) = if line < self.first_lines {
            (self.first, line)
        } else {
            (self.second, line - self.first_lines)
        };
        start.wrapping_add(line * LINE_BYTES)
    }

    /// Asks for the next `lines` lines, unless the block has asked for all of its own.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`.
    #[inline(always)]
    pub(super) unsafe fn ask<L: Lanes>(&mut self, lines: usize) {
        let to = (self.at + lines).min(self.until);
        while self.at < to {
            // SAFETY: prefetches may point anywhere; the instruction set is the caller's.
            unsafe {
                if self.at + NEAR < self.lines {
                    L::prefetch(self.address(self.at + NEAR));
                }
                if self.at + FAR < self.lines {
                    L::prefetch_far(self.address(self.at + FAR));
                }
            }
            self.at += 1;
        }
    }
}
