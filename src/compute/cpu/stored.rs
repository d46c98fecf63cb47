//! The two ways in which keys and values are stored: f32, and bf16 by its bits.

use super::lanes::Lanes;
use super::storage::Numbers;

/// How a number of a cache is stored.
pub(super) trait Stored: Copy {
    /// The numbers, if they are stored so.
    fn of(numbers: Numbers<'_>) -> Option<&[Self]>;

    /// Sixteen numbers as f32.
    ///
    /// # Safety
    /// The machine has the instruction set of `L`; `from` is valid for 16 numbers.
    unsafe fn load<L: Lanes>(from: *const Self) -> L;

    /// As f32.
    fn to_f32(self) -> f32;
}

impl Stored for f32 {
    #[inline(always)]
    fn of(numbers: Numbers<'_>) -> Option<&[f32]> {
        if let Numbers::F32(numbers) = numbers { Some(numbers) } else { None }
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const f32) -> L {
        // SAFETY: as the caller.
        unsafe { L::load(from) }
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
}

/// The bits of bf16.
impl Stored for u16 {
    #[inline(always)]
    fn of(numbers: Numbers<'_>) -> Option<&[u16]> {
        if let Numbers::Bf16(numbers) = numbers { Some(numbers) } else { None }
    }

    #[inline(always)]
    unsafe fn load<L: Lanes>(from: *const u16) -> L {
        // SAFETY: as the caller.
        unsafe { L::load_bf16(from) }
    }

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }
}
