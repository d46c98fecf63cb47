//! Attention of the query heads that share one key/value head, over the cache of one sequence.
//!
//! Keys and values are read once, block by block, for all query heads of the group. Every number is
//! a sum in one fixed order: 16 lanes over the width of a head for scores, position after position
//! for outputs.

use super::lanes::{LANES, Lanes};
use super::rows::exp;
use super::{Kernel, Task};

/// Positions whose keys or values stay in the first-level cache between passes.
const BLOCK: usize = 32;

/// Numbers of a cache line.
const LINE: usize = 16;

/// Blocks between a cache line's request in the second-level cache and its use.
const FAR_BLOCKS: usize = 3;

/// Query heads whose sums are kept in registers together.
const TOGETHER: usize = 4;

/// What one group of query heads attends to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadJob<'a> {
    /// `[group][dim]`.
    pub queries: &'a [f32],
    /// `[visible][dim]`.
    pub keys: &'a [f32],
    /// `[visible][dim]`.
    pub values: &'a [f32],
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

/// Writes the attention of `job` to `out` `[group][dim]`. `scores` is scratch that only grows.
pub(crate) fn attend_head(
    kernel: Kernel,
    job: HeadJob<'_>,
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    assert!(job.dim > 0, "a head has a width");
    let (group, visible) = (job.group(), job.visible());
    assert!(job.queries.len() == group * job.dim && out.len() == job.queries.len());
    assert!(job.keys.len() == visible * job.dim && job.values.len() == job.keys.len());
    if scores.len() < group * visible {
        scores.resize(group * visible, 0.0);
    }
    let scores = &mut scores[..group * visible];
    kernel.run(Scores { job, scores });
    for (scores, out) in scores.chunks_mut(visible).zip(out.chunks_mut(job.dim)) {
        multiply_image_part(scores, job.first_image, job.key_weights);
        let sum = kernel.run(Exponentials { scores });
        scores.iter_mut().for_each(|score| *score /= sum);
        multiply_image_part(scores, job.first_image, job.value_weights);
        out.fill(0.0);
    }
    kernel.run(Outputs { job, scores, out });
}

fn multiply_image_part(scores: &mut [f32], first_image: usize, weights: Option<&[f32]>) {
    if let (Some(weights), Some(scores)) = (weights, scores.get_mut(first_image..)) {
        scores.iter_mut().zip(weights).for_each(|(score, weight)| *score *= weight);
    }
}

/// Runs `$function::<L, G>` for every G heads of a group, in slices of [`TOGETHER`].
macro_rules! for_slices_of_heads {
    ($group:expr, |$first:ident| $job:ident.$function:ident($($argument:expr),*)) => {
        for $first in (0..$group).step_by(TOGETHER) {
            match $group - $first {
                1 => $job.$function::<L, 1>($($argument),*),
                2 => $job.$function::<L, 2>($($argument),*),
                3 => $job.$function::<L, 3>($($argument),*),
                _ => $job.$function::<L, TOGETHER>($($argument),*),
            }
        }
    };
}

struct Scores<'a> {
    job: HeadJob<'a>,
    scores: &'a mut [f32],
}

impl Task for Scores<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let (group, visible) = (self.job.group(), self.job.visible());
        for from in (0..visible).step_by(BLOCK) {
            let to = visible.min(from + BLOCK);
            // SAFETY: `attend_head` has checked queries, keys and scores.
            unsafe { for_slices_of_heads!(group, |first| self.block(first, from, to)) }
        }
    }
}

