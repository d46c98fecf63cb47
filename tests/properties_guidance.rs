//! Properties of the guidance arithmetic and of the sampler that hold for any input, checked on
//! random ones and at the extremes.

use proptest::collection::vec;
use proptest::prelude::*;
use softcfg_studio::guidance::Confidence;
use softcfg_studio::guidance::combination::linear::combine;
use softcfg_studio::guidance::confidence::{ConfidenceInputs, confidence};
use softcfg_studio::guidance::delta::deltas;
use softcfg_studio::guidance::entropy::{normalized_entropy, softmax};
use softcfg_studio::guidance::schedule::guidance_scale_at;
use softcfg_studio::guidance::weights::{ReleasedCode, WeightRule, budgets, perturbation_weights};
use softcfg_studio::sampling::{Sampler, Sampling, SamplingError, filtered_probabilities};
use strum::VariantArray;

const PLAIN: Sampling = Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed: 7 };

fn guided(conditional: &[f32], unconditional: &[f32], scale: f32) -> Vec<f32> {
    let mut guided = Vec::new();
    combine(conditional, unconditional, scale, &mut guided);
    guided
}

fn weights(rule: WeightRule, confidences: &[f32], perturbed: &[bool]) -> Vec<f32> {
    let mut weights = Vec::new();
    perturbation_weights(rule, confidences, perturbed, &mut weights);
    weights
}

/// Unconditional "logits" of a one-head attention over image values, each weakened by its weight.
fn attend(probabilities: &[f32], weights: &[f32], values: &[[f32; 4]]) -> Vec<f32> {
    let mut output = vec![0.0; 4];
    for ((probability, weight), value) in probabilities.iter().zip(weights).zip(values) {
        for (sum, value) in output.iter_mut().zip(value) {
            *sum += probability * weight * value;
        }
    }
    output
}

/// The same rows of logits, of one length.
fn branches() -> impl Strategy<Value = (Vec<f32>, Vec<f32>, Vec<f32>)> {
    (2usize..80).prop_flat_map(|size| {
        let logits = || vec(-30.0f32..30.0, size);
        (logits(), logits(), logits())
    })
}

fn rules() -> impl Strategy<Value = WeightRule> {
    prop_oneof![
        any::<bool>().prop_map(|step_norm| WeightRule::Paper { step_norm }),
        (any::<bool>(), 0.0f32..8.0, 0.0f32..=1.0, any::<bool>()).prop_map(
            |(step_norm, strength, floor, shift)| WeightRule::ReleasedCode {
                step_norm,
                constants: ReleasedCode { strength, floor, shift },
            }
        ),
    ]
}

fn tokens(confidence: impl Strategy<Value = f32>) -> impl Strategy<Value = (Vec<f32>, Vec<bool>)> {
    vec((confidence, prop::bool::weighted(0.9)), 0..300).prop_map(|pairs| pairs.into_iter().unzip())
}

/// Logits with many ties, of sizes that make top-p sort in several pieces.
fn tied_logits() -> impl Strategy<Value = Vec<f32>> {
    let coarse = (-12i32..12).prop_map(|level| level as f32 / 4.0);
    vec(prop_oneof![1 => coarse, 1 => -3.0f32..3.0], 1..3000)
}

fn samplings() -> impl Strategy<Value = Sampling> {
    (0.05f32..5.0, prop::option::of(1usize..400), 0.01f32..=1.0, any::<u64>())
        .prop_map(|(temperature, top_k, top_p, seed)| Sampling { temperature, top_k, top_p, seed })
}

