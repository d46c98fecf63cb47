//! Sums, norms and exponentials of one row.

use super::isa::{Isa, Task};
use super::lanes::{LANES, Lanes};

/// 1.5 · 2²³: adding it rounds to an integer, which then stands in the low bits.
pub(super) const ROUND: f32 = 12_582_912.0;

/// `e^x` within 2 units of the last place between -87 and 88; beyond, the value at the limit. NaN
/// stays NaN. `x = n ln 2 + r` with `|r| <= ln 2 / 2`.
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
pub(super) unsafe fn exp<L: Lanes>(x: L) -> L {
    // ln 2 in two parts, the first with few enough bits that its products with n are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // SAFETY: as the caller.
    unsafe {
        let zero = L::splat(0.0);
        let x = zero.sub(L::splat(-88.0).max(zero.sub(x)));
        let x = L::splat(-87.0).max(x);
        let log2_e = L::splat(std::f32::consts::LOG2_E);
        let shifted = x.mul_add(log2_e, L::splat(ROUND));
        let n = shifted.sub(L::splat(ROUND));
        let r = n.mul_add(L::splat(-LN_2_HIGH), x);
        let r = n.mul_add(L::splat(-LN_2_LOW), r);
        exp2_of_parts(shifted, r.mul(log2_e))
    }
}

/// `2^x` within 2 units of the last place up to 127; below -126 the value there. NaN stays NaN.
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
pub(super) unsafe fn exp2<L: Lanes>(x: L) -> L {
    // SAFETY: as the caller.
    unsafe {
        let x = L::splat(-126.0).max(x);
        let shifted = x.add(L::splat(ROUND));
        exp2_of_parts(shifted, x.sub(shifted.sub(L::splat(ROUND))))
    }
}

/// `2^(n + f)` of `n + ROUND` and `|f| <= 1/2`. The polynomial of degree 6 that is 1 at 0 and whose
/// largest relative error there is least, 2.6e-9 (found by Remez' algorithm).
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
unsafe fn exp2_of_parts<L: Lanes>(shifted: L, f: L) -> L {
    const FACTORS: [f32; 7] = [
        1.559_467_8e-4,
        1.340_664_4e-3,
        9.617_693e-3,
        5.550_310_6e-2,
        2.402_265_3e-1,
        6.931_472e-1,
        1.0,
    ];
    // SAFETY: as the caller.
    unsafe { polynomial(f, FACTORS).mul(shifted.power_of_two()) }
}

/// A polynomial of `x`, its factors from the highest power down.
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
pub(super) unsafe fn polynomial<L: Lanes, const N: usize>(x: L, factors: [f32; N]) -> L {
    // SAFETY: as the caller.
    unsafe {
        let mut sum = L::splat(factors[0]);
        for factor in &factors[1..] {
            sum = sum.mul_add(x, L::splat(*factor));
        }
        sum
    }
}

/// Normalises one group in place: `(x - mean) / sqrt(variance + eps) · weight + bias`, with the mean
/// taken as 0 unless `centred`.
pub(crate) fn normalize(
    isa: Isa,
    group: &mut [f32],
    weight: Option<&[f32]>,
    bias: Option<&[f32]>,
    centred: bool,
    eps: f64,
) {
    let count = group.len() as f64;
    let mean = if centred { (f64::from(isa.run(Sum { row: group })) / count) as f32 } else { 0.0 };
    let squares = isa.run(SumOfSquares { row: group, mean });
    let inverse = (1.0 / (f64::from(squares) / count + eps).sqrt()) as f32;
    isa.run(Scale { group, mean, inverse, weight, bias });
}

struct Scale<'a> {
    group: &'a mut [f32],
    mean: f32,
    inverse: f32,
    weight: Option<&'a [f32]>,
    bias: Option<&'a [f32]>,
}

impl Task for Scale<'_> {
    type Output = ();

    /// Plain Rust: the compiler makes vectors of it.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { group, mean, inverse, weight, bias } = self;
        group.iter_mut().for_each(|x| *x = (*x - mean) * inverse);
        if let Some(weight) = weight {
            group.iter_mut().zip(weight).for_each(|(x, weight)| *x *= weight);
        }
        if let Some(bias) = bias {
            group.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
        }
    }
}

/// Rotates all heads of a row in place: pairs (a, b) to (a cos - b sin, b cos + a sin). A pair is two channels
/// side by side if `interleaved`, else one of each half of the head.
pub(crate) fn rotate(isa: Isa, row: &mut [f32], cos: &[f32], sin: &[f32], interleaved: bool) {
    isa.run(Rotate { row, cos, sin, interleaved });
}

struct Rotate<'a> {
    row: &'a mut [f32],
    cos: &'a [f32],
    sin: &'a [f32],
    interleaved: bool,
}

impl Task for Rotate<'_> {
    type Output = ();

    /// Plain Rust: the compiler makes vectors of it.
    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { row, cos, sin, interleaved } = self;
        let turn = |a: &mut f32, b: &mut f32, c: f32, s: f32| {
            (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
        };
        for head in row.chunks_exact_mut((2 * cos.len()).max(1)) {
            let angles = cos.iter().zip(sin);
            if interleaved {
                for ([a, b], (&c, &s)) in head.as_chunks_mut().0.iter_mut().zip(angles) {
                    turn(a, b, c, s);
                }
            } else {
                let (first, second) = head.split_at_mut(cos.len());
                for ((a, b), (&c, &s)) in first.iter_mut().zip(second).zip(angles) {
                    turn(a, b, c, s);
                }
            }
        }
    }
}

struct Sum<'a> {
    row: &'a [f32],
}

impl Task for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        let (chunks, tail) = self.row.as_chunks::<LANES>();
        // SAFETY: loads are of arrays of 16.
        unsafe {
            let mut sum = L::splat(0.0);
            for chunk in chunks {
                sum = sum.add(L::load(chunk.as_ptr()));
            }
            tail.iter().fold(sum.sum(), |sum, x| sum + x)
        }
    }
}

struct SumOfSquares<'a> {
    row: &'a [f32],
    mean: f32,
}

impl Task for SumOfSquares<'_> {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        let (chunks, tail) = self.row.as_chunks::<LANES>();
        // SAFETY: loads are of arrays of 16.
        unsafe {
            let mean = L::splat(self.mean);
            let mut sum = L::splat(0.0);
            for chunk in chunks {
                let x = L::load(chunk.as_ptr()).sub(mean);
                sum = x.mul_add(x, sum);
            }
            tail.iter().fold(sum.sum(), |sum, x| {
                let x = x - self.mean;
                L::scalar_mul_add(x, x, sum)
            })
        }
    }
}
