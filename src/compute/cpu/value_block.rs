//! The second half of attention: adds probabilities times values to the outputs, for all heads of a
//! group and several vectors of channels at once, so that a value is loaded once for them.

use super::ahead::{Ahead, lines_of_a_tile};
use super::cache_block::MOST_VECTORS;
use super::lanes::{LANES, Lanes};
use super::stored::Stored;

/// Positions between two requests for values that come.
const STRIDE: usize = 4;

/// Most heads whose outputs are kept in registers together.
#[inline(always)]
fn heads_together<L: Lanes>() -> usize {
    if L::WIDE_ROWS >= 2 * MOST_VECTORS { 4 } else { 1 }
}

/// Some positions of the values of a head.
pub(super) struct ValueBlock<S> {
    /// Width of a head.
    pub(super) dim: usize,
    /// Its [`column_width`].
    pub(super) width: usize,
    /// Query heads.
    pub(super) group: usize,
    /// `[columns][length][channels]`.
    pub(super) values: *const S,
    /// Positions of the block.
    pub(super) length: usize,
    /// Positions that are added, at most `length`.
    pub(super) count: usize,
    /// Numbers between the probabilities of two heads.
    pub(super) stride: usize,
    /// [`lines_to_ask`].
    pub(super) lines: usize,
}

/// Cache lines to ask for at every [`STRIDE`] positions.
#[inline(always)]
pub(super) fn lines_to_ask<L: Lanes, S>(group: usize, width: usize) -> usize {
    let tiles = group.div_ceil(heads_together::<L>());
    lines_of_a_tile(STRIDE * width * size_of::<S>(), tiles)
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
        let whole = self.dim - self.dim % LANES;
        // SAFETY: channels stay below `dim`.
        unsafe {
            for from in (0..whole).step_by(self.width) {
                let (values, out) = (self.values.add(from * self.length), out.add(from));
                match self.width.min(whole - from) / LANES {
                    1 => self.add_columns::<L, 1>(values, probabilities, out, ahead),
                    2 => self.add_columns::<L, 2>(values, probabilities, out, ahead),
                    3 => self.add_columns::<L, 3>(values, probabilities, out, ahead),
                    4 => self.add_columns::<L, 4>(values, probabilities, out, ahead),
                    _ => unreachable!("columns are a few vectors"),
                }
            }
            if whole < self.dim {
                self.add_rest::<L>(
                    self.values.add(whole * self.length),
                    probabilities,
                    out.add(whole),
                );
            }
        }
    }

    /// Adds C vectors of channels.
    #[inline(always)]
    unsafe fn add_columns<L: Lanes, const C: usize>(
        &self,
        values: *const S,
        probabilities: *const f32,
        out: *mut f32,
        ahead: &mut Ahead,
    ) {
        let most = heads_together::<L>();
        // SAFETY: heads stay below `group`.
        unsafe {
            for head in (0..self.group).step_by(most) {
                let probabilities = probabilities.add(head * self.stride);
                let out = out.add(head * self.dim);
                match most.min(self.group - head) {
                    1 => self.add::<L, C, 1>(values, probabilities, out, ahead),
                    2 if most >= 2 => self.add::<L, C, 2>(values, probabilities, out, ahead),
                    3 if most >= 3 => self.add::<L, C, 3>(values, probabilities, out, ahead),
                    4 if most >= 4 => self.add::<L, C, 4>(values, probabilities, out, ahead),
                    _ => unreachable!("tiles of heads fit the registers"),
                }
            }
        }
    }

    /// Adds the last channels, less than a vector.
    #[inline(always)]
    unsafe fn add_rest<L: Lanes>(
        &self,
        values: *const S,
        probabilities: *const f32,
        out: *mut f32,
    ) {
        let channels = self.dim % LANES;
        // SAFETY: as `add_all`.
        unsafe {
            for head in 0..self.group {
                for position in 0..self.count {
                    let probability = *probabilities.add(head * self.stride + position);
                    for channel in 0..channels {
                        let value = (*values.add(position * channels + channel)).to_f32();
                        let out = out.add(head * self.dim + channel);
                        *out = L::scalar_mul_add(probability, value, *out);
                    }
                }
            }
        }
    }

    /// Of H heads.
    #[inline(always)]
    unsafe fn add<L: Lanes, const C: usize, const H: usize>(
        &self,
        mut values: *const S,
        mut probabilities: *const f32,
        out: *mut f32,
        ahead: &mut Ahead,
    ) {
        let Self { dim, stride, lines, .. } = *self;
        // SAFETY: H heads have C vectors at `out`, and `count` probabilities each; there are as many values.
        unsafe {
            let mut sums = [[L::splat(0.0); C]; H];
            for (head, sums) in sums.iter_mut().enumerate() {
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load(out.add(head * dim + c * LANES));
                }
            }
            for _ in 0..self.count / STRIDE {
                // A constant number of positions, so that the compiler writes them out.
                for i in 0..STRIDE {
                    let values = values.add(i * C * LANES);
                    add_position::<L, S, C, H>(probabilities.add(i), stride, values, &mut sums);
                }
                probabilities = probabilities.add(STRIDE);
                values = values.add(STRIDE * C * LANES);
                ahead.ask::<L>(lines);
            }
            for i in 0..self.count % STRIDE {
                let values = values.add(i * C * LANES);
                add_position::<L, S, C, H>(probabilities.add(i), stride, values, &mut sums);
            }
            for (head, sums) in sums.iter().enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    sum.store(out.add(head * dim + c * LANES));
                }
            }
        }
    }
}

/// Adds C vectors of one position to the sums of H heads, whose probabilities are `stride` apart.
#[inline(always)]
unsafe fn add_position<L: Lanes, S: Stored, const C: usize, const H: usize>(
    probabilities: *const f32,
    stride: usize,
    values: *const S,
    sums: &mut [[L; C]; H],
) {
    // SAFETY: the caller has the values and the probabilities.
    unsafe {
        let mut value = [L::splat(0.0); C];
        for (c, value) in value.iter_mut().enumerate() {
            *value = S::load::<L>(values.add(c * LANES));
        }
        for (head, sums) in sums.iter_mut().enumerate() {
            let probability = L::splat(*probabilities.add(head * stride));
            for (sum, value) in sums.iter_mut().zip(&value) {
                *sum = probability.mul_add(*value, *sum);
            }
        }
    }
}