proptest! {
    #[test]
    fn guidance_scale_1_is_conditional_sampling(
        (conditional, unconditional, _) in branches(),
        (step, steps) in (1usize..1000).prop_flat_map(|steps| (0..steps, Just(steps))),
        power in 0.0f32..6.0,
        sampling in samplings(),
    ) {
        let scale = guidance_scale_at(step, steps, 1.0, power);
        prop_assert_eq!(scale, 1.0);
        let guided = guided(&conditional, &unconditional, scale);
        prop_assert!(guided.iter().zip(&conditional).all(|(a, b)| a.to_bits() == b.to_bits()));
        let mut sampler = Sampler::new(sampling);
        prop_assert_eq!(sampler.sample(&guided, step), sampler.sample(&conditional, step));
    }

    #[test]
    fn guidance_scale_rises_from_1_and_stays_below_gamma(
        steps in 1usize..400, gamma in 1.0f32..30.0, power in 0.05f32..6.0,
    ) {
        let scales: Vec<f32> =
            (0..steps).map(|step| guidance_scale_at(step, steps, gamma, power)).collect();
        prop_assert_eq!(scales[0], 1.0);
        prop_assert!(scales.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(scales.iter().all(|scale| (1.0..=gamma).contains(scale)));
    }

    #[test]
    fn confidences_of_zero_make_softcfg_equal_cfg(
        rule in rules(),
        rows in vec((-1.0f32..1.0, any::<[i8; 4]>(), any::<bool>()), 1..60),
        conditional in vec(-10.0f32..10.0, 4),
        scale in 0.0f32..20.0,
    ) {
        let perturbed: Vec<bool> = rows.iter().map(|row| row.2).collect();
        let found = weights(rule, &vec![0.0; rows.len()], &perturbed);
        prop_assert!(found.iter().all(|&weight| weight == 1.0));
        let probabilities = softmax(&rows.iter().map(|row| row.0).collect::<Vec<_>>());
        let values: Vec<[f32; 4]> = rows.iter().map(|row| row.1.map(f32::from)).collect();
        let clean = attend(&probabilities, &vec![1.0; rows.len()], &values);
        let soft = attend(&probabilities, &found, &values);
        prop_assert_eq!(guided(&conditional, &soft, scale), guided(&conditional, &clean, scale));
    }

    #[test]
    fn step_norm_spends_exactly_one_token(
        (confidences, perturbed) in tokens(0.01f32..=1.0), step_norm in any::<bool>(),
    ) {
        let counted: f64 = confidences.iter().zip(&perturbed)
            .filter(|(_, perturbed)| **perturbed).map(|(&c, _)| f64::from(c)).sum();
        prop_assume!(counted > 0.0);
        let found = weights(WeightRule::Paper { step_norm: true }, &confidences, &perturbed);
        let spent: f64 = found.iter().map(|&weight| 1.0 - f64::from(weight)).sum();
        // ε takes its share, and every stored weight is rounded to single precision.
        let allowed = 1e-6 / counted + found.len() as f64 * 6e-8;
        prop_assert!((spent - 1.0).abs() <= allowed, "{spent}");
        let sums = budgets(WeightRule::Paper { step_norm }, &confidences, &perturbed);
        prop_assert!((f64::from(sums.normalized) - spent).abs() <= allowed);
        prop_assert!((f64::from(sums.raw) - counted).abs() <= counted * 1e-6);
    }

    #[test]
    fn weights_stay_between_0_and_1_and_spare_what_is_not_perturbed(
        rule in rules(), (confidences, perturbed) in tokens(0.0f32..=1.0),
    ) {
        let found = weights(rule, &confidences, &perturbed);
        prop_assert_eq!(found.len(), confidences.len());
        for (&weight, &perturbed) in found.iter().zip(&perturbed) {
            prop_assert!((0.0..=1.0).contains(&weight), "{weight}");
            prop_assert!(perturbed || weight == 1.0);
        }
    }

    /// Tokens that are not perturbed are as good as absent.
    #[test]
    fn row_ends_change_nothing_for_the_others(
        rule in rules(), (confidences, perturbed) in tokens(0.0f32..=1.0),
    ) {
        let with_ends = weights(rule, &confidences, &perturbed);
        let keep = |values: &[f32]| -> Vec<f32> {
            values.iter().zip(&perturbed).filter(|(_, keep)| **keep).map(|(&v, _)| v).collect()
        };
        let without = keep(&confidences);
        let all = vec![true; without.len()];
        prop_assert_eq!(keep(&with_ends), weights(rule, &without, &all));
    }

    #[test]
    fn weights_agree_with_the_budgets(rule in rules(), (confidences, perturbed) in tokens(0.0f32..=1.0)) {
        let spent: f64 = weights(rule, &confidences, &perturbed)
            .iter().map(|&weight| 1.0 - f64::from(weight)).sum();
        let sums = budgets(rule, &confidences, &perturbed);
        let step_norm = matches!(
            rule,
            WeightRule::Paper { step_norm: true } | WeightRule::ReleasedCode { step_norm: true, .. }
        );
        let sum = f64::from(if step_norm { sums.normalized } else { sums.raw });
        prop_assert!((sum - spent).abs() <= 1e-6 + spent * 1e-6 + confidences.len() as f64 * 6e-8);
    }

    #[test]
    fn released_code_without_its_peculiarities_is_the_paper(
        (confidences, perturbed) in tokens(0.05f32..=1.0), step_norm in any::<bool>(),
    ) {
        let constants = ReleasedCode { strength: 1.0, floor: 0.0, shift: false };
        let released = weights(WeightRule::ReleasedCode { step_norm, constants }, &confidences, &perturbed);
        let paper = weights(WeightRule::Paper { step_norm }, &confidences, &perturbed);
        // ε is 1e-5 there and 1e-6 here, over a sum of at least 0.05.
        prop_assert!(released.iter().zip(&paper).all(|(a, b)| (a - b).abs() < 2.1e-4));
    }

    /// Eq. 7, with the scale as this program counts it: z_SoftCFG = z_CFG + γ_t Δctx with γ_t = scale - 1 and
    /// Δctx = z_u - z_ũ.
    #[test]
    fn equation_7_holds((conditional, unconditional, perturbed) in branches(), scale in 0.0f32..20.0) {
        let soft = guided(&conditional, &perturbed, scale);
        let cfg = guided(&conditional, &unconditional, scale);
        for (code, soft) in soft.iter().enumerate() {
            let context = unconditional[code] - perturbed[code];
            let expected = cfg[code] + (scale - 1.0) * context;
            prop_assert!((soft - expected).abs() <= 1e-3, "{soft} {expected}");
        }
    }

    #[test]
    fn deltas_are_bounded_by_the_triangle((conditional, unconditional, perturbed) in branches()) {
        let found = deltas(&conditional, &unconditional, &perturbed);
        prop_assert!((-1.0..=1.0).contains(&found.cosine));
        // Δ + Δctx = z_c - z_ũ, whose square follows from both norms and the cosine.
        let sum = f64::from(deltas(&conditional, &perturbed, &perturbed).delta);
        let [a, b, cosine] = [found.delta, found.delta_context, found.cosine].map(f64::from);
        let square = a * a + b * b + 2.0 * a * b * cosine;
        prop_assert!((sum * sum - square).abs() <= 1e-5 * (a * a + b * b) + 1e-6);
    }

    #[test]
    fn probabilities_entropies_and_confidences_are_bounded(
        logits in vec(prop_oneof![-1e4f32..=1e4, Just(1e4f32), Just(-1e4f32), Just(0.0f32)], 1..200),
        temperature in 0.01f32..10.0,
        token in 0usize..200,
    ) {
        let entropy = normalized_entropy(&logits);
        prop_assert!((0.0..=1.0).contains(&entropy), "{entropy}");
        let probabilities = softmax(&logits);
        let sum: f64 = probabilities.iter().copied().map(f64::from).sum();
        prop_assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        let token = token % logits.len();
        let inputs = ConfidenceInputs {
            conditional: &logits, unconditional: &logits, guided: &logits, token, temperature,
        };
        for &definition in Confidence::VARIANTS {
            let found = confidence(definition, &inputs);
            prop_assert!((0.0..=1.0).contains(&found), "{definition}: {found}");
        }
    }

    #[test]
    fn filters_keep_a_head_of_the_distribution(logits in tied_logits(), sampling in samplings()) {
        let found = filtered_probabilities(&logits, &sampling);
        let exact = |kept: &dyn Fn(usize) -> bool| -> Vec<f64> {
            let max = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
            let temperature = f64::from(sampling.temperature);
            let share = |&logit: &f32| ((f64::from(logit) - max) / temperature).exp();
            let shares: Vec<f64> = logits.iter().enumerate()
                .map(|(code, logit)| if kept(code) { share(logit) } else { 0.0 }).collect();
            let sum: f64 = shares.iter().sum();
            shares.into_iter().map(|share| share / sum).collect()
        };
        // Top-k by definition: not below the k-th largest, ties included.
        let mut sorted = logits.clone();
        sorted.sort_by(|first, second| second.total_cmp(first));
        let k = sampling.top_k.unwrap_or(usize::MAX).min(logits.len());
        let in_top_k = exact(&|code| logits[code] >= sorted[k - 1]);

        let kept: Vec<usize> = (0..logits.len()).filter(|&code| found[code] > 0.0).collect();
        prop_assert!(!kept.is_empty());
        let rank = |code: usize| (std::cmp::Reverse(ordered(logits[code])), code);
        let last = kept.iter().copied().max_by_key(|&code| rank(code)).unwrap_or_default();
        // Nothing dropped comes before something kept, unless it underflowed.
        for (code, &probability) in found.iter().enumerate() {
            prop_assert!(probability > 0.0 || rank(code) > rank(last));
        }
        let mass: f64 = kept.iter().map(|&code| in_top_k[code]).sum();
        let p = f64::from(sampling.top_p);
        if sampling.top_p < 1.0 {
            prop_assert!(mass - in_top_k[last] <= p + 1e-9, "the last one was not needed");
            let complete = (0..logits.len()).all(|code| in_top_k[code] == 0.0 || found[code] > 0.0);
            prop_assert!(mass > p - 1e-9 || complete, "too few kept");
        } else {
            prop_assert!((mass - 1.0).abs() < 1e-9);
        }
        let expected = exact(&|code| found[code] > 0.0);
        prop_assert!(found.iter().zip(&expected).all(|(&a, b)| (f64::from(a) - b).abs() < 1e-6));
    }

    /// A draw is one of the tokens that the filters leave, and depends on nothing drawn before.
    #[test]
    fn sampler_takes_what_the_filters_leave(
        logits in tied_logits(), sampling in samplings(), step in 0usize..5000,
    ) {
        let probabilities = filtered_probabilities(&logits, &sampling);
        let drawn = Sampler::new(sampling).sample(&logits, step);
        let drawn = drawn.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(drawn.probability > 0.0);
        prop_assert_eq!(drawn.probability, probabilities[drawn.token as usize]);
        let mut used = Sampler::new(sampling);
        prop_assert!(used.sample(&[1.0, 2.0, 3.0], 3).is_ok());
        prop_assert_eq!(used.sample(&logits, step), Ok(drawn));
    }

    #[test]
    fn logits_that_are_not_finite_are_named(
        mut logits in vec(-5.0f32..5.0, 1..50), place in any::<prop::sample::Index>(), step in 0usize..99,
        wrong in prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY)],
    ) {
        let (code, total) = (place.index(logits.len()), logits.len());
        logits[code] = wrong;
        prop_assert_eq!(
            Sampler::new(PLAIN).sample(&logits, step),
            Err(SamplingError::NonFiniteLogits { step, count: 1, total, code })
        );
    }
}

