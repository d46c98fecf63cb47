//! Attention of the query heads that share one key/value head, over the cache of one sequence.
//!
//! Keys and values are read once, block by block, for all query heads of the group, and asked for
//! ahead of their use at the pace of the arithmetic ([`Ahead`]). Every number is a sum in one fixed
//! order: 16 lanes over the width of a head for scores, position after position for outputs.

use super::ahead::{Ahead, LINE_BYTES};
use super::lanes::{LANES, Lanes};
use super::rows::exp;
use super::storage::Numbers;
use super::{Kernel, Task};

/// Positions whose values stay in the first-level cache while every head reads them.
const VALUE_BLOCK: usize = 32;

/// Positions whose scores are computed together, so that their sums over lanes become one vector:
/// one by one, these sums would take twice the time of the products.
const SCORE_BLOCK: usize = LANES;

/// Vectors of an output that are kept in registers together: independent sums hide the delay of an
/// addition.
const TOGETHER: usize = 4;

/// What one group of query heads attends to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadJob<'a> {
    /// `[group][dim]`.
    pub queries: &'a [f32],
    /// `[visible][dim]`.
    pub keys: Numbers<'a>,
    /// `[visible][dim]`, stored as the keys are.
    pub values: Numbers<'a>,
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

impl HeadJob<'_> {
    fn visible(&self) -> usize {
        self.keys.len() / self.dim
    }

    fn group(&self) -> usize {
        self.queries.len() / self.dim
    }
}

/// Writes the attention of `job` to `out` `[group][dim]`. `scratch` only grows.
pub(crate) fn attend_head(
    kernel: Kernel,
    job: HeadJob<'_>,
    scratch: &mut Vec<f32>,
    out: &mut [f32],
) {
    assert!(job.dim > 0, "a head has a width");
    let (group, visible) = (job.group(), job.visible());
    assert!(job.queries.len() == group * job.dim && out.len() == job.queries.len());
    assert!(job.keys.len() == visible * job.dim && job.values.len() == job.keys.len());
    let padded = visible.next_multiple_of(LANES);
    let block = VALUE_BLOCK * job.dim;
    if scratch.len() < group * padded + block {
        scratch.resize(group * padded + block, 0.0);
    }
    let (block, scores) = scratch.split_at_mut(block);
    kernel.run(AttendHead { job, scores: &mut scores[..group * padded], block, padded, out });
}

struct AttendHead<'a> {
    job: HeadJob<'a>,
    /// `[group][padded]`.
    scores: &'a mut [f32],
    /// Room for the f32 numbers of [`VALUE_BLOCK`] positions.
    block: &'a mut [f32],
    /// Positions with room for a whole vector at the end.
    padded: usize,
    out: &'a mut [f32],
}

impl Task for AttendHead<'_> {
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

impl AttendHead<'_> {
    #[inline(always)]
    unsafe fn attend<L: Lanes, S: Stored>(self, keys: &[S], values: &[S]) {
        let Self { job, scores, block, padded, out } = self;
        let (group, visible) = (job.group(), job.visible());
        // SAFETY: `attend_head` has checked the lengths of all slices; blocks end at `visible`.
        unsafe {
            let mut ahead = Ahead::new::<L, S>(keys, values);
            for from in (0..visible).step_by(SCORE_BLOCK) {
                let count = SCORE_BLOCK.min(visible - from);
                ahead.allow(count * job.dim * size_of::<S>());
                let keys = keys.as_ptr().add(from * job.dim);
                let keys = S::widen::<L>(keys, count * job.dim, block.as_mut_ptr());
                // Every head asks for its part of the lines of one block.
                let lines = (SCORE_BLOCK * size_of::<S>()).div_ceil(size_of::<f32>() * group);
                for head in 0..group {
                    let scores = scores.as_mut_ptr().add(head * padded + from);
                    if count == SCORE_BLOCK {
                        job.block_scores::<L>(head, keys, scores, lines, &mut ahead);
                    } else {
                        job.last_scores::<L>(head, keys, count, scores);
                    }
                }
            }
            for (scores, out) in scores.chunks_mut(padded).zip(out.chunks_mut(job.dim)) {
                let scores = &mut scores[..visible];
                multiply_image_part(scores, job.first_image, job.key_weights);
                let sum = replace_by_exponentials::<L>(scores);
                multiply_image_part(scores, job.first_image, job.value_weights);
                scores.iter_mut().for_each(|score| *score /= sum);
                out.fill(0.0);
            }
            for from in (0..visible).step_by(VALUE_BLOCK) {
                let count = VALUE_BLOCK.min(visible - from);
                ahead.allow(count * job.dim * size_of::<S>());
                let values = values.as_ptr().add(from * job.dim);
                let values = S::widen::<L>(values, count * job.dim, block.as_mut_ptr());
                let lines = (job.dim * size_of::<S>()).div_ceil(LINE_BYTES * group);
                for head in 0..group {
                    let probabilities = scores.as_ptr().add(head * padded + from);
                    let out = out.as_mut_ptr().add(head * job.dim);
                    job.add_values::<L>(values, count, probabilities, out, lines, &mut ahead);
                }
            }
        }
    }
}

