//! Each kernel of this machine against plain f64 loops, and bit for bit against itself with other
//! rows, threads and instruction sets.

mod attention;
mod rows;

use super::isa::Isa;
use super::packed::{PackedMatrix, Source};
use crate::compute::precision::{ActivationNumber, Precision};
use half::bf16;
use proptest::prelude::*;

/// Every way to store weights, and what they multiply.
const KINDS: [(Precision, ActivationNumber); 4] = [
    (Precision::F32, ActivationNumber::F32),
    (Precision::Bf16, ActivationNumber::F32),
    (Precision::Bf16, ActivationNumber::Bf16),
    (Precision::Int8, ActivationNumber::F32),
];

fn pack(
    weights: &[f32],
    outputs: usize,
    inputs: usize,
    kind: (Precision, ActivationNumber),
) -> PackedMatrix {
    PackedMatrix::pack(Source::F32(weights), outputs, inputs, kind.0, kind.1).unwrap()
}

/// Numbers in -1..1 from a small generator, the same for a seed everywhere.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// What a stored weight stands for.
fn stored(weights: &[f32], inputs: usize, precision: Precision) -> Vec<f64> {
    match precision {
        Precision::F32 => weights.iter().map(|&w| f64::from(w)).collect(),
        Precision::Bf16 => weights.iter().map(|&w| bf16::from_f32(w).to_f64()).collect(),
        Precision::Int8 => weights
            .chunks(inputs)
            .flat_map(|row| {
                let scale = row.iter().fold(0f32, |most, w| most.max(w.abs())) / 127.0;
                row.iter().map(move |w| {
                    if scale == 0.0 {
                        0.0
                    } else {
                        f64::from((w / scale).round_ties_even()) * f64::from(scale)
                    }
                })
            })
            .collect(),
    }
}

/// What a row is multiplied as, and half of the distance between two such numbers at each place.
fn multiplied(x: &[f32], kind: (Precision, ActivationNumber)) -> Vec<(f64, f64)> {
    match kind {
        (Precision::Bf16, ActivationNumber::Bf16) => {
            x.iter().map(|&x| (bf16::from_f32(x).to_f64(), 0.0)).collect()
        }
        // Rounded to one of 65535 steps that span twice the largest number of 128.
        (Precision::Int8, _) => x
            .chunks(128)
            .flat_map(|block| {
                let largest = block.iter().fold(0f32, |most, x| most.max(x.abs()));
                block.iter().map(move |&x| (f64::from(x), 0.501 * f64::from(largest) / 32767.0))
            })
            .collect(),
        _ => x.iter().map(|&x| (f64::from(x), 0.0)).collect(),
    }
}

fn product(packed: &PackedMatrix, isa: Isa, x: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (outputs, inputs) = packed.shape();
    let mut out = vec![f32::NAN; x.len() / inputs * outputs];
    packed.multiply(isa, x, bias, &mut out).unwrap();
    out
}

fn check_product(outputs: usize, inputs: usize, rows: usize, seed: u64) {
    let weights = numbers(seed, outputs * inputs);
    let x = numbers(seed + 1, rows * inputs);
    let bias = numbers(seed + 2, outputs);
    for kind in KINDS {
        let packed = pack(&weights, outputs, inputs, kind);
        let weights = stored(&weights, inputs, kind.0);
        for isa in Isa::available() {
            let y = product(&packed, isa, &x, Some(&bias));
            for (index, y) in y.iter().enumerate() {
                let (row, output) = (index / outputs, index % outputs);
                let x = multiplied(&x[row * inputs..][..inputs], kind);
                let w = &weights[output * inputs..][..inputs];
                let terms = x.iter().zip(w).map(|((x, _), w)| x * w);
                let steps: f64 = x.iter().zip(w).map(|((_, step), w)| step * w.abs()).sum();
                let size: f64 = terms.clone().map(f64::abs).sum::<f64>() + 1.0;
                let expected = terms.sum::<f64>() + f64::from(bias[output]);
                let error = (f64::from(*y) - expected).abs();
                let bound = size * 6e-8 * ((inputs as f64).sqrt() + 4.0) + steps;
                assert!(
                    error <= bound,
                    "{} {kind:?} [{outputs}, {inputs}] row {row} output {output}: {y} for {expected}",
                    isa.name()
                );
            }
        }
    }
}

