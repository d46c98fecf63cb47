//! The first half of attention: scores of a block of keys, for as many heads of a group at once as sums
//! fit the registers, so that a key is loaded once for several of them.

use super::ahead::{Ahead, lines_of_a_tile};
use super::cache_block::BLOCK;
use super::lanes::Lanes;
use super::stored::Stored;

/// Channels between two requests for keys that come.
const STRIDE: usize = 4;

/// Sums that go on side by side for one score: a sum waits for itself, and few heads do not fill that time.
/// It depends on the group alone, so that every kernel adds in the same order.
fn sums_of_a_score(group: usize) -> usize {
    match group {
        1 => 4,
        2 | 3 => 2,
        _ => 1,
    }
}

/// Most heads, with so many sums a score, whose scores are summed together.
#[inline(always)]
fn heads_together<L: Lanes>(sums: usize) -> usize {
    (2 * L::WIDE_ROWS / sums).clamp(1, 8)
}

/// The keys of [`BLOCK`] positions of a head.
pub(super) struct KeyBlock<S> {
    /// Width of a head.
    pub(super) dim: usize,
    /// Query heads.
    pub(super) group: usize,
    /// `[dim][BLOCK]`.
    pub(super) keys: *const S,
    /// Numbers between the scores of two heads.
    pub(super) stride: usize,
    /// Factor on all scores.
    pub(super) scale: f32,
    /// [`lines_to_ask`].
    pub(super) lines: usize,
}

/// Cache lines to ask for at every [`STRIDE`] channels.
#[inline(always)]
pub(super) fn lines_to_ask<L: Lanes, S>(group: usize) -> usize {
    let tiles = group.div_ceil(heads_together::<L>(sums_of_a_score(group)));
    lines_of_a_tile(STRIDE * BLOCK * size_of::<S>(), tiles)
}

impl<S: Stored> KeyBlock<S> {
    /// Writes the scores of all heads.
    ///
    /// # Safety
    /// `queries` are those of the group, `[group][dim]`, and `scores` has room for [`BLOCK`] of every head.
    #[inline(always)]
    pub(super) unsafe fn score_all<L: Lanes>(
        &self,
        queries: *const f32,
        scores: *mut f32,
        ahead: &mut Ahead,
    ) {
        // SAFETY: passed on.
        unsafe {
            match sums_of_a_score(self.group) {
                4 => self.score_heads::<L, 4>(queries, scores, ahead),
                2 => self.score_heads::<L, 2>(queries, scores, ahead),
                _ => self.score_heads::<L, 1>(queries, scores, ahead),
            }
        }
    }

    /// With C sums for every score.
    #[inline(always)]
    unsafe fn score_heads<L: Lanes, const C: usize>(
        &self,
        queries: *const f32,
        scores: *mut f32,
        ahead: &mut Ahead,
    ) {
        let Self { dim, group, stride, .. } = *self;
        let most = heads_together::<L>(C);
        // SAFETY: heads stay below `group`.
        unsafe {
            for first in (0..group).step_by(most) {
                let (queries, scores) = (queries.add(first * dim), scores.add(first * stride));
                // Tiles that no group comes to with so many sums are not compiled.
                match most.min(group - first) {
                    1 => self.score::<L, C, 1>(queries, scores, ahead),
                    2 if C <= 2 => self.score::<L, C, 2>(queries, scores, ahead),
                    3 if C <= 2 => self.score::<L, C, 3>(queries, scores, ahead),
                    4 if C == 1 => self.score::<L, C, 4>(queries, scores, ahead),
                    5 if C == 1 => self.score::<L, C, 5>(queries, scores, ahead),
                    6 if C == 1 => self.score::<L, C, 6>(queries, scores, ahead),
                    7 if C == 1 => self.score::<L, C, 7>(queries, scores, ahead),
                    8 if C == 1 => self.score::<L, C, 8>(queries, scores, ahead),
                    _ => unreachable!("tiles of heads fit the registers"),
                }
            }
        }
    }

    /// Of H heads.
    #[inline(always)]
    unsafe fn score<L: Lanes, const C: usize, const H: usize>(
        &self,
        queries: *const f32,
        scores: *mut f32,
        ahead: &mut Ahead,
    ) {
        let Self { dim, keys, stride, lines, .. } = *self;
        // SAFETY: H heads have queries of `dim` channels and room for scores.
        unsafe {
            let mut sums = [[L::splat(0.0); C]; H];
            let whole = dim - dim % STRIDE;
            for from in (0..whole).step_by(STRIDE) {
                for i in 0..STRIDE {
                    let (keys, queries) = (keys.add((from + i) * BLOCK), queries.add(from + i));
                    add_channel(keys, queries, dim, i % C, &mut sums);
                }
                ahead.ask::<L>(lines);
            }
            for channel in whole..dim {
                let (keys, queries) = (keys.add(channel * BLOCK), queries.add(channel));
                add_channel(keys, queries, dim, 0, &mut sums);
            }
            let scale = L::splat(self.scale);
            for (head, sums) in sums.iter().enumerate() {
                let mut total = sums[0];
                for sum in &sums[1..] {
                    total = total.add(*sum);
                }
                total.mul(scale).store(scores.add(head * stride));
            }
        }
    }
}

/// Adds the products of a channel of [`BLOCK`] keys to the sums numbered `c` of H heads, whose queries are
/// `dim` apart.
#[inline(always)]
unsafe fn add_channel<L: Lanes, S: Stored, const C: usize, const H: usize>(
    keys: *const S,
    queries: *const f32,
    dim: usize,
    c: usize,
    sums: &mut [[L; C]; H],
) {
    // SAFETY: the caller has H queries and the keys.
    unsafe {
        let key = S::load::<L>(keys);
        for (head, sums) in sums.iter_mut().enumerate() {
            sums[c] = L::splat(*queries.add(head * dim)).mul_add(key, sums[c]);
        }
    }
}
