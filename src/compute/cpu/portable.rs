//! Lanes without any instruction set: plain Rust that the compiler vectorises as far as it can.

use super::lanes::{LANES, Lanes};

/// Sixteen f32 in an array.
#[derive(Clone, Copy)]
pub(super) struct Portable([f32; LANES]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

/// Two i16 in a word.
#[inline(always)]
fn pair_of(low: i16, high: i16) -> u32 {
    u32::from(low.cast_unsigned()) | u32::from(high.cast_unsigned()) << 16
}

/// The i16 in the low and in the high half of a word.
#[inline(always)]
fn halves_of(word: u32) -> (i32, i32) {
    (i32::from(word as i16), word.cast_signed() >> 16)
}

// SAFETY of the bodies: no instruction set is needed; pointers are the caller's promise.
impl Lanes for Portable {
    const WIDE_ROWS: usize = 1;
    const NARROW_ROWS: usize = 3;
    type Words = [u32; LANES];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        let bits = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        Self(bits.map(|bits| f32::from_bits(u32::from(bits) << 16)))
    }

    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> [u32; LANES] {
        unsafe { from.cast::<[u32; LANES]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn low_bf16(words: [u32; LANES]) -> Self {
        Self(words.map(|word| f32::from_bits(word << 16)))
    }

    #[inline(always)]
    unsafe fn high_bf16(words: [u32; LANES]) -> Self {
        Self(words.map(|word| f32::from_bits(word & 0xffff_0000)))
    }

    #[inline(always)]
    unsafe fn zero_words() -> [u32; LANES] {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn load_int8_pairs(from: *const [i8; 2]) -> [u32; LANES] {
        let pairs = unsafe { from.cast::<[[i8; 2]; LANES]>().read_unaligned() };
        pairs.map(|[low, high]| pair_of(low.into(), high.into()))
    }

    #[inline(always)]
    unsafe fn dot_int16(sum: [u32; LANES], words: [u32; LANES], x: u32) -> [u32; LANES] {
        let (low, high) = halves_of(x);
        std::array::from_fn(|lane| {
            let (a, b) = halves_of(words[lane]);
            sum[lane].wrapping_add((a * low).wrapping_add(b * high).cast_unsigned())
        })
    }

    #[inline(always)]
    unsafe fn from_int32(words: [u32; LANES]) -> Self {
        Self(words.map(|word| word.cast_signed() as f32))
    }

    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}

    #[inline(always)]
    unsafe fn prefetch_far(_: *const u8) {}

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.zip(factor, |a, b| a * b).zip(addend, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn scalar_mul_add(a: f32, factor: f32, addend: f32) -> f32 {
        a * factor + addend
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        Self(self.0.map(|x| f32::from_bits((x.to_bits() << 23).wrapping_add(0x3f80_0000))))
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let mut lanes = self.0;
        for half in [8, 4, 2, 1] {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
        }
        lanes[0]
    }
}
