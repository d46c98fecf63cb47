//! Attention of the query heads that share one key/value head, over the cache of one sequence.
//!
//! Keys and values are read once, block by block, for all query heads of the group, and asked for
//! ahead of their use at the pace of the arithmetic ([`Ahead`]). Every number is a sum in one fixed
//! order: 16 lanes over the width of a head for scores, position after position for outputs.

use super::ahead::Ahead;
use super::lanes::{LANES, Lanes};
use super::rows::exp;
use super::storage::Numbers;
use super::value_block::{ValueBlock, lines_to_ask};
use super::{Kernel, Task};

/// Positions whose values stay in the first-level cache while every head reads them.
const VALUE_BLOCK: usize = 32;

/// Positions whose scores are computed together, so that their sums over lanes become one vector:
/// one by one, these sums would take twice the time of the products.
const SCORE_BLOCK: usize = LANES;

/// What one group of query heads attends to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadJob<'a> {
    /// `[group][dim]`.
    pub queries: &'a [f32],
    /// `[visible][dim]`.
    pub keys: Numbers<'a>,
    /// `[visible][dim]`, stored as the keys are.
    pub values: Numbers<'a>,
    /// The keys of the job that comes then, if there is one: they are asked for during this one.
    pub next: Option<Numbers<'a>>,
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
                (Numbers::F32(keys), Numbers::F32(values)) => self.run_on::<L, f32>(keys, values),
                (Numbers::Bf16(keys), Numbers::Bf16(values)) => {
                    self.run_on::<L, u16>(keys, values);
                }
                _ => unreachable!("a cache stores keys and values alike"),
            }
        }
    }
}

impl AttendHead<'_> {
    /// The usual widths are compiled in: addresses of a block are constants then.
    #[inline(always)]
    unsafe fn run_on<L: Lanes, S: Stored>(self, keys: &[S], values: &[S]) {
        // SAFETY: passed on.
        unsafe {
            match self.job.dim {
                48 => self.attend::<L, S>(48, keys, values),
                64 => self.attend::<L, S>(64, keys, values),
                128 => self.attend::<L, S>(128, keys, values),
                dim => self.attend::<L, S>(dim, keys, values),
            }
        }
    }

    #[inline(always)]
    unsafe fn attend<L: Lanes, S: Stored>(self, dim: usize, keys: &[S], values: &[S]) {
        let Self { job, scores, block, padded, out } = self;
        let job = HeadJob { dim, ..job };
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
            // While the exponentials are computed, the first values come.
            let next = job.next.and_then(S::of).unwrap_or(values);
            let mut ahead = Ahead::new::<L, S>(values, next);
            for (scores, out) in scores.chunks_mut(padded).zip(out.chunks_mut(job.dim)) {
                let scores = &mut scores[..visible];
                multiply_image_part(scores, job.first_image, job.key_weights);
                let factor = 1.0 / replace_by_exponentials::<L>(scores);
                scores.iter_mut().for_each(|score| *score *= factor);
                multiply_image_part(scores, job.first_image, job.value_weights);
                out.fill(0.0);
            }
            for from in (0..visible).step_by(VALUE_BLOCK) {
                let count = VALUE_BLOCK.min(visible - from);
                ahead.allow(count * job.dim * size_of::<S>());
                let values = values.as_ptr().add(from * job.dim);
                let values = S::widen::<L>(values, count * job.dim, block.as_mut_ptr());
                let lines = lines_to_ask::<L>(group, dim, count, size_of::<S>());
                let block = ValueBlock { dim, group, values, count, padded, lines };
                let probabilities = scores.as_ptr().add(from);
                block.add_all::<L>(probabilities, out.as_mut_ptr(), &mut ahead);
            }
        }
    }
}

/// How a number of a cache is stored.
trait Stored: Copy {
    /// The numbers, if they are stored so.
    fn of(numbers: Numbers<'_>) -> Option<&[Self]>;

    /// `count` numbers from `from` on as f32: where they stand, or in `block`, which has room.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`; both pointers are valid for `count` numbers.
    unsafe fn widen<L: Lanes>(from: *const Self, count: usize, block: *mut f32) -> *const f32;
}

impl Stored for f32 {
    #[inline(always)]
    fn of(numbers: Numbers<'_>) -> Option<&[f32]> {
        if let Numbers::F32(numbers) = numbers { Some(numbers) } else { None }
    }

    #[inline(always)]
    unsafe fn widen<L: Lanes>(from: *const f32, _: usize, _: *mut f32) -> *const f32 {
        from
    }
}

/// The bits of bf16.
impl Stored for u16 {
    #[inline(always)]
    fn of(numbers: Numbers<'_>) -> Option<&[u16]> {
        if let Numbers::Bf16(numbers) = numbers { Some(numbers) } else { None }
    }

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
