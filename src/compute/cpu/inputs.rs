//! Rows of activations in the form that packed weights are multiplied with. It is made once a product,
//! and costs a thousandth of it.

use super::isa::{Isa, Task};
use super::lanes::Lanes;
use super::rows::ROUND;
use super::storage::bf16_bits;
use crate::compute::precision::{ActivationNumber, Precision};

/// Inputs that share a scale where inputs are 16-bit integers.
pub(super) const SCALE_BLOCK: usize = 128;

/// Rows of inputs. `stride` is what stands from one row to the next.
#[derive(Clone, Copy)]
pub(super) enum Inputs<'a> {
    /// As they are, for weights in f32 and for bf16 weights that are the file's own; for the latter an
    /// even number a row.
    F32 { numbers: &'a [f32], stride: usize },
    /// Nearest bf16, two to a word, where an instruction multiplies them; elsewhere they are f32 again.
    Bf16 { pairs: &'a [u32], stride: usize },
    /// Integers up to ±32767, two to a word, with a scale for each [`SCALE_BLOCK`], `blocks` a row:
    /// 1/250 of the error that 8-bit weights have.
    Int16 { pairs: &'a [u32], stride: usize, scales: &'a [f32], blocks: usize },
}

/// Memory for prepared inputs; only grows.
#[derive(Debug, Default)]
pub(super) struct InputBuffer {
    pairs: Vec<u32>,
    numbers: Vec<f32>,
}

impl<'a> Inputs<'a> {
    /// Rows `x` of `width` inputs for weights of `precision`. Whatever a row lacks to a whole pair is 0.
    pub(super) fn prepare(
        isa: Isa,
        x: &'a [f32],
        width: usize,
        precision: Precision,
        activations: ActivationNumber,
        buffer: &'a mut InputBuffer,
    ) -> Self {
        let rows = x.len() / width.max(1);
        let stride = width.div_ceil(2);
        let InputBuffer { pairs, numbers } = buffer;
        match (precision, activations) {
            (Precision::F32, _) => Self::F32 { numbers: x, stride: width },
            (Precision::Bf16, ActivationNumber::F32) if width.is_multiple_of(2) => {
                Self::F32 { numbers: x, stride: width }
            }
            (Precision::Bf16, ActivationNumber::F32) => {
                numbers.clear();
                for row in x.chunks_exact(width) {
                    numbers.extend_from_slice(row);
                    numbers.push(0.0);
                }
                Self::F32 { numbers, stride: 2 * stride }
            }
            (Precision::Bf16, ActivationNumber::Bf16) if isa.multiplies_bf16_pairs() => {
                pairs.resize(rows * stride, 0);
                isa.run(RoundToBf16 { x, width, pairs: pairs.as_mut_slice() });
                Self::Bf16 { pairs, stride }
            }
            (Precision::Bf16, ActivationNumber::Bf16) => {
                numbers.resize(rows * 2 * stride, 0.0);
                let pairs: &mut [[f32; 2]] = bytemuck::cast_slice_mut(numbers);
                isa.run(RoundToBf16 { x, width, pairs });
                Self::F32 { numbers, stride: 2 * stride }
            }
            (Precision::Int8, _) => {
                let blocks = width.div_ceil(SCALE_BLOCK);
                pairs.resize(rows * stride, 0);
                numbers.resize(rows * blocks, 0.0);
                isa.run(RoundToInt16 { x, width, pairs, scales: numbers });
                Self::Int16 { pairs, stride, scales: numbers, blocks }
            }
        }
    }

    /// Whether there are `rows` whole rows, with all their scales.
    pub(super) fn has_rows(self, rows: usize) -> bool {
        match self {
            Self::F32 { numbers, stride } => numbers.len() >= rows * stride,
            Self::Bf16 { pairs, stride } => pairs.len() >= rows * stride,
            Self::Int16 { pairs, stride, scales, blocks } => {
                let enough = stride.div_ceil(SCALE_BLOCK / 2) <= blocks;
                enough && pairs.len() >= rows * stride && scales.len() >= rows * blocks
            }
        }
    }
}

/// Two inputs rounded to bf16.
trait Bf16Pair {
    fn of(first: f32, second: f32) -> Self;
}

impl Bf16Pair for u32 {
    #[inline(always)]
    fn of(first: f32, second: f32) -> Self {
        u32::from(bf16_bits(first)) << 16 | u32::from(bf16_bits(second))
    }
}

impl Bf16Pair for [f32; 2] {
    #[inline(always)]
    fn of(first: f32, second: f32) -> Self {
        [first, second].map(|number| f32::from_bits(u32::from(bf16_bits(number)) << 16))
    }
}

struct RoundToBf16<'a, P> {
    x: &'a [f32],
    width: usize,
    pairs: &'a mut [P],
}

impl<P: Bf16Pair> Task for RoundToBf16<'_, P> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { x, width, pairs } = self;
        for (row, pairs) in x.chunks_exact(width).zip(pairs.chunks_exact_mut(width.div_ceil(2))) {
            let (whole, rest) = row.as_chunks::<2>();
            for (pair, [first, second]) in pairs.iter_mut().zip(whole) {
                *pair = P::of(*first, *second);
            }
            if let (Some(pair), [last]) = (pairs.last_mut(), rest) {
                *pair = P::of(*last, 0.0);
            }
        }
    }
}

/// Largest integer of an input.
const LARGEST: f32 = 32767.0;

struct RoundToInt16<'a> {
    x: &'a [f32],
    width: usize,
    pairs: &'a mut [u32],
    scales: &'a mut [f32],
}

impl Task for RoundToInt16<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { x, width, pairs, scales } = self;
        let rows = x.chunks_exact(width);
        let pairs = pairs.chunks_exact_mut(width.div_ceil(2));
        let scales = scales.chunks_exact_mut(width.div_ceil(SCALE_BLOCK));
        for ((row, pairs), scales) in rows.zip(pairs).zip(scales) {
            let blocks = row.chunks(SCALE_BLOCK).zip(pairs.chunks_mut(SCALE_BLOCK / 2));
            for ((block, pairs), scale) in blocks.zip(scales) {
                *scale = round_block(block, pairs);
            }
        }
    }
}

/// Writes the integers of a block and returns their scale, NaN where an input is not finite, so that
/// the outputs show it. A block whose largest input is below 1e-34 counts as 0.
#[inline(always)]
fn round_block(block: &[f32], pairs: &mut [u32]) -> f32 {
    // Magnitudes are ordered as their bits are, and integers are compared sixteen at once.
    let magnitude = |x: &f32| x.to_bits() & 0x7fff_ffff;
    let largest = f32::from_bits(block.iter().map(magnitude).max().unwrap_or(0));
    let factor = LARGEST / largest;
    let integer = |x: f32| (x * factor + ROUND).to_bits() & 0xffff;
    let (whole, rest) = block.as_chunks::<2>();
    for (pair, [low, high]) in pairs.iter_mut().zip(whole) {
        *pair = integer(*low) | integer(*high) << 16;
    }
    if let (Some(pair), [low]) = (pairs.last_mut(), rest) {
        *pair = integer(*low);
    }
    if largest.is_finite() { largest / LARGEST } else { f32::NAN }
}
