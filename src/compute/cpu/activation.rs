//! Activations, element by element.

use super::isa::{Isa, Task};
use super::lanes::{LANES, Lanes};
use super::rows::{exp, polynomial};

/// What is done to each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// `x · Φ(x)`, with the normal distribution's Φ.
    GeluExact,
    /// `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh,
}

/// Applies `activation` to all of `x`, in place.
pub(crate) fn activate(isa: Isa, activation: Activation, x: &mut [f32]) {
    match activation {
        Activation::Silu => isa.run(Map { x, apply: Silu }),
        Activation::GeluExact => isa.run(Map { x, apply: GeluExact }),
        Activation::GeluTanh => isa.run(Map { x, apply: GeluTanh }),
    }
}

trait Elementwise {
    /// # Safety
    /// The machine has the instruction set of `L`.
    unsafe fn apply<L: Lanes>(&self, x: L) -> L;
}

struct Map<'a, E> {
    x: &'a mut [f32],
    apply: E,
}

impl<E: Elementwise> Task for Map<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Self { x, apply } = self;
        let (chunks, tail) = x.as_chunks_mut::<LANES>();
        // SAFETY: loads and stores are of arrays of 16.
        unsafe {
            for chunk in chunks {
                apply.apply(L::load(chunk.as_ptr())).store(chunk.as_mut_ptr());
            }
            let mut rest = [0.0; LANES];
            rest[..tail.len()].copy_from_slice(tail);
            apply.apply(L::load(rest.as_ptr())).store(rest.as_mut_ptr());
            tail.copy_from_slice(&rest[..tail.len()]);
        }
    }
}

/// `x / (1 + e^(-y))`.
///
/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
unsafe fn times_sigmoid<L: Lanes>(x: L, y: L) -> L {
    // SAFETY: as the caller.
    unsafe { x.div(L::splat(1.0).add(exp(L::splat(0.0).sub(y)))) }
}

struct Silu;

impl Elementwise for Silu {
    #[inline(always)]
    unsafe fn apply<L: Lanes>(&self, x: L) -> L {
        // SAFETY: as the caller.
        unsafe { times_sigmoid(x, x) }
    }
}

/// `silu(gate) · up`, as long as `gate`.
pub(crate) fn silu_mul(isa: Isa, gate: &[f32], up: &[f32]) -> Vec<f32> {
    assert!(gate.len() == up.len(), "as many gates as numbers");
    isa.run(SiluMul { gate, up })
}

struct SiluMul<'a> {
    gate: &'a [f32],
    up: &'a [f32],
}

impl Task for SiluMul<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.gate.len());
        let (gates, last_gates) = self.gate.as_chunks();
        let (ups, last_ups) = self.up.as_chunks();
        // SAFETY: the instruction set is the caller's.
        unsafe {
            for (gate, up) in gates.iter().zip(ups) {
                out.extend_from_slice(&times_silu::<L>(gate, up));
            }
            let (mut gate, mut up) = ([0.0; LANES], [0.0; LANES]);
            gate[..last_gates.len()].copy_from_slice(last_gates);
            up[..last_ups.len()].copy_from_slice(last_ups);
            out.extend_from_slice(&times_silu::<L>(&gate, &up)[..last_ups.len()]);
        }
        out
    }
}

/// # Safety
/// The machine has the instruction set of `L`.
#[inline(always)]
unsafe fn times_silu<L: Lanes>(gate: &[f32; LANES], up: &[f32; LANES]) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    // SAFETY: loads and the store are of arrays of 16.
    unsafe {
        let silu = Silu.apply(L::load(gate.as_ptr()));
        silu.mul(L::load(up.as_ptr())).store(out.as_mut_ptr());
    }
    out
}

struct GeluTanh;

impl Elementwise for GeluTanh {
    /// With `(1 + tanh u) / 2 = sigmoid(2u)`.
    #[inline(always)]
    unsafe fn apply<L: Lanes>(&self, x: L) -> L {
        const TWICE_SQRT_2_PI: f32 = 1.595_769;
        // SAFETY: as the caller.
        unsafe {
            let cubic = x.mul(x).mul_add(L::splat(0.044_715), L::splat(1.0));
            times_sigmoid(x, x.mul(cubic).mul(L::splat(TWICE_SQRT_2_PI)))
        }
    }
}

struct GeluExact;

/// `e^(z²) erfc(z)` for `z >= 0` as a polynomial in `t = 1 / (1 + 0.3 z)`, fitted by interpolation at
/// Chebyshev nodes on z in 0..9.4; relative error below 6e-8. From the highest power down.
const SCALED_ERFC: [f32; 10] = [
    -0.116_640_285,
    0.413_848_34,
    -0.338_747_7,
    0.308_488_07,
    0.112_158_5,
    0.098_810_1,
    0.190_637_3,
    0.161_083_67,
    0.170_431_32,
    -6.9307294e-5,
];

impl Elementwise for GeluExact {
    /// `x Φ(x) = max(x, 0) - |x|/2 · erfc(|x| / √2)`: no cancellation on either side.
    #[inline(always)]
    unsafe fn apply<L: Lanes>(&self, x: L) -> L {
        // SAFETY: as the caller.
        unsafe {
            let zero = L::splat(0.0);
            let negated = zero.sub(x);
            let magnitude = negated.max(x);
            let z = magnitude.mul(L::splat(std::f32::consts::FRAC_1_SQRT_2));
            let t = L::splat(1.0).div(z.mul_add(L::splat(0.3), L::splat(1.0)));
            let erfc = polynomial(t, SCALED_ERFC).mul(exp(zero.sub(z.mul(z))));
            let half = magnitude.mul(L::splat(-0.5));
            half.mul_add(erfc, zero.max(x))
        }
    }
}
