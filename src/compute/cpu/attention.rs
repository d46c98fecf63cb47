//! Attention of one row, over the cache of one sequence.
//!
//! Keys and values stand in blocks of positions, all heads of a block one after the other, so that a
//! layer's are two runs of memory. Each is read once, from its start to its end, for all query heads of
//! a group, and asked for ahead of its use at the pace of the arithmetic ([`Ahead`]). Every number is a
//! sum in one fixed order: channel after channel for scores, position after position for outputs.

use super::ahead::{Ahead, Arithmetic, Requests};
use super::cache_block::{BLOCK, column_width};
use super::isa::{Isa, Task};
use super::key_block::{self, KeyBlock};
use super::lanes::{LANES, Lanes};
use super::rows::exp2;
use super::storage::Numbers;
use super::stored::Stored;
use super::value_block::{self, ValueBlock};
use std::f32::consts::LOG2_E;

/// Cache lines that memory gives at least while 16 powers are computed.
const LINES_A_POWER: usize = 1;

/// What a row attends to, with all of its heads or with some.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowJob<'a> {
    /// `[heads][group][dim]`.
    pub queries: &'a [f32],
    /// `[blocks][kv_heads][dim][BLOCK]`, the last block filled up with anything.
    pub keys: Numbers<'a>,
    /// `[blocks][kv_heads][columns][value_block][channels]`, stored as the keys are, the last block filled up likewise.
    pub values: Numbers<'a>,
    /// Positions of a block of values.
    pub value_block: usize,
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

    /// Where the block numbered `block`, of `length` positions, of one of the job's heads starts.
    #[inline(always)]
    fn block_start(&self, block: usize, head: usize, length: usize) -> usize {
        (block * self.kv_heads + self.first_head + head) * length * self.dim
    }

    /// How its cache lines are asked for. Up to four products an f32, and memory takes longer than the
    /// arithmetic; bf16, or more heads, and both take about as long.
    fn requests<S>(&self) -> Requests {
        let little = self.group <= 4 && size_of::<S>() == size_of::<f32>();
        Requests::for_caches(if little { Arithmetic::Little } else { Arithmetic::Much })
    }

    /// Scores of all heads, block by block.
    #[inline(always)]
    unsafe fn score<L: Lanes, S: Stored>(
        &self,
        keys: *const S,
        stride: usize,
        scores: *mut f32,
        ahead: &mut Ahead,
    ) {
        let Self { group, dim, visible, .. } = *self;
        let scale = self.scale * LOG2_E;
        let lines = key_block::lines_to_ask::<L, S>(group);
        // SAFETY: blocks end at `visible`, heads at those of the job.
        unsafe {
            for (block, from) in (0..visible).step_by(BLOCK).enumerate() {
                for head in 0..self.heads() {
                    ahead.allow(BLOCK * dim * size_of::<S>());
                    let keys = keys.add(self.block_start(block, head, BLOCK));
                    let queries = self.queries.as_ptr().add(head * group * dim);
                    let scores = scores.add(head * group * stride + from);
                    let block = KeyBlock { dim, group, keys, stride, scale, lines };
                    block.score_all::<L>(queries, scores, ahead);
                }
            }
        }
    }

    /// Adds probabilities, not yet divided by their sum, times values to the outputs of all heads.
    #[inline(always)]
    unsafe fn add_values<L: Lanes, S: Stored>(
        &self,
        values: *const S,
        stride: usize,
        probabilities: *const f32,
        out: *mut f32,
        ahead: &mut Ahead,
    ) {
        let Self { group, dim, visible, value_block: length, .. } = *self;
        let width = column_width(dim);
        let lines = value_block::lines_to_ask::<L, S>(group, width);
        // SAFETY: blocks end at `visible`, heads at those of the job.
        unsafe {
            for (block, from) in (0..visible).step_by(length).enumerate() {
                let count = length.min(visible - from);
                for head in 0..self.heads() {
                    ahead.allow(length * dim * size_of::<S>());
                    let values = values.add(self.block_start(block, head, length));
                    let block =
                        ValueBlock { dim, width, group, values, length, count, stride, lines };
                    let probabilities = probabilities.add(head * group * stride + from);
                    block.add_all::<L>(probabilities, out.add(head * group * dim), ahead);
                }
            }
        }
    }
}