#[test]
fn products_of_odd_sizes_and_all_row_counts_equal_a_plain_loop() {
    for rows in 1..=8 {
        for (outputs, inputs) in
            [(1, 1), (31, 7), (32, 33), (33, 64), (65, 129), (100, 31), (5, 301)]
        {
            check_product(outputs, inputs, rows, (rows * 1000 + outputs) as u64);
        }
    }
    check_product(40, 50, 19, 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn products_of_any_size_equal_a_plain_loop(
        outputs in 1usize..90, inputs in 1usize..200, rows in 1usize..=8, seed in 1u64..1000,
    ) {
        check_product(outputs, inputs, rows, seed);
    }
}

#[test]
fn a_row_is_the_same_alone_and_among_others_on_every_kernel() {
    let (outputs, inputs, rows) = (77, 300, 8);
    let weights = numbers(1, outputs * inputs);
    let x = numbers(2, rows * inputs);
    for kind in KINDS {
        let packed = pack(&weights, outputs, inputs, kind);
        for isa in Isa::available() {
            let all = product(&packed, isa, &x, None);
            for count in 1..rows {
                let some = product(&packed, isa, &x[..count * inputs], None);
                assert_eq!(some, all[..count * outputs], "{} {kind:?}", isa.name());
            }
            let last = product(&packed, isa, &x[7 * inputs..], None);
            assert_eq!(last, all[7 * outputs..], "{} {kind:?}", isa.name());
        }
    }
}

#[test]
fn the_result_is_the_same_for_every_thread_count() {
    let (outputs, inputs) = (1000, 640);
    let weights = numbers(3, outputs * inputs);
    let x = numbers(4, 5 * inputs);
    for kind in KINDS {
        let packed = pack(&weights, outputs, inputs, kind);
        let results: Vec<Vec<f32>> = [1, 2, 3]
            .into_iter()
            .map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| product(&packed, Isa::detect(), &x, None))
            })
            .collect();
        assert!(results.iter().all(|result| *result == results[0]));
    }
}

/// A thread that waits for its own product may be given another one of the same pool meanwhile.
#[test]
fn products_of_several_threads_share_a_pool() {
    let (outputs, inputs) = (1000, 640);
    let packed = pack(&numbers(3, outputs * inputs), outputs, inputs, KINDS[2]);
    let x = numbers(4, 5 * inputs);
    let expected = product(&packed, Isa::detect(), &x, None);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let found = pool.install(|| product(&packed, Isa::detect(), &x, None));
                    assert_eq!(found, expected);
                }
            });
        }
    });
}

#[test]
fn fused_kernels_agree_to_the_bit() {
    let fused: Vec<Isa> =
        Isa::available().into_iter().filter(|isa| isa.name() != "portable").collect();
    let (outputs, inputs) = (96, 517);
    let weights = numbers(5, outputs * inputs);
    let x = numbers(6, 4 * inputs);
    for kind in KINDS {
        let packed = pack(&weights, outputs, inputs, kind);
        let results: Vec<Vec<f32>> =
            fused.iter().map(|&isa| product(&packed, isa, &x, None)).collect();
        assert!(results.iter().all(|result| *result == results[0]), "{kind:?}");
    }
    let attention: Vec<Vec<f32>> = fused
        .iter()
        .map(|&isa| attention::attention(isa, 45, (3, 2, 80), ActivationNumber::Bf16))
        .collect();
    assert!(attention.iter().all(|result| *result == attention[0]));
}

#[test]
fn denormal_weights_are_not_flushed_unless_inputs_are_rounded() {
    let weights = vec![1e-40f32; 32 * 40];
    let x = vec![1.0f32; 40];
    for kind in [KINDS[0], KINDS[1]] {
        let packed = pack(&weights, 32, 40, kind);
        let expected = 40.0 * stored(&weights, 40, kind.0)[0];
        for isa in Isa::available() {
            for y in product(&packed, isa, &x, None) {
                assert!((f64::from(y) / expected - 1.0).abs() < 1e-3, "{} {y}", isa.name());
            }
        }
    }
    // The instruction for pairs takes them for 0: less than the smallest normal number each.
    let packed = pack(&weights, 32, 40, KINDS[2]);
    for isa in Isa::available() {
        let y = product(&packed, isa, &x, None);
        assert!(y.iter().all(|y| y.abs() <= 40.0 * f32::MIN_POSITIVE), "{}", isa.name());
    }
}