/// How a number of a cache is stored.
trait Stored: Copy {
    /// `count` numbers from `from` on as f32: where they stand, or in `block`, which has room.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`; both pointers are valid for `count` numbers.
    unsafe fn widen<L: Lanes>(from: *const Self, count: usize, block: *mut f32) -> *const f32;
}

impl Stored for f32 {
    #[inline(always)]
    unsafe fn widen<L: Lanes>(from: *const f32, _: usize, _: *mut f32) -> *const f32 {
        from
    }
}

/// The bits of bf16.
impl Stored for u16 {
    #[inline(always)]
    unsafe fn widen<L: Lanes>(from: *const u16, count: usize, block: *mut f32) -> *const f32 {
        let whole = count - count % LANES;
        // SAFETY: reads and writes stay below `count`.
        unsafe {
            for i in (0..whole).step_by(LANES) {
                L::load_bf16(from.add(i)).store(block.add(i));
            }
            for i in whole..count {
                *block.add(i) = f32::from_bits(u32::from(*from.add(i)) << 16);
            }
        }
        block
    }
}

#[inline(always)]
fn multiply_image_part(scores: &mut [f32], first_image: usize, weights: Option<&[f32]>) {
    if let (Some(weights), Some(scores)) = (weights, scores.get_mut(first_image..)) {
        scores.iter_mut().zip(weights).for_each(|(score, weight)| *score *= weight);
    }
}

impl HeadJob<'_> {
    /// Scores of one head at the [`SCORE_BLOCK`] positions whose keys are given.
    #[inline(always)]
    unsafe fn block_scores<L: Lanes>(
        &self,
        head: usize,
        keys: *const f32,
        scores: *mut f32,
        lines: usize,
        ahead: &mut Ahead,
    ) {
        let dim = self.dim;
        let whole = dim - dim % LANES;
        // SAFETY: the caller has a block of keys and scores; `head` lies within queries.
        unsafe {
            let query = self.queries.as_ptr().add(head * dim);
            let mut sums = [L::splat(0.0); SCORE_BLOCK];
            for channel in (0..whole).step_by(LANES) {
                let query = L::load(query.add(channel));
                for (position, sum) in sums.iter_mut().enumerate() {
                    *sum = query.mul_add(L::load(keys.add(position * dim + channel)), *sum);
                }
                ahead.ask::<L>(lines);
            }
            let mut sums = L::sums(&sums);
            if whole < dim {
                let mut rest = [0f32; SCORE_BLOCK];
                sums.store(rest.as_mut_ptr());
                for (position, sum) in rest.iter_mut().enumerate() {
                    for channel in whole..dim {
                        let key = *keys.add(position * dim + channel);
                        *sum = L::scalar_mul_add(*query.add(channel), key, *sum);
                    }
                }
                sums = L::load(rest.as_ptr());
            }
            sums.mul(L::splat(self.scale)).store(scores);
        }
    }

    /// Scores of one head at the last `count` positions, one by one.
    #[inline(always)]
    unsafe fn last_scores<L: Lanes>(
        &self,
        head: usize,
        keys: *const f32,
        count: usize,
        scores: *mut f32,
    ) {
        let dim = self.dim;
        let whole = dim - dim % LANES;
        // SAFETY: as above.
        unsafe {
            let query = self.queries.as_ptr().add(head * dim);
            for position in 0..count {
                let key = keys.add(position * dim);
                let mut sum = L::splat(0.0);
                for channel in (0..whole).step_by(LANES) {
                    sum = L::load(query.add(channel)).mul_add(L::load(key.add(channel)), sum);
                }
                let mut sum = sum.sum();
                for channel in whole..dim {
                    sum = L::scalar_mul_add(*query.add(channel), *key.add(channel), sum);
                }
                *scores.add(position) = sum * self.scale;
            }
        }
    }

    /// Adds the values of `count` positions to the output of one head.
    #[inline(always)]
    unsafe fn add_values<L: Lanes>(
        &self,
        values: *const f32,
        count: usize,
        probabilities: *const f32,
        out: *mut f32,
        lines: usize,
        ahead: &mut Ahead,
    ) {
        let dim = self.dim;
        let whole = dim - dim % LANES;
        // SAFETY: the caller has `count` positions of both; `out` has `dim` numbers.
        unsafe {
            for channel in (0..whole).step_by(LANES * TOGETHER) {
                let block =
                    ValueBlock { values: values.add(channel), dim, count, probabilities, lines };
                let out = out.add(channel);
                match (whole - channel) / LANES {
                    1 => block.add::<L, 1>(out, ahead),
                    2 => block.add::<L, 2>(out, ahead),
                    3 => block.add::<L, 3>(out, ahead),
                    _ => block.add::<L, TOGETHER>(out, ahead),
                }
            }
            for position in 0..count {
                for channel in whole..dim {
                    let value = *values.add(position * dim + channel);
                    let out = out.add(channel);
                    *out = L::scalar_mul_add(*probabilities.add(position), value, *out);
                }
            }
        }
    }
}

