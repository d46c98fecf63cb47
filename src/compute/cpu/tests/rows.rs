//! Norms, activations, powers and rotations of rows against plain f64 loops, on every kernel.

use super::numbers;
use crate::compute::cpu::activation::{Activation, activate, silu_mul};
use crate::compute::cpu::isa::{Isa, Task};
use crate::compute::cpu::lanes::{LANES, Lanes};
use crate::compute::cpu::rows::{exp2, normalize, rotate};

#[test]
fn norms_equal_a_plain_loop() {
    for width in [1, 15, 16, 40, 257] {
        let x = numbers(30, width);
        let (weight, bias) = (numbers(31, width), numbers(32, width));
        for isa in Isa::available() {
            for centred in [false, true] {
                let mut y = x.clone();
                normalize(isa, &mut y, Some(&weight), Some(&bias), centred, 1e-3);
                let count = width as f64;
                let wide = || x.iter().map(|&x| f64::from(x));
                let mean = if centred { wide().sum::<f64>() / count } else { 0.0 };
                let variance = wide().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                for (index, y) in y.iter().enumerate() {
                    let unit = (f64::from(x[index]) - mean) / (variance + 1e-3).sqrt();
                    let expected = unit * f64::from(weight[index]) + f64::from(bias[index]);
                    assert!((f64::from(*y) - expected).abs() < 4e-6, "{}", isa.name());
                }
            }
        }
    }
}

#[test]
fn silu_equals_its_definition() {
    let x: Vec<f32> = (-1700..1700).map(|i| i as f32 * 0.05).collect();
    for isa in Isa::available() {
        let mut y = x.clone();
        activate(isa, Activation::Silu, &mut y);
        for (x, y) in x.iter().zip(&y) {
            let expected = f64::from(*x) / (1.0 + (-f64::from(*x)).exp());
            let error = (f64::from(*y) - expected).abs();
            assert!(error <= expected.abs() * 4e-7 + 1e-35, "{} {x}: {y}", isa.name());
        }
    }
}

struct Powers<'a> {
    x: &'a mut [f32; LANES],
}

impl Task for Powers<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the load and the store are of an array of 16.
        unsafe { exp2(L::load(self.x.as_ptr())).store(self.x.as_mut_ptr()) }
    }
}

#[test]
fn powers_of_two_equal_their_definition() {
    let powers = |isa: Isa, x: f32| {
        let mut lanes = [x; LANES];
        isa.run(Powers { x: &mut lanes });
        lanes[7]
    };
    for isa in Isa::available() {
        for x in (-12_600..12_700).map(|i| i as f32 * 0.01) {
            let (found, expected) = (f64::from(powers(isa, x)), f64::from(x).exp2());
            // Two units of the last place of a number just above a power of two.
            let bound = expected * 2.0 * f64::from(f32::EPSILON);
            assert!((found - expected).abs() <= bound, "{} {x}: {found}", isa.name());
        }
        assert_eq!(powers(isa, 0.0), 1.0, "the largest score's power");
        assert_eq!(powers(isa, f32::NEG_INFINITY), f32::MIN_POSITIVE);
        assert!(powers(isa, f32::NAN).is_nan());
    }
}

#[test]
fn gated_numbers_are_silu_times_the_other_to_the_bit() {
    for length in [0, 1, 15, 16, 17, 100] {
        let (gate, up) = (numbers(40, length), numbers(41, length));
        for isa in Isa::available() {
            let mut expected = gate.clone();
            activate(isa, Activation::Silu, &mut expected);
            expected.iter_mut().zip(&up).for_each(|(y, up)| *y *= up);
            assert_eq!(silu_mul(isa, &gate, &up), expected, "{} {length}", isa.name());
        }
    }
}

#[test]
fn rotations_turn_the_pairs_of_every_head() {
    for (heads, pairs) in [(1, 1), (3, 5), (2, 16), (2, 24), (1, 33)] {
        let x = numbers(50, heads * 2 * pairs);
        let angles = numbers(51, pairs);
        let (cos, sin): (Vec<f32>, Vec<f32>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
        for (isa, interleaved) in
            Isa::available().into_iter().flat_map(|isa| [(isa, false), (isa, true)])
        {
            let mut y = x.clone();
            rotate(isa, &mut y, &cos, &sin, interleaved);
            for pair in 0..heads * pairs {
                let (head, pair) = (pair / pairs * 2 * pairs, pair % pairs);
                let places =
                    if interleaved { [2 * pair, 2 * pair + 1] } else { [pair, pair + pairs] };
                let [a, b] = places.map(|place| head + place);
                let (c, s) = (f64::from(cos[pair]), f64::from(sin[pair]));
                let (first, second) = (f64::from(x[a]), f64::from(x[b]));
                let expected = [first * c - second * s, second * c + first * s];
                for (found, expected) in [y[a], y[b]].into_iter().zip(expected) {
                    let error = (f64::from(found) - expected).abs();
                    assert!(error < 1e-6, "{} {interleaved} {pairs}", isa.name());
                }
            }
        }
    }
}

struct Largest {
    lanes: [f32; LANES],
}

impl Task for Largest {
    type Output = f32;

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> f32 {
        // SAFETY: the load is of an array of 16.
        unsafe { L::load(self.lanes.as_ptr()).largest() }
    }
}

#[test]
fn the_largest_lane_is_found_wherever_it_stands() {
    for isa in Isa::available() {
        for place in 0..LANES {
            let mut lanes = [f32::NEG_INFINITY; LANES];
            lanes[(place + 5) % LANES] = f32::NAN;
            lanes[place] = -3.5;
            assert_eq!(isa.run(Largest { lanes }), -3.5, "{} {place}", isa.name());
        }
    }
}