#[test]
fn inputs_of_any_size_meet_8_bit_weights() {
    let (outputs, inputs) = (3, 300);
    let weights = numbers(13, outputs * inputs);
    let packed = pack(&weights, outputs, inputs, KINDS[3]);
    let stored = stored(&weights, inputs, Precision::Int8);
    // Blocks of very different size, one of them zero, one denormal.
    for sizes in [[1e30f32, 1e-30, 1.0], [0.0, 1e4, 1e-3], [1e-40, 0.0, 1e-40]] {
        let x: Vec<f32> = numbers(14, inputs)
            .iter()
            .enumerate()
            .map(|(index, x)| x * sizes[index / 128])
            .collect();
        for isa in Isa::available() {
            for (y, w) in product(&packed, isa, &x, None).iter().zip(stored.chunks(inputs)) {
                let terms = multiplied(&x, KINDS[3]).into_iter().zip(w);
                let expected: f64 = terms.clone().map(|((x, _), w)| x * w).sum();
                let steps: f64 = terms.map(|((_, step), w)| step * w.abs()).sum();
                let error = (f64::from(*y) - expected).abs();
                assert!(error <= 2.0 * steps + 1e-33, "{} {sizes:?}: {y}", isa.name());
            }
        }
    }
}

#[test]
fn nan_and_infinity_reach_the_outputs_that_they_concern_and_no_others() {
    let (outputs, inputs) = (40, 21);
    for kind in KINDS {
        let mut weights = numbers(8, outputs * inputs);
        weights[35 * inputs + 20] = f32::NAN;
        let packed = pack(&weights, outputs, inputs, kind);
        let mut x = numbers(9, 3 * inputs);
        x[inputs + 3] = f32::NAN;
        for isa in Isa::available() {
            let y = product(&packed, isa, &x, None);
            for (index, y) in y.iter().enumerate() {
                let (row, output) = (index / outputs, index % outputs);
                assert_eq!(y.is_nan(), row == 1 || output == 35, "{} {index}", isa.name());
            }
        }
    }
}

#[test]
fn bf16_and_f16_sources_are_packed_as_their_f32_values() {
    let (outputs, inputs) = (33, 18);
    let weights: Vec<bf16> =
        numbers(10, outputs * inputs).into_iter().map(bf16::from_f32).collect();
    let halves: Vec<half::f16> = weights.iter().map(|w| half::f16::from_f32(w.to_f32())).collect();
    let wide: Vec<f32> = halves.iter().map(|w| w.to_f32()).collect();
    let x = numbers(11, inputs);
    for (precision, activations) in KINDS {
        let pack = |source| PackedMatrix::pack(source, outputs, inputs, precision, activations);
        let y = |source| product(&pack(source).unwrap(), Isa::detect(), &x, None);
        assert_eq!(y(Source::F16(&halves)), y(Source::F32(&wide)));
        let wide: Vec<f32> = weights.iter().map(|w| w.to_f32()).collect();
        assert_eq!(y(Source::Bf16(&weights)), y(Source::F32(&wide)));
    }
}

#[test]
fn lengths_that_do_not_fit_are_errors() {
    let weights = numbers(12, 6);
    let (precision, activations) = KINDS[0];
    let pack = |weights, outputs, inputs| {
        PackedMatrix::pack(Source::F32(weights), outputs, inputs, precision, activations)
    };
    assert!(pack(&weights, 2, 2).is_err());
    assert!(pack(&[], 0, 2).is_err());
    let packed = pack(&weights, 2, 3).unwrap();
    let isa = Isa::detect();
    assert!(packed.multiply(isa, &[0.0; 4], None, &mut [0.0; 2]).is_err());
    assert!(packed.product(isa, &[0.0; 4], None).is_err());
    assert!(packed.multiply(isa, &[0.0; 3], None, &mut [0.0; 3]).is_err());
    assert!(packed.multiply(isa, &[0.0; 3], Some(&[0.0]), &mut [0.0; 2]).is_err());
}

#[test]
fn the_variable_names_a_kernel_of_this_machine_or_nothing() {
    let available = Isa::available();
    for isa in &available {
        assert_eq!(Isa::named_or_fastest(Some(isa.name())), *isa);
    }
    for other in [None, Some(""), Some("AVX"), Some("avx512 "), Some("sse")] {
        assert_eq!(Isa::named_or_fastest(other), available[0], "{other:?}");
    }
}
