//! Attention of one row, over the cache of one sequence.
//!
//! Keys and values stand in blocks of positions, all heads of a block one after the other, so that a
//! layer's are two runs of memory. Each is read once, from its start to its end, for all query heads of
//! a group, and asked for ahead of its use at the pace of the arithmetic ([`Ahead`]). Every number is a
//! sum in one fixed order: channel after channel for scores, position after position for outputs.

use super::ahead::{Ahead, Arithmetic, LINE_BYTES, Requests};
use super::lanes::{LANES, Lanes};
use super::rows::exp2;
use super::storage::Numbers;
use super::stored::Stored;
use super::value_block::{ValueBlock, lines_to_ask};
use super::{Kernel, Task};
use std::f32::consts::LOG2_E;

/// Positions of a block. Its keys stand channel by channel: scores of a block are one vector, and need
/// no sums over lanes, which would take twice the time of the products. Its values stand position by
/// position.
pub(crate) const BLOCK: usize = LANES;

/// Channels between two requests for keys that come.
const STRIDE: usize = 4;

/// Cache lines that memory gives at least while 16 powers are computed.
const LINES_A_POWER: usize = 1;

/// What a row attends to, with all of its heads or with some.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowJob<'a> {
    /// `[heads][group][dim]`.
    pub queries: &'a [f32],
    /// `[blocks][kv_heads][dim][16]`, the last block filled up with anything.
    pub keys: Numbers<'a>,
    /// `[blocks][kv_heads][16][dim]`, stored as the keys are, the last block filled up likewise.
    pub values: Numbers<'a>,
    /// Positions that are attended to.
    pub visible: usize,
    /// Key/value heads of the cache.
    pub kv_heads: usize,
    /// The first of them that the queries belong to.
    pub first_head: usize,
    /// The keys of the job that comes then, if there is one: they are asked for during this one.
    pub next: Option<Numbers<'a>>,
    /// Whether these keys were the next ones of the job before.
    pub begun: bool,
    /// Query heads that share a key/value head.
    pub group: usize,
    /// Width of a head.
    pub dim: usize,
    /// Factor on the products of queries and keys.
    pub scale: f32,
    /// Position that the factors below begin at.
    pub first_image: usize,
    /// Factors on the scores, before the softmax.
    pub key_weights: Option<&'a [f32]>,
    /// Factors on the probabilities, after the softmax.
    pub value_weights: Option<&'a [f32]>,
}

impl RowJob<'_> {
    /// Key/value heads of the job.
    fn heads(&self) -> usize {
        self.queries.len() / (self.group * self.dim)
    }

    /// Numbers of a block of one head.
    fn block(&self) -> usize {
        BLOCK * self.dim
    }

    /// How its cache lines are asked for. One f32 a product, and memory takes longer than the arithmetic;
    /// bf16, or several heads, and both take about as long.
    fn requests<S>(&self) -> Requests {
        let little = self.group == 1 && size_of::<S>() == size_of::<f32>();
        Requests::for_caches(if little { Arithmetic::Little } else { Arithmetic::Much })
    }
}

/// Writes the attention of `job` to `out`, which has the shape of the queries. `scratch` only grows.
pub(crate) fn attend_row(kernel: Kernel, job: RowJob<'_>, scratch: &mut Vec<f32>, out: &mut [f32]) {
    assert!(job.dim > 0 && job.group > 0 && job.visible > 0, "something is attended to");
    let heads = job.heads();
    assert!(job.queries.len() == heads * job.group * job.dim && out.len() == job.queries.len());
    assert!(job.first_head + heads <= job.kv_heads, "no more heads than the cache has");
    let padded = job.visible.next_multiple_of(BLOCK);
    assert!(job.keys.len() == padded * job.kv_heads * job.dim);
    assert!(job.values.len() == job.keys.len());
    let (scores, sums) = (heads * job.group * padded, heads * job.group);
    if scratch.len() < scores + sums {
        scratch.resize(scores + sums, 0.0);
    }
    let (scores, sums) = scratch[..scores + sums].split_at_mut(scores);
    kernel.run(AttendRow { job, scores, sums, padded, out });
}

struct AttendRow<'a> {
    job: RowJob<'a>,
    /// In units of ln 2, then 2^(score - largest); `[heads][group][padded]`.
    scores: &'a mut [f32],
    /// Sums of these powers, `[heads][group]`.
    sums: &'a mut [f32],
    /// Positions of all blocks.
    padded: usize,
    out: &'a mut [f32],
}

impl Task for AttendRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: passed on.
        unsafe {
            match (self.job.keys, self.job.values) {
                (Numbers::F32(keys), Numbers::F32(values)) => self.attend::<L, f32>(keys, values),
                (Numbers::Bf16(keys), Numbers::Bf16(values)) => {
                    self.attend::<L, u16>(keys, values);
                }
                _ => unreachable!("a cache stores keys and values alike"),
            }
        }
    }
}

