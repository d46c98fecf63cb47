//! One step of a product: how the weights of 16 outputs are stored, and what they add to the sums of
//! some rows.

use super::ahead::Arithmetic;
use super::inputs::SCALE_BLOCK;
use super::lanes::{LANES, Lanes};

/// Outputs of a panel.
pub(super) const PANEL: usize = 32;

/// How 32 weights, or 32 pairs of weights, of one step are stored and multiplied.
pub(super) trait Weight {
    /// One weight, or one pair.
    type Item;
    /// What a row contributes to a step.
    type Input;
    /// Sixteen outputs of a row while they are summed.
    type Sum<L: Lanes>: Copy;
    /// Items of a step.
    const STRIDE: usize = PANEL;
    /// Items of 16 outputs.
    const HALF: usize = LANES;
    /// Steps of a block that stays in the first-level cache between passes: 4 KiB.
    const BLOCK: usize = 32;
    /// Whether the inputs of each block have a scale.
    const SCALED: bool = false;

    /// What so many rows compute with a cache line of weights; the limits were found by trying.
    fn arithmetic(rows: usize) -> Arithmetic;

    /// Sums that go on from those at `sums`, or from 0 if nothing was summed yet.
    ///
    /// # Safety
    /// Here and below: the machine has the instruction set of `L`, `sums` points at 16 numbers, `from`
    /// at the weights of 16 outputs, `x` at R rows that have the step `k`.
    unsafe fn start<L: Lanes>(sums: *const f32, nothing_yet: bool) -> Self::Sum<L>;

    /// Adds the products of step `k` to the sums of R rows.
    unsafe fn step<L: Lanes, const R: usize>(
        from: *const Self::Item,
        x: &[*const Self::Input; R],
        k: usize,
        sums: &mut [Self::Sum<L>; R],
    );

    /// Writes sums to `sums`.
    unsafe fn finish<L: Lanes>(sum: Self::Sum<L>, scale: f32, sums: *mut f32, nothing_yet: bool);
}

/// f32 weights, f32 inputs.
pub(super) struct F32;

/// bf16 weights, two to a word, and f32 inputs.
pub(super) struct Bf16;

/// bf16 weights and bf16 inputs, two to a word.
pub(super) struct RoundedBf16;

/// Pairs of i8 weights, and i16 inputs, two to a word.
pub(super) struct Int8;

/// Sums that go on in f32 from block to block.
macro_rules! sums_in_f32 {
    () => {
        type Sum<L: Lanes> = L;

        #[inline(always)]
        unsafe fn start<L: Lanes>(sums: *const f32, nothing_yet: bool) -> L {
            // SAFETY: as the trait says.
            unsafe { if nothing_yet { L::splat(0.0) } else { L::load(sums) } }
        }

        #[inline(always)]
        unsafe fn finish<L: Lanes>(sum: L, _: f32, sums: *mut f32, _: bool) {
            // SAFETY: as the trait says.
            unsafe { sum.store(sums) }
        }
    };
}

// SAFETY of the bodies: as the trait says.
impl Weight for F32 {
    type Item = f32;
    type Input = f32;
    sums_in_f32!();

    #[inline(always)]
    fn arithmetic(rows: usize) -> Arithmetic {
        match rows {
            0..=5 => Arithmetic::Little,
            6 => Arithmetic::Some,
            _ => Arithmetic::Much,
        }
    }

    #[inline(always)]
    unsafe fn step<L: Lanes, const R: usize>(
        from: *const f32,
        x: &[*const f32; R],
        k: usize,
        sums: &mut [L; R],
    ) {
        unsafe {
            let weights = L::load(from);
            for (x, sum) in x.iter().zip(sums) {
                *sum = L::splat(*x.add(k)).mul_add(weights, *sum);
            }
        }
    }
}

// SAFETY of the bodies: as the trait says.
impl Weight for Bf16 {
    type Item = u32;
    type Input = [f32; 2];
    sums_in_f32!();

    #[inline(always)]
    fn arithmetic(rows: usize) -> Arithmetic {
        if rows < 4 { Arithmetic::Some } else { Arithmetic::Much }
    }

    #[inline(always)]
    unsafe fn step<L: Lanes, const R: usize>(
        from: *const u32,
        x: &[*const [f32; 2]; R],
        k: usize,
        sums: &mut [L; R],
    ) {
        unsafe {
            let words = L::load_words(from);
            let (first, second) = (L::high_bf16(words), L::low_bf16(words));
            for (x, sum) in x.iter().zip(sums) {
                let x = &*x.add(k);
                *sum = L::splat(x[0]).mul_add(first, *sum);
                *sum = L::splat(x[1]).mul_add(second, *sum);
            }
        }
    }
}

// SAFETY of the bodies: as the trait says.
impl Weight for RoundedBf16 {
    type Item = u32;
    type Input = u32;
    sums_in_f32!();

    #[inline(always)]
    fn arithmetic(rows: usize) -> Arithmetic {
        if rows < 7 { Arithmetic::Little } else { Arithmetic::Much }
    }

    #[inline(always)]
    unsafe fn step<L: Lanes, const R: usize>(
        from: *const u32,
        x: &[*const u32; R],
        k: usize,
        sums: &mut [L; R],
    ) {
        unsafe {
            let words = L::load_words(from);
            for (x, sum) in x.iter().zip(sums) {
                *sum = sum.dot_bf16(words, *x, k);
            }
        }
    }
}

/// A block's sum of integers is exact: at most 128 products below 2²², so within 2²⁹.
// SAFETY of the bodies: as the trait says.
impl Weight for Int8 {
    type Item = [i8; 2];
    type Input = u32;
    type Sum<L: Lanes> = L::Words;
    const BLOCK: usize = SCALE_BLOCK / 2;
    const SCALED: bool = true;

    #[inline(always)]
    fn arithmetic(rows: usize) -> Arithmetic {
        if rows < 4 { Arithmetic::Some } else { Arithmetic::Much }
    }

    #[inline(always)]
    unsafe fn start<L: Lanes>(_: *const f32, _: bool) -> L::Words {
        unsafe { L::zero_words() }
    }

    #[inline(always)]
    unsafe fn step<L: Lanes, const R: usize>(
        from: *const [i8; 2],
        x: &[*const u32; R],
        k: usize,
        sums: &mut [L::Words; R],
    ) {
        unsafe {
            let words = L::load_int8_pairs(from);
            for (x, sum) in x.iter().zip(sums) {
                *sum = L::dot_int16(*sum, words, *x.add(k));
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<L: Lanes>(sum: L::Words, scale: f32, sums: *mut f32, nothing_yet: bool) {
        unsafe {
            let before = if nothing_yet { L::splat(0.0) } else { L::load(sums) };
            L::from_int32(sum).mul_add(L::splat(scale), before).store(sums);
        }
    }
}
