//! Lanes of x86-64: one AVX-512 register, or two AVX2 registers with FMA.

use super::lanes::Lanes;
use std::arch::asm;
use std::arch::x86_64::*;

/// One 512-bit register (AVX-512F and BW). With `DOTS` the machine multiplies pairs of bf16 and of
/// i16 as well (AVX512-BF16 and VNNI).
#[derive(Clone, Copy)]
pub(super) struct Avx512<const DOTS: bool>(__m512);

/// Two 256-bit registers (AVX2 and FMA): lanes 0 to 7, 8 to 15.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256, __m256);

/// What is left of a sum over eight lanes: + 4, + 2, + 1.
#[inline(always)]
unsafe fn sum_of_eight(eight: __m256) -> f32 {
    // SAFETY: the callers' instruction sets include AVX.
    unsafe {
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        let one = _mm_add_ss(two, _mm_shuffle_ps::<1>(two, two));
        _mm_cvtss_f32(one)
    }
}

// SAFETY of the bodies: the instruction set was found before (see `Lanes`); loads and stores are the
// unaligned ones on pointers that the caller promises.
impl<const DOTS: bool> Lanes for Avx512<DOTS> {
    const WIDE_ROWS: usize = 8;
    const NARROW_ROWS: usize = 8;
    const DOTS: bool = DOTS;
    type Words = __m512i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm512_loadu_ps(from)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        unsafe {
            let words = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(words)))
        }
    }

    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn low_bf16(words: __m512i) -> Self {
        unsafe { Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(words))) }
    }

    #[inline(always)]
    unsafe fn high_bf16(words: __m512i) -> Self {
        unsafe {
            let mask = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
            Self(_mm512_castsi512_ps(_mm512_and_si512(words, mask)))
        }
    }

    #[inline(always)]
    unsafe fn dot_bf16(self, words: __m512i, x: *const u32, k: usize) -> Self {
        assert!(DOTS);
        // SAFETY: the machine has the instruction, and `x` has the pair.
        unsafe { Self(dot_broadcast_pair(self.0, words, x, k)) }
    }

    #[inline(always)]
    unsafe fn zero_words() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load_int8_pairs(from: *const [i8; 2]) -> __m512i {
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(from.cast())) }
    }

    #[inline(always)]
    unsafe fn dot_int16(sum: __m512i, words: __m512i, x: u32) -> __m512i {
        unsafe {
            let x = _mm512_set1_epi32(x.cast_signed());
            if DOTS {
                _mm512_dpwssd_epi32(sum, words, x)
            } else {
                _mm512_add_epi32(sum, _mm512_madd_epi16(words, x))
            }
        }
    }

    #[inline(always)]
    unsafe fn from_int32(words: __m512i) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(words)) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn prefetch_far(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm512_sub_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm512_mul_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        unsafe { Self(_mm512_div_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm512_max_ps(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(self.0, factor.0, addend.0)) }
    }

    #[inline(always)]
    unsafe fn scalar_mul_add(a: f32, factor: f32, addend: f32) -> f32 {
        a.mul_add(factor, addend)
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        unsafe {
            let bits = _mm512_slli_epi32::<23>(_mm512_castps_si512(self.0));
            Self(_mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(0x3f80_0000))))
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0));
            sum_of_eight(_mm256_add_ps(_mm512_castps512_ps256(self.0), _mm256_castpd_ps(high)))
        }
    }
}

/// [`Lanes::dot_bf16`] with the pair read by the instruction itself. The compiler would read it with one of
/// its own, once for two products; but as few instructions as possible let the processor look further
/// ahead for loads while it waits for memory. Only the instruction itself says so.
///
/// # Safety
/// `x` has the pair numbered `k`.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn dot_broadcast_pair(mut sum: __m512, words: __m512i, x: *const u32, k: usize) -> __m512 {
    // SAFETY: reads four bytes, which the caller vouches for, and changes nothing but `sum`.
    unsafe {
        asm!(
            "vdpbf16ps {sum}, {words}, dword ptr [{x} + 4*{k}]{{1to16}}",
            sum = inout(zmm_reg) sum,
            words = in(zmm_reg) words,
            x = in(reg) x,
            k = in(reg) k,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    sum
}

// SAFETY of the bodies: as above.
impl Lanes for Avx2 {
    const WIDE_ROWS: usize = 2;
    const NARROW_ROWS: usize = 5;
    type Words = (__m256i, __m256i);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(x), _mm256_set1_ps(x)) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        unsafe {
            let first = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            let second = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.add(8).cast()));
            Self(
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(first)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(second)),
            )
        }
    }

    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> (__m256i, __m256i) {
        unsafe { (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(8).cast())) }
    }

    #[inline(always)]
    unsafe fn low_bf16(words: (__m256i, __m256i)) -> Self {
        unsafe {
            Self(
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words.0)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(words.1)),
            )
        }
    }

    #[inline(always)]
    unsafe fn high_bf16(words: (__m256i, __m256i)) -> Self {
        unsafe {
            let mask = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
            Self(
                _mm256_castsi256_ps(_mm256_and_si256(words.0, mask)),
                _mm256_castsi256_ps(_mm256_and_si256(words.1, mask)),
            )
        }
    }

    #[inline(always)]
    unsafe fn zero_words() -> (__m256i, __m256i) {
        unsafe { (_mm256_setzero_si256(), _mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn load_int8_pairs(from: *const [i8; 2]) -> (__m256i, __m256i) {
        unsafe {
            (
                _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast())),
                _mm256_cvtepi8_epi16(_mm_loadu_si128(from.add(8).cast())),
            )
        }
    }

    #[inline(always)]
    unsafe fn dot_int16(
        sum: (__m256i, __m256i),
        words: (__m256i, __m256i),
        x: u32,
    ) -> (__m256i, __m256i) {
        unsafe {
            let x = _mm256_set1_epi32(x.cast_signed());
            (
                _mm256_add_epi32(sum.0, _mm256_madd_epi16(words.0, x)),
                _mm256_add_epi32(sum.1, _mm256_madd_epi16(words.1, x)),
            )
        }
    }

    #[inline(always)]
    unsafe fn from_int32(words: (__m256i, __m256i)) -> Self {
        unsafe { Self(_mm256_cvtepi32_ps(words.0), _mm256_cvtepi32_ps(words.1)) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn prefetch_far(at: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        unsafe { Self(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe {
            Self(
                _mm256_fmadd_ps(self.0, factor.0, addend.0),
                _mm256_fmadd_ps(self.1, factor.1, addend.1),
            )
        }
    }

    #[inline(always)]
    unsafe fn scalar_mul_add(a: f32, factor: f32, addend: f32) -> f32 {
        a.mul_add(factor, addend)
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        unsafe {
            let one = _mm256_set1_epi32(0x3f80_0000);
            let first = _mm256_slli_epi32::<23>(_mm256_castps_si256(self.0));
            let second = _mm256_slli_epi32::<23>(_mm256_castps_si256(self.1));
            Self(
                _mm256_castsi256_ps(_mm256_add_epi32(first, one)),
                _mm256_castsi256_ps(_mm256_add_epi32(second, one)),
            )
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { sum_of_eight(_mm256_add_ps(self.0, self.1)) }
    }
}