impl AttendRow<'_> {
    #[inline(always)]
    unsafe fn attend<L: Lanes, S: Stored>(self, keys: &[S], values: &[S]) {
        let Self { job, scores, sums, padded, out } = self;
        // Some heads of a block are no run of memory: the processor guesses what comes.
        let all = job.heads() == job.kv_heads;
        let requests = if all { job.requests::<S>() } else { Requests::NONE };
        // SAFETY: `attend_row` has checked the lengths of all slices.
        unsafe {
            let mut ahead = Ahead::new::<L, S>(requests, keys, values, job.begun);
            let tiles = ScoreTiles { job: &job, padded, scores: scores.as_mut_ptr() };
            tiles.all::<L, S>(keys.as_ptr(), &mut ahead);
            // While the powers are computed, the first values come.
            let next = job.next.and_then(S::of).unwrap_or(&[]);
            let mut ahead = Ahead::new::<L, S>(requests, values, next, true);
            for (scores, sum) in scores.chunks_mut(padded).zip(sums.iter_mut()) {
                // Positions of the last block that are not looked at count for nothing.
                scores[job.visible..].fill(f32::NEG_INFINITY);
                multiply_image_part(scores, job.first_image, job.key_weights);
                *sum = replace_by_powers::<L>(scores, &mut ahead);
                multiply_image_part(scores, job.first_image, job.value_weights);
            }
            out.fill(0.0);
            let (values, scores) = (values.as_ptr(), scores.as_ptr());
            let out_ptr = out.as_mut_ptr();
            // The usual widths are compiled in: addresses of a block are constants then.
            match job.dim {
                48 => job.add_values::<L, S>(48, values, padded, scores, out_ptr, &mut ahead),
                64 => job.add_values::<L, S>(64, values, padded, scores, out_ptr, &mut ahead),
                128 => job.add_values::<L, S>(128, values, padded, scores, out_ptr, &mut ahead),
                dim => job.add_values::<L, S>(dim, values, padded, scores, out_ptr, &mut ahead),
            }
            for (out, sum) in out.chunks_exact_mut(job.dim).zip(sums) {
                let factor = 1.0 / *sum;
                out.iter_mut().for_each(|out| *out *= factor);
            }
        }
    }
}

#[inline(always)]
fn multiply_image_part(scores: &mut [f32], first_image: usize, weights: Option<&[f32]>) {
    if let (Some(weights), Some(scores)) = (weights, scores.get_mut(first_image..)) {
        scores.iter_mut().zip(weights).for_each(|(score, weight)| *score *= weight);
    }
}

impl RowJob<'_> {
    /// Adds probabilities, not yet divided by their sum, times values to the outputs of all heads; `dim` is
    /// the job's own.
    #[inline(always)]
    unsafe fn add_values<L: Lanes, S: Stored>(
        &self,
        dim: usize,
        values: *const S,
        padded: usize,
        probabilities: *const f32,
        out: *mut f32,
        ahead: &mut Ahead,
    ) {
        let (group, heads) = (self.group, self.heads());
        // SAFETY: blocks end at `visible`, heads at those of the job.
        unsafe {
            for (block, from) in (0..self.visible).step_by(BLOCK).enumerate() {
                let count = BLOCK.min(self.visible - from);
                let lines = lines_to_ask::<L>(group, dim, count, size_of::<S>());
                let values = values.add((block * self.kv_heads + self.first_head) * BLOCK * dim);
                for head in 0..heads {
                    ahead.allow(BLOCK * dim * size_of::<S>());
                    let values = values.add(head * BLOCK * dim);
                    let block = ValueBlock { dim, group, values, count, padded, lines };
                    let probabilities = probabilities.add(head * group * padded + from);
                    block.add_all::<L>(probabilities, out.add(head * group * dim), ahead);
                }
            }
        }
    }
}

/// Scores of all heads, block by block, as many heads at once as sums fit the registers: a key is loaded
/// once for several of them.
struct ScoreTiles<'a> {
    job: &'a RowJob<'a>,
    padded: usize,
    /// `[heads][group][padded]`.
    scores: *mut f32,
}

