//! Lanes of aarch64: four NEON registers.

use super::lanes::Lanes;
use std::arch::aarch64::*;

/// Four 128-bit registers: lanes 0 to 3, 4 to 7, 8 to 11, 12 to 15.
#[derive(Clone, Copy)]
pub(super) struct Neon([float32x4_t; 4]);

impl Neon {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Self {
        let ([a, b, c, d], [e, g, h, i]) = (self.0, other.0);
        Self([f(a, e), f(b, g), f(c, h), f(d, i)])
    }
}

// SAFETY of the bodies: NEON is part of every aarch64 target that Rust's standard library supports,
// and `Isa` asks for it nevertheless; pointers are the caller's promise, alignment is not needed.
impl Lanes for Neon {
    const WIDE_ROWS: usize = 2;
    const NARROW_ROWS: usize = 5;
    type Words = [uint32x4_t; 4];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        unsafe { Self([vdupq_n_f32(x); 4]) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe {
            Self([
                vld1q_f32(from),
                vld1q_f32(from.add(4)),
                vld1q_f32(from.add(8)),
                vld1q_f32(from.add(12)),
            ])
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe {
            vst1q_f32(to, self.0[0]);
            vst1q_f32(to.add(4), self.0[1]);
            vst1q_f32(to.add(8), self.0[2]);
            vst1q_f32(to.add(12), self.0[3]);
        }
    }

    #[inline(always)]
    unsafe fn load_bf16(from: *const u16) -> Self {
        unsafe {
            Self(
                [0, 4, 8, 12]
                    .map(|lane| vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.add(lane))))),
            )
        }
    }

    #[inline(always)]
    unsafe fn load_words(from: *const u32) -> [uint32x4_t; 4] {
        [0, 4, 8, 12].map(|lane| unsafe { vld1q_u32(from.add(lane)) })
    }

    #[inline(always)]
    unsafe fn low_bf16(words: [uint32x4_t; 4]) -> Self {
        Self(words.map(|words| unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(words)) }))
    }

    #[inline(always)]
    unsafe fn high_bf16(words: [uint32x4_t; 4]) -> Self {
        Self(words.map(|words| unsafe {
            vreinterpretq_f32_u32(vandq_u32(words, vdupq_n_u32(0xffff_0000)))
        }))
    }

    #[inline(always)]
    unsafe fn zero_words() -> [uint32x4_t; 4] {
        unsafe { [vdupq_n_u32(0); 4] }
    }

    #[inline(always)]
    unsafe fn load_int8_pairs(from: *const [i8; 2]) -> [uint32x4_t; 4] {
        [0, 4, 8, 12].map(|lane| unsafe {
            vreinterpretq_u32_s16(vmovl_s8(vld1_s8(from.add(lane).cast::<i8>())))
        })
    }

    #[inline(always)]
    unsafe fn dot_int16(sum: [uint32x4_t; 4], words: [uint32x4_t; 4], x: u32) -> [uint32x4_t; 4] {
        let ([a, b, c, d], [e, f, g, h]) = (sum, words);
        [(a, e), (b, f), (c, g), (d, h)].map(|(sum, words)| unsafe {
            let (words, x) = (vreinterpretq_s16_u32(words), vreinterpretq_s16_u32(vdupq_n_u32(x)));
            let first = vmull_s16(vget_low_s16(words), vget_low_s16(x));
            let second = vmull_high_s16(words, x);
            vaddq_u32(sum, vreinterpretq_u32_s32(vpaddq_s32(first, second)))
        })
    }

    #[inline(always)]
    unsafe fn from_int32(words: [uint32x4_t; 4]) -> Self {
        Self(words.map(|words| unsafe { vcvtq_f32_s32(vreinterpretq_s32_u32(words)) }))
    }

    // The prefetch intrinsic of aarch64 is not stable; the instruction is, and touches nothing.
    #[inline(always)]
    unsafe fn prefetch(at: *const u8) {
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at,
                options(nostack, preserves_flags, readonly));
        }
    }

    #[inline(always)]
    unsafe fn prefetch_far(at: *const u8) {
        unsafe {
            std::arch::asm!("prfm pldl2keep, [{at}]", at = in(reg) at,
                options(nostack, preserves_flags, readonly));
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { vaddq_f32(a, b) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { vsubq_f32(a, b) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { vmulq_f32(a, b) })
    }

    #[inline(always)]
    unsafe fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { vdivq_f32(a, b) })
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h], [i, j, k, l]) = (self.0, factor.0, addend.0);
        unsafe {
            Self([vfmaq_f32(i, a, e), vfmaq_f32(j, b, f), vfmaq_f32(k, c, g), vfmaq_f32(l, d, h)])
        }
    }

    #[inline(always)]
    unsafe fn scalar_mul_add(a: f32, factor: f32, addend: f32) -> f32 {
        a.mul_add(factor, addend)
    }

    #[inline(always)]
    unsafe fn power_of_two(self) -> Self {
        unsafe {
            Self(self.0.map(|x| {
                let bits = vshlq_n_u32::<23>(vreinterpretq_u32_f32(x));
                vreinterpretq_f32_u32(vaddq_u32(bits, vdupq_n_u32(0x3f80_0000)))
            }))
        }
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let first = vaddq_f32(self.0[0], self.0[2]);
            let second = vaddq_f32(self.0[1], self.0[3]);
            let four = vaddq_f32(first, second);
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        }
    }
}