/// A float's order as an integer, zeros of both signs alike.
fn ordered(value: f32) -> i32 {
    let bits = (value + 0.0).to_bits().cast_signed();
    if bits < 0 { i32::MIN.wrapping_sub(bits) } else { bits }
}

#[test]
fn entropy_at_the_extremes() {
    for size in [2usize, 3, 96, 64_000] {
        for level in [-1e4f32, 0.0, 1e4] {
            let equal = normalized_entropy(&vec![level; size]);
            assert!((equal - 1.0).abs() < 1e-6 && equal <= 1.0, "{equal}");
        }
        let mut one_hot = vec![-1e4f32; size];
        one_hot[size / 2] = 1e4;
        assert_eq!(normalized_entropy(&one_hot), 0.0);
    }
    assert_eq!(normalized_entropy(&[1e4]), 0.0);
    assert_eq!(normalized_entropy(&[]), 0.0);
}

#[test]
fn empty_logits_are_an_error() {
    assert_eq!(Sampler::new(PLAIN).sample(&[], 4), Err(SamplingError::NoLogits { step: 4 }));
}

#[test]
fn a_tiny_temperature_or_top_1_takes_the_largest_logit() {
    let logits: Vec<f32> = (0..1000).map(|code| ((code * 7919) % 1000) as f32 / 100.0).collect();
    let largest = logits.iter().position(|&logit| logit == 9.99);
    for sampling in [
        Sampling { temperature: 1e-6, ..PLAIN },
        Sampling { top_k: Some(1), ..PLAIN },
        Sampling { top_p: 1e-6, ..PLAIN },
    ] {
        let mut sampler = Sampler::new(sampling);
        for step in 0..50 {
            let drawn = sampler.sample(&logits, step).expect("finite logits");
            assert_eq!((Some(drawn.token as usize), drawn.probability), (largest, 1.0));
        }
    }
}