impl Scores<'_> {
    /// Asks for the keys that come, and while the first keys are read for the first values. Nothing
    /// beyond the filled part of the cache is asked for: at small lengths it would cost more than
    /// all that is needed.
    #[inline(always)]
    unsafe fn prefetch<L: Lanes>(&self, position: usize) {
        let HeadJob { keys, values, dim, .. } = self.job;
        let (near, far) = (position + BLOCK / 4, position + BLOCK * FAR_BLOCKS / 2);
        // SAFETY: prefetches may point anywhere; the instruction set is the caller's.
        unsafe {
            for channel in (0..dim).step_by(LINE) {
                if let Some(line) = keys.get(near * dim + channel) {
                    L::prefetch(std::ptr::from_ref(line).cast());
                }
                if let Some(line) = keys.get(far * dim + channel) {
                    L::prefetch_far(std::ptr::from_ref(line).cast());
                }
                if position < BLOCK * FAR_BLOCKS
                    && let Some(line) = values.get(position * dim + channel)
                {
                    L::prefetch_far(std::ptr::from_ref(line).cast());
                }
            }
        }
    }

    /// Scores of heads `first..first + G` at positions `from..to`.
    #[inline(always)]
    unsafe fn block<L: Lanes, const G: usize>(&mut self, first: usize, from: usize, to: usize) {
        let HeadJob { queries, keys, dim, scale, .. } = self.job;
        let visible = self.job.visible();
        let whole = dim - dim % LANES;
        // SAFETY: `to <= visible`, `first + G <= group`, and reads stay below `dim` of each row.
        unsafe {
            let queries = queries.as_ptr().add(first * dim);
            let scores = self.scores.as_mut_ptr().add(first * visible);
            for position in from..to {
                let key = keys.as_ptr().add(position * dim);
                let mut sums = [L::splat(0.0); G];
                if first == 0 {
                    self.prefetch::<L>(position);
                }
                for channel in (0..whole).step_by(LANES) {
                    let key = L::load(key.add(channel));
                    for (head, sum) in sums.iter_mut().enumerate() {
                        *sum = L::load(queries.add(head * dim + channel)).mul_add(key, *sum);
                    }
                }
                for (head, sum) in sums.iter().enumerate() {
                    let mut sum = sum.sum();
                    for channel in whole..dim {
                        let query = *queries.add(head * dim + channel);
                        sum = L::scalar_mul_add(query, *key.add(channel), sum);
                    }
                    *scores.add(head * visible + position) = sum * scale;
                }
            }
        }
    }
}

/// Replaces scores by exp(score - largest) and returns their sum.
struct Exponentials<'a> {
    scores: &'a mut [f32],
}

impl Task for Exponentials<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        let (chunks, tail) = self.scores.as_chunks_mut::<LANES>();
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
}

struct Outputs<'a> {
    job: HeadJob<'a>,
    /// Probabilities `[group][visible]`.
    scores: &'a [f32],
    out: &'a mut [f32],
}

impl Task for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let (group, visible) = (self.job.group(), self.job.visible());
        for from in (0..visible).step_by(BLOCK) {
            let to = visible.min(from + BLOCK);
            // SAFETY: `attend_head` has checked values, scores and out.
            unsafe { for_slices_of_heads!(group, |first| self.block(first, from, to)) }
        }
    }
}

impl Outputs<'_> {
    /// Adds positions `from..to` to the outputs of heads `first..first + G`.
    #[inline(always)]
    unsafe fn block<L: Lanes, const G: usize>(&mut self, first: usize, from: usize, to: usize) {
        let HeadJob { values, dim, .. } = self.job;
        let visible = self.job.visible();
        let whole = dim - dim % LANES;
        // SAFETY: `to <= visible`, `first + G <= group`, and accesses stay below `dim` of each row.
        unsafe {
            let probabilities = self.scores.as_ptr().add(first * visible);
            let out = self.out.as_mut_ptr().add(first * dim);
            for channel in (0..whole).step_by(LANES) {
                let mut sums = [L::splat(0.0); G];
                for (head, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(out.add(head * dim + channel));
                }
                for position in from..to {
                    let value = values.as_ptr().add(position * dim + channel);
                    if first == 0 {
                        if position + BLOCK < visible {
                            L::prefetch(value.wrapping_add(BLOCK * dim).cast());
                        }
                        if position + FAR_BLOCKS * BLOCK < visible {
                            L::prefetch_far(value.wrapping_add(FAR_BLOCKS * BLOCK * dim).cast());
                        }
                    }
                    let value = L::load(value);
                    for (head, sum) in sums.iter_mut().enumerate() {
                        let probability = L::splat(*probabilities.add(head * visible + position));
                        *sum = probability.mul_add(value, *sum);
                    }
                }
                for (head, sum) in sums.iter().enumerate() {
                    sum.store(out.add(head * dim + channel));
                }
            }
            for position in from..to {
                let value = values.as_ptr().add(position * dim);
                for channel in whole..dim {
                    for head in 0..G {
                        let probability = *probabilities.add(head * visible + position);
                        let out = out.add(head * dim + channel);
                        *out = L::scalar_mul_add(probability, *value.add(channel), *out);
                    }
                }
            }
        }
    }
}