/// Writes the attention of `job` to `out`, which has the shape of the queries. `scratch` only grows.
pub(crate) fn attend_row(isa: Isa, job: RowJob<'_>, scratch: &mut Vec<f32>, out: &mut [f32]) {
    assert!(job.dim > 0 && job.group > 0 && job.visible > 0, "something is attended to");
    let heads = job.heads();
    assert!(job.queries.len() == heads * job.group * job.dim && out.len() == job.queries.len());
    assert!(job.first_head + heads <= job.kv_heads, "no more heads than the cache has");
    assert!(job.keys.len() == job.visible.next_multiple_of(BLOCK) * job.kv_heads * job.dim);
    assert!(job.value_block > 0, "blocks have positions");
    let positions = job.visible.next_multiple_of(job.value_block);
    assert!(job.values.len() == positions * job.kv_heads * job.dim);
    let stride = job.visible.next_multiple_of(LANES);
    let (scores, sums) = (heads * job.group * stride, heads * job.group);
    if scratch.len() < scores + sums + stride {
        scratch.resize(scores + sums + stride, 0.0);
    }
    let (scores, rest) = scratch.split_at_mut(scores);
    let (sums, rest) = rest.split_at_mut(sums);
    let weights = job.value_weights.map(|weights| {
        let all = &mut rest[..stride];
        all.fill(1.0);
        let image = all.iter_mut().skip(job.first_image);
        image.zip(weights).for_each(|(all, weight)| *all = *weight);
        &*all
    });
    isa.run(AttendRow { job, scores, sums, weights, stride, out });
}

struct AttendRow<'a> {
    job: RowJob<'a>,
    /// In units of ln 2, then 2^(score - largest); `[heads][group][stride]`.
    scores: &'a mut [f32],
    /// Sums of these powers, `[heads][group]`.
    sums: &'a mut [f32],
    /// Factors on the powers of every head, 1 where none is given; `[stride]`. The sums are without them.
    weights: Option<&'a [f32]>,
    /// Scores of a head, those of its last vector that count for nothing among them.
    stride: usize,
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
        let Self { job, scores, sums, weights, stride, out } = self;
        // Some heads of a block are no run of memory: the processor guesses what comes.
        let all = job.heads() == job.kv_heads;
        let requests = if all { job.requests::<S>() } else { Requests::NONE };
        // SAFETY: `attend_row` has checked the lengths of all slices.
        unsafe {
            let mut ahead = Ahead::new::<L, S>(requests, keys, values, job.begun);
            job.score::<L, S>(keys.as_ptr(), stride, scores.as_mut_ptr(), &mut ahead);
            // While the powers are computed, the first values come.
            let next = job.next.and_then(S::of).unwrap_or(&[]);
            let mut ahead = Ahead::new::<L, S>(requests, values, next, true);
            for (scores, sum) in scores.chunks_mut(stride).zip(sums.iter_mut()) {
                // Positions of the last vector that are not looked at count for nothing.
                scores[job.visible..].fill(f32::NEG_INFINITY);
                multiply_image_part(scores, job.first_image, job.key_weights);
                *sum = match weights {
                    None => replace_by_powers::<L, false>(scores, &[], &mut ahead),
                    Some(weights) => replace_by_powers::<L, true>(scores, weights, &mut ahead),
                };
            }
            out.fill(0.0);
            let out_ptr = out.as_mut_ptr();
            job.add_values::<L, S>(values.as_ptr(), stride, scores.as_ptr(), out_ptr, &mut ahead);
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

/// Replaces the scores of a head by 2^(score - largest), times `weights` if they are `WEIGHTED`, and returns the
/// sum without them. Meanwhile memory would stand still.
#[inline(always)]
unsafe fn replace_by_powers<L: Lanes, const WEIGHTED: bool>(
    scores: &mut [f32],
    weights: &[f32],
    ahead: &mut Ahead,
) -> f32 {
    let vectors = scores.as_chunks_mut::<LANES>().0;
    assert!(!WEIGHTED || weights.len() >= vectors.len() * LANES, "a weight for every score");
    // SAFETY: loads and stores are of arrays of 16, and weights as many as the scores.
    unsafe {
        let mut largest = L::splat(f32::NEG_INFINITY);
        for vector in vectors.iter() {
            largest = L::load(vector.as_ptr()).max(largest);
        }
        let largest = L::splat(largest.largest());
        let mut sum = L::splat(0.0);
        let mut further = ahead.further(vectors.len() * LINES_A_POWER);
        for (index, vector) in vectors.iter_mut().enumerate() {
            let power = exp2(L::load(vector.as_ptr()).sub(largest));
            sum = sum.add(power);
            if WEIGHTED {
                let weights = L::load(weights.as_ptr().add(index * LANES));
                power.mul(weights).store(vector.as_mut_ptr());
            } else {
                power.store(vector.as_mut_ptr());
            }
            further.ask::<L>(LINES_A_POWER);
        }
        sum.sum()
    }
}