/// The first draws of three samplers, computed by an independent program in Python from Philox4x32-10 and
/// the Gumbel-max rule; no two of its scores are closer than 1e-6.
#[test]
fn draws_are_those_of_an_independent_program() {
    let logits: Vec<f32> = (0..24).map(|code| ((code * 37) % 24) as f32 * 0.17).collect();
    let filtered = Sampling { temperature: 1.3, top_k: Some(5), top_p: 1.0, seed: 3 };
    for (sampling, expected) in [
        (
            PLAIN,
            [
                10, 12, 20, 11, 10, 7, 1, 10, 23, 3, 20, 22, 9, 11, 12, 14, 3, 22, 11, 5, 22, 20,
                20, 5,
            ],
        ),
        (
            Sampling { temperature: 0.7, seed: 1 << 40, ..PLAIN },
            [
                22, 6, 11, 9, 11, 9, 11, 11, 22, 20, 7, 22, 18, 1, 16, 11, 22, 20, 9, 11, 18, 14,
                23, 20,
            ],
        ),
        (
            filtered,
            [22, 9, 11, 11, 9, 20, 20, 9, 11, 7, 11, 11, 7, 7, 7, 11, 7, 9, 20, 22, 11, 20, 7, 20],
        ),
    ] {
        let mut sampler = Sampler::new(sampling);
        let tokens =
            (0..24).map(|step| sampler.sample(&logits, step).expect("finite logits").token);
        assert_eq!(tokens.collect::<Vec<u32>>(), expected, "{sampling:?}");
    }
}