/// `count` positions of some channels of the values.
struct ValueBlock {
    values: *const f32,
    dim: usize,
    count: usize,
    probabilities: *const f32,
    /// Cache lines to ask for at every position.
    lines: usize,
}

impl ValueBlock {
    /// Adds the products of C vectors of channels to `out`.
    #[inline(always)]
    unsafe fn add<L: Lanes, const C: usize>(&self, out: *mut f32, ahead: &mut Ahead) {
        // SAFETY: `HeadJob::add_values` has C vectors left at `values` and `out`.
        unsafe {
            let mut sums = [L::splat(0.0); C];
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum = L::load(out.add(c * LANES));
            }
            for position in 0..self.count {
                let probability = L::splat(*self.probabilities.add(position));
                let values = self.values.add(position * self.dim);
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = probability.mul_add(L::load(values.add(c * LANES)), *sum);
                }
                ahead.ask::<L>(self.lines);
            }
            for (c, sum) in sums.into_iter().enumerate() {
                sum.store(out.add(c * LANES));
            }
        }
    }
}

/// Replaces scores by exp(score - largest) and returns their sum.
#[inline(always)]
unsafe fn replace_by_exponentials<L: Lanes>(scores: &mut [f32]) -> f32 {
    let (chunks, tail) = scores.as_chunks_mut::<LANES>();
    // SAFETY: loads and stores are of arrays of 16.
    unsafe {
        let mut largest = [f32::NEG_INFINITY; LANES];
        let mut lanes = L::splat(f32::NEG_INFINITY);
        for chunk in chunks.iter() {
            lanes = L::load(chunk.as_ptr()).max(lanes);
        }
        lanes.store(largest.as_mut_ptr());
        let largest = largest.iter().chain(tail.iter()).copied().fold(f32::NAN, f32::max);
        let offset = L::splat(largest);
        let mut sum = L::splat(0.0);
        for chunk in chunks.iter_mut() {
            let power = exp(L::load(chunk.as_ptr()).sub(offset));
            power.store(chunk.as_mut_ptr());
            sum = sum.add(power);
        }
        let mut rest = [0.0; LANES];
        rest[..tail.len()].copy_from_slice(tail);
        exp(L::load(rest.as_ptr()).sub(offset)).store(rest.as_mut_ptr());
        tail.copy_from_slice(&rest[..tail.len()]);
        tail.iter().fold(sum.sum(), |sum, power| sum + power)
    }
}