impl ScoreTiles<'_> {
    /// A sum waits for itself, so that a few of them go on side by side: those of the heads of a group,
    /// or of every fourth or second channel where there are too few heads. How many depends on the
    /// group alone, so that every kernel adds in the same order.
    #[inline(always)]
    unsafe fn all<L: Lanes, S: Stored>(&self, keys: *const S, ahead: &mut Ahead) {
        // SAFETY: passed on.
        unsafe {
            match self.job.group {
                1 => self.blocks::<L, S, 4>(keys, ahead),
                2 | 3 => self.blocks::<L, S, 2>(keys, ahead),
                _ => self.blocks::<L, S, 1>(keys, ahead),
            }
        }
    }

    /// All heads of all blocks, with C sums for every score.
    #[inline(always)]
    unsafe fn blocks<L: Lanes, S: Stored, const C: usize>(
        &self,
        keys: *const S,
        ahead: &mut Ahead,
    ) {
        let (job, heads) = (self.job, self.job.heads());
        // SAFETY: blocks end at `padded`, heads at those of the job.
        unsafe {
            for block in 0..self.padded / BLOCK {
                let keys = keys.add((block * job.kv_heads + job.first_head) * job.block());
                for head in 0..heads {
                    ahead.allow(job.block() * size_of::<S>());
                    self.head::<L, S, C>(keys.add(head * job.block()), head, block, ahead);
                }
            }
        }
    }

    /// One block of a key/value head.
    #[inline(always)]
    unsafe fn head<L: Lanes, S: Stored, const C: usize>(
        &self,
        keys: *const S,
        kv_head: usize,
        block: usize,
        ahead: &mut Ahead,
    ) {
        let RowJob { dim, group, .. } = *self.job;
        let most = (2 * L::WIDE_ROWS / C).clamp(1, 8);
        // Every tile of heads asks for its part of the lines of a block.
        let requests = group.div_ceil(most) * dim.div_ceil(STRIDE);
        let lines = (self.job.block() * size_of::<S>()).div_ceil(LINE_BYTES * requests);
        // SAFETY: heads stay below `group`; numbers of heads that never come are left out by the
        // compiler.
        unsafe {
            for first in (0..group).step_by(most) {
                let head = kv_head * group + first;
                let scores = self.scores.add(head * self.padded + block * BLOCK);
                match most.min(group - first) {
                    1 => self.add::<L, S, C, 1>(head, keys, scores, lines, ahead),
                    2 if most >= 2 => self.add::<L, S, C, 2>(head, keys, scores, lines, ahead),
                    3 if most >= 3 => self.add::<L, S, C, 3>(head, keys, scores, lines, ahead),
                    4 if most >= 4 => self.add::<L, S, C, 4>(head, keys, scores, lines, ahead),
                    5 if most >= 5 => self.add::<L, S, C, 5>(head, keys, scores, lines, ahead),
                    6 if most >= 6 => self.add::<L, S, C, 6>(head, keys, scores, lines, ahead),
                    7 if most >= 7 => self.add::<L, S, C, 7>(head, keys, scores, lines, ahead),
                    8 if most >= 8 => self.add::<L, S, C, 8>(head, keys, scores, lines, ahead),
                    _ => unreachable!("tiles of heads fit the registers"),
                }
            }
        }
    }

    /// Scores of H heads from `head` on at one block.
    #[inline(always)]
    unsafe fn add<L: Lanes, S: Stored, const C: usize, const H: usize>(
        &self,
        head: usize,
        keys: *const S,
        scores: *mut f32,
        lines: usize,
        ahead: &mut Ahead,
    ) {
        let dim = self.job.dim;
        // SAFETY: H heads have queries and room for a block of scores; `keys` are a block.
        unsafe {
            let query = self.job.queries.as_ptr().add(head * dim);
            let mut sums = [[L::splat(0.0); C]; H];
            let whole = dim - dim % STRIDE;
            for from in (0..whole).step_by(STRIDE) {
                for i in 0..STRIDE {
                    self.add_channel::<L, S, C, H>(query, keys, from + i, i % C, &mut sums);
                }
                ahead.ask::<L>(lines);
            }
            for channel in whole..dim {
                self.add_channel::<L, S, C, H>(query, keys, channel, 0, &mut sums);
            }
            let scale = L::splat(self.job.scale * LOG2_E);
            for (head, sums) in sums.iter().enumerate() {
                let mut total = sums[0];
                for sum in &sums[1..] {
                    total = total.add(*sum);
                }
                total.mul(scale).store(scores.add(head * self.padded));
            }
        }
    }

    /// Adds the products of a channel to the sums numbered `c` of H heads.
    #[inline(always)]
    unsafe fn add_channel<L: Lanes, S: Stored, const C: usize, const H: usize>(
        &self,
        query: *const f32,
        keys: *const S,
        channel: usize,
        c: usize,
        sums: &mut [[L; C]; H],
    ) {
        // SAFETY: as the caller; `channel` is below `dim`.
        unsafe {
            let key = S::load::<L>(keys.add(channel * BLOCK));
            for (head, sums) in sums.iter_mut().enumerate() {
                let query = L::splat(*query.add(head * self.job.dim + channel));
                sums[c] = query.mul_add(key, sums[c]);
            }
        }
    }
}

/// Replaces the scores of a head by 2^(score - largest) and returns their sum. Meanwhile memory would
/// stand still.
#[inline(always)]
unsafe fn replace_by_powers<L: Lanes>(scores: &mut [f32], ahead: &mut Ahead) -> f32 {
    let vectors = scores.as_chunks_mut::<LANES>().0;
    // SAFETY: loads and stores are of arrays of 16.
    unsafe {
        let mut largest = L::splat(f32::NEG_INFINITY);
        for vector in vectors.iter() {
            largest = L::load(vector.as_ptr()).max(largest);
        }
        let largest = L::splat(largest.largest());
        let mut sum = L::splat(0.0);
        for vector in vectors.iter_mut() {
            let power = exp2(L::load(vector.as_ptr()).sub(largest));
            power.store(vector.as_mut_ptr());
            sum = sum.add(power);
            ahead.ask_further::<L>(LINES_A_POWER);
        }
        sum.sum()
    }
}
