//! Sixteen f32 lanes: the one vocabulary that every kernel is written in.
//!
//! All instruction sets have the same logical width, so a sum that is split over lanes is split in
//! the same way everywhere: AVX-512, AVX2 and NEON give the same bits. Portable Rust rounds twice in
//! `mul_add` (a fused one is a library call without the instruction) and may differ in the last bit.
//! The one exception: where an instruction multiplies pairs of bf16, denormal numbers count as 0.

/// Lanes of a vector.
pub(super) const LANES: usize = 16;

/// Sixteen f32 in registers.
///
/// # Safety
/// Every function needs the instruction set of its type: they are called from [`super::isa::Task::run`]
/// only, which [`super::isa::Isa::run`] enters after the set was found. Pointers are valid for what the
/// function names; no alignment is needed.
pub(super) trait Lanes: Copy {
    /// Most rows whose sums for a panel's 32 outputs stay in registers.
    const WIDE_ROWS: usize;
    /// Most rows whose sums for 16 outputs stay in registers.
    const NARROW_ROWS: usize;
    /// Whether an instruction multiplies pairs of bf16.
    const DOTS: bool = false;
    /// Sixteen 32-bit words in registers.
    type Words: Copy;

    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self;
    /// Reads 16 f32.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes 16 f32.
    unsafe fn store(self, to: *mut f32);
    /// Reads 16 bf16, given by their bits.
    unsafe fn load_bf16(from: *const u16) -> Self;
    /// Reads 16 words.
    unsafe fn load_words(from: *const u32) -> Self::Words;
    /// The bf16 in the low halves of 16 words.
    unsafe fn low_bf16(words: Self::Words) -> Self;
    /// The bf16 in the high halves of 16 words.
    unsafe fn high_bf16(words: Self::Words) -> Self;
    /// `self` plus both products of the bf16 pairs in `words` and the pair numbered `k` at `x`, that of
    /// the high halves first; takes denormal numbers for 0. Only where [`Lanes::DOTS`].
    #[inline(always)]
    unsafe fn dot_bf16(self, _words: Self::Words, _x: *const u32, _k: usize) -> Self {
        unreachable!("inputs are in pairs only where an instruction multiplies them")
    }
    /// 16 words of 0.
    unsafe fn zero_words() -> Self::Words;
    /// Reads 16 pairs of i8 as pairs of i16.
    unsafe fn load_int8_pairs(from: *const [i8; 2]) -> Self::Words;
    /// `sum` plus both products of the i16 pairs in `words` and the pair in `x`.
    unsafe fn dot_int16(sum: Self::Words, words: Self::Words, x: u32) -> Self::Words;
    /// 16 i32 as f32.
    unsafe fn from_int32(words: Self::Words) -> Self;
    /// Asks for the cache line at `at`, which may lie outside of any allocation, in the first-level
    /// cache.
    unsafe fn prefetch(at: *const u8);
    /// The same in the second-level cache.
    unsafe fn prefetch_far(at: *const u8);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self - other`.
    unsafe fn sub(self, other: Self) -> Self;
    /// `self · other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self / other`.
    unsafe fn div(self, other: Self) -> Self;
    /// The greater one, `other` where either is NaN.
    unsafe fn max(self, other: Self) -> Self;
    /// `self · factor + addend`.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `mul_add` of one number, rounded as the lanes are.
    unsafe fn scalar_mul_add(a: f32, factor: f32, addend: f32) -> f32;
    /// `(bits << 23) + bits of 1.0`: two to the power of the integer in the low bits.
    unsafe fn power_of_two(self) -> Self;
    /// The sum of the lanes: i with i + 8, then + 4, + 2, + 1.
    unsafe fn sum(self) -> f32;
    /// The largest lane, unless it is NaN.
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        let mut lanes = [0f32; LANES];
        // SAFETY: as the caller; the store is to an array of 16.
        unsafe { self.store(lanes.as_mut_ptr()) }
        // Halves with halves: one by one, each would wait for the one before.
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                lanes[i] = lanes[i].max(lanes[i + half]);
            }
        }
        lanes[0]
    }
}
