//! The second half of attention: adds probabilities times values to the outputs, for all heads of a
//! group and several vectors of channels at once.

use super::ahead::{Ahead, LINE_BYTES};
use super::lanes::{LANES, Lanes};
use super::stored::Stored;

/// Vectors of an output that are kept in registers together: independent sums hide the delay of an
/// addition.
const TOGETHER: usize = 4;

/// Positions between two requests for values that come.
const STRIDE: usize = 4;

/// Heads whose outputs are kept in registers together.
#[inline(always)]
fn heads_together<L: Lanes>() -> usize {
    if L::WIDE_ROWS >= 2 * TOGETHER { TOGETHER } else { 1 }
}

/// Cache lines to ask for at each of a block's requests, so that all of them make up the lines of
/// `count` positions.
#[inline(always)]
pub(super) fn lines_to_ask<L: Lanes>(
    group: usize,
    dim: usize,
    count: usize,
    number_bytes: usize,
) -> usize {
    let requests = group.div_ceil(heads_together::<L>())
        * dim.div_ceil(LANES * TOGETHER)
        * (count / STRIDE).max(1);
    (count * dim * number_bytes).div_ceil(LINE_BYTES * requests)
}

/// Some positions of the values.
pub(super) struct ValueBlock<S> {
    /// Width of a head.
    pub(super) dim: usize,
    /// Heads.
    pub(super) group: usize,
    /// `[count][dim]`.
    pub(super) values: *const S,
    /// Positions.
    pub(super) count: usize,
    /// Numbers between the probabilities of two heads.
    pub(super) padded: usize,
    /// Cache lines to ask for at every [`STRIDE`] positions.
    pub(super) lines: usize,
}

impl<S: Stored> ValueBlock<S> {
    /// Adds the block to the outputs of all heads.
    ///
    /// # Safety
    /// `probabilities` are those of the block's first position, `out` has all heads' outputs.
    #[inline(always)]
    pub(super) unsafe fn add_all<L: Lanes>(
        &self,
        probabilities: *const f32,
        out: *mut f32,
        ahead: &mut Ahead,
    ) {
        let (dim, group) = (self.dim, self.group);
        let whole = dim - dim % LANES;
        let heads_together = heads_together::<L>();
        // SAFETY: heads and channels stay below `group` and `dim`.
        unsafe {
            for head in (0..group).step_by(heads_together) {
                let probabilities = probabilities.add(head * self.padded);
                let out = out.add(head * dim);
                let heads = heads_together.min(group - head);
                for channel in (0..whole).step_by(LANES * TOGETHER) {
                    let values = self.values.add(channel);
                    let out = out.add(channel);
                    match (whole - channel) / LANES {
                        1 => self.add_heads::<L, 1>(heads, probabilities, values, out, ahead),
                        2 => self.add_heads::<L, 2>(heads, probabilities, values, out, ahead),
                        3 => self.add_heads::<L, 3>(heads, probabilities, values, out, ahead),
                        _ => self.add_heads::<L, 4>(heads, probabilities, values, out, ahead),
                    }
                }
                for head in 0..heads {
                    for position in 0..self.count {
                        let probability = *probabilities.add(head * self.padded + position);
                        for channel in whole..dim {
                            let value = (*self.values.add(position * dim + channel)).to_f32();
                            let out = out.add(head * dim + channel);
                            *out = L::scalar_mul_add(probability, value, *out);
                        }
                    }
                }
            }
        }
    }

    /// Adds C vectors of channels to the outputs of 1 to 4 heads.
    #[inline(always)]
    unsafe fn add_heads<L: Lanes, const C: usize>(
        &self,
        heads: usize,
        probabilities: *const f32,
        values: *const S,
        out: *mut f32,
        ahead: &mut Ahead,
    ) {
        // SAFETY: passed on.
        unsafe {
            match heads {
                1 => self.add::<L, C, 1>(probabilities, values, out, ahead),
                2 => self.add::<L, C, 2>(probabilities, values, out, ahead),
                3 => self.add::<L, C, 3>(probabilities, values, out, ahead),
                _ => self.add::<L, C, 4>(probabilities, values, out, ahead),
            }
        }
    }

    #[inline(always)]
    unsafe fn add<L: Lanes, const C: usize, const H: usize>(
        &self,
        probabilities: *const f32,
        values: *const S,
        out: *mut f32,
        ahead: &mut Ahead,
    ) {
        let dim = self.dim;
        // SAFETY: H heads have C vectors at `values` and `out`, and `count` probabilities each.
        unsafe {
            let mut sums = [[L::splat(0.0); C]; H];
            for (head, sums) in sums.iter_mut().enumerate() {
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(out.add(head * dim + c * LANES));
                }
            }
            let whole = self.count - self.count % STRIDE;
            for from in (0..whole).step_by(STRIDE) {
                // A constant number of positions, so that the compiler writes them out.
                for i in 0..STRIDE {
                    self.add_position::<L, C, H>(probabilities, values, from + i, &mut sums);
                }
                ahead.ask::<L>(self.lines);
            }
            for position in whole..self.count {
                self.add_position::<L, C, H>(probabilities, values, position, &mut sums);
            }
            for (head, sums) in sums.iter().enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    sum.store(out.add(head * dim + c * LANES));
                }
            }
        }
    }

    /// Adds one position to the sums of H heads.
    #[inline(always)]
    unsafe fn add_position<L: Lanes, const C: usize, const H: usize>(
        &self,
        probabilities: *const f32,
        values: *const S,
        position: usize,
        sums: &mut [[L; C]; H],
    ) {
        // SAFETY: as the caller; `position` is below `count`.
        unsafe {
            let mut value = [L::splat(0.0); C];
            for (c, value) in value.iter_mut().enumerate() {
                *value = S::load::<L>(values.add(position * self.dim + c * LANES));
            }
            for (head, sums) in sums.iter_mut().enumerate() {
                let probability = L::splat(*probabilities.add(head * self.padded + position));
                for (sum, value) in sums.iter_mut().zip(&value) {
                    *sum = probability.mul_add(*value, *sum);
                }
            }
        }
    }
}