/// Frequencies over many steps match the filtered probabilities within five standard deviations (the
/// draws are fixed by the seed, so this cannot fail by chance later).
#[test]
fn frequencies_match_the_probabilities() {
    let logits: Vec<f32> = (0..24).map(|code| ((code * 37) % 24) as f32 * 0.17).collect();
    let draws = 40_000usize;
    for sampling in [
        PLAIN,
        Sampling { temperature: 0.7, seed: 1 << 40, ..PLAIN },
        Sampling { temperature: 1.3, top_k: Some(9), top_p: 0.8, seed: 3 },
    ] {
        let mut counts = vec![0usize; logits.len()];
        let mut sampler = Sampler::new(sampling);
        for step in 0..draws {
            counts[sampler.sample(&logits, step).expect("finite logits").token as usize] += 1;
        }
        let probabilities = filtered_probabilities(&logits, &sampling);
        for (code, (&count, &probability)) in counts.iter().zip(&probabilities).enumerate() {
            let (probability, draws) = (f64::from(probability), draws as f64);
            let deviation = (draws * probability * (1.0 - probability)).sqrt();
            let difference = (count as f64 - draws * probability).abs();
            assert!(difference <= 5.0 * deviation, "code {code} of {sampling:?}: {count}");
        }
    }
}

/// Lanes whose logits barely differ draw the same token nearly always: they meet the same noise.
#[test]
fn lanes_with_one_seed_share_their_noise() {
    let size = 500;
    let first: Vec<f32> = (0..size).map(|code| ((code * 37) % 100) as f32 * 0.03).collect();
    let second: Vec<f32> = first.iter().map(|logit| logit + 5.0 + 0.002 * logit).collect();
    let same = |seeds: [u64; 2]| {
        let [mut one, mut other] = seeds.map(|seed| Sampler::new(Sampling { seed, ..PLAIN }));
        (0..2000)
            .filter(|&step| {
                let one = one.sample(&first, step).expect("finite logits");
                one.token == other.sample(&second, step).expect("finite logits").token
            })
            .count()
    };
    assert!(same([7, 7]) > 1950, "{}", same([7, 7]));
    assert!(same([7, 8]) < 100, "{}", same([7, 8]));
}
