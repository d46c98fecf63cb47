//! Cases of the paper's algorithm (Eq. 3-13) in all cache variants, recorded in double precision.

use crate::golden_support::{Case, Golden, cases};
use crate::{GUIDED_TOLERANCE, SCALE_TOLERANCE, WEIGHT_TOLERANCE};
use crate::{guided, weight_row, weights_at};
use softcfg_studio::guidance::Confidence;
use softcfg_studio::guidance::confidence::{ConfidenceInputs, confidence};
use softcfg_studio::guidance::delta::{deltas, distance};
use softcfg_studio::guidance::entropy::normalized_entropy;
use softcfg_studio::guidance::schedule::guidance_scale_at;
use softcfg_studio::guidance::weights::{STEP_NORM_EPSILON, WeightRule};

const ENTROPY_TOLERANCE: f64 = 5e-5;
const GUIDED_ENTROPY_TOLERANCE: f64 = 1e-4;
const NORM_TOLERANCE: f64 = 2e-3;

const PAPER_VARIANTS: [&str; 3] = ["two_pass", "three_branch", "three_branch_ownkv"];

fn paper_rule(case: &Case) -> WeightRule {
    let epsilon = case.number("eps");
    assert_eq!(epsilon, STEP_NORM_EPSILON, "{}: ε of another algorithm", case.name);
    WeightRule::Paper { step_norm: case.flag("step_norm") }
}

fn paper_definition(case: &Case) -> Confidence {
    match case.text("confidence") {
        "cond_max" => Confidence::ConditionalMax,
        "uncond_max" => Confidence::UnconditionalMax,
        "guided_max" => Confidence::GuidedMax,
        "cond_sampled" => Confidence::SampledProbability,
        "one_minus_entropy" => Confidence::OneMinusEntropy,
        name => panic!("{}: unknown confidence {name}", case.name),
    }
}

fn paper_scale(case: &Case, step: usize) -> f32 {
    let steps = case.count("num_steps");
    guidance_scale_at(step, steps, case.number("gamma") as f32, case.number("k") as f32)
}

/// Which steps the rows of a tensor are: those of `logit_steps`, or the fewer of `sub_steps`.
fn steps_of_rows(case: &Case, tensor: &Golden) -> Vec<usize> {
    ["logit_steps", "sub_steps"]
        .into_iter()
        .filter_map(|name| Some(case.optional(name)?.to_indices()))
        .find(|steps| steps.len() == tensor.rows())
        .unwrap_or_else(|| panic!("{}: no list of steps fits its rows", tensor.label))
}

#[test]
fn paper_weights_follow_from_the_recorded_confidences() {
    for case in cases("paper", "case.json", "expected.safetensors") {
        for variant in PAPER_VARIANTS {
            check_paper_weights(&case, variant);
        }
    }
}

fn check_paper_weights(case: &Case, variant: &str) -> Option<()> {
    let rule = paper_rule(case);
    let steps = case.tensor("w_steps")?.to_indices();
    let own = case.optional(&format!("{variant}.w_hat_rows"));
    let recorded = own.or_else(|| case.tensor("w_hat_rows"))?;
    assert_eq!(recorded.rows(), steps.len(), "{}", recorded.label);
    let confidences = case.tensor(&format!("{variant}.confidence"))?.to_f32();
    let perturbed = vec![true; confidences.len()];
    for (row, &step) in steps.iter().enumerate() {
        let weights = weights_at(rule, &confidences, &perturbed, step);
        let found = weight_row(0, &weights, recorded.width());
        recorded.assert_row_close(row, &found, WEIGHT_TOLERANCE);
    }
    Some(())
}

#[test]
fn paper_schedule_entropies_and_norms_follow_from_the_recorded_logits() {
    for case in cases("paper", "case.json", "expected.safetensors") {
        if let Some(gamma) = case.tensor("gamma_t") {
            for step in 0..case.count("num_steps") {
                gamma.assert_at_close(step, paper_scale(&case, step) - 1.0, SCALE_TOLERANCE);
            }
        }
        let (conditional, unconditional) = (case.tensor("z_cond"), case.tensor("z_uncond"));
        let entropies = [("entropy_cond", &conditional), ("entropy_uncond", &unconditional)];
        for (name, logits) in entropies {
            let (Some(recorded), Some(logits)) = (case.tensor(name), logits) else { continue };
            for (row, step) in steps_of_rows(&case, logits).into_iter().enumerate() {
                let found = normalized_entropy(&logits.row_f32(row));
                recorded.assert_at_close(step, found, ENTROPY_TOLERANCE);
            }
        }
        for variant in PAPER_VARIANTS {
            if let (Some(conditional), Some(unconditional)) = (&conditional, &unconditional) {
                check_paper_variant(&case, variant, conditional, unconditional);
            }
        }
    }
}

fn check_paper_variant(
    case: &Case,
    variant: &str,
    conditional: &Golden,
    unconditional: &Golden,
) -> Option<()> {
    let name = |name: &str| format!("{variant}.{name}");
    let tensor = |tensor: &str| case.tensor(&name(tensor));
    let perturbed = tensor("z_pert")?;
    let clean_steps = steps_of_rows(case, conditional);
    let (entropies, guided_entropies) = (tensor("entropy_pert"), tensor("entropy_guided"));
    let (norms, context_norms) = (case.tensor("norm_delta"), tensor("norm_dctx"));
    let (confidences, definition) = (tensor("confidence"), paper_definition(case));
    let tokens = case.tensor("tokens")?.to_indices();
    for (row, step) in steps_of_rows(case, &perturbed).into_iter().enumerate() {
        let clean_row = clean_steps
            .iter()
            .position(|&clean| clean == step)
            .unwrap_or_else(|| panic!("{}: no clean logits at step {step}", case.name));
        let conditional = conditional.row_f32(clean_row);
        let unconditional = unconditional.row_f32(clean_row);
        let perturbed = perturbed.row_f32(row);
        let guided = guided(&conditional, &perturbed, paper_scale(case, step));
        let compare = |recorded: &Option<Golden>, found: f32, tolerance: f64| {
            recorded.iter().for_each(|recorded| recorded.assert_at_close(step, found, tolerance));
        };

        compare(&entropies, normalized_entropy(&perturbed), ENTROPY_TOLERANCE);
        compare(&guided_entropies, normalized_entropy(&guided), GUIDED_ENTROPY_TOLERANCE);
        let found = deltas(&conditional, &unconditional, &perturbed);
        compare(&norms, found.delta, NORM_TOLERANCE);
        compare(&norms, distance(&conditional, &unconditional), NORM_TOLERANCE);
        compare(&context_norms, found.delta_context, NORM_TOLERANCE);
        // The unconditional branch that owns the cache.
        let owner = if variant == "two_pass" { &perturbed } else { &unconditional };
        let inputs = ConfidenceInputs {
            conditional: &conditional,
            unconditional: owner,
            guided: &guided,
            token: tokens[step],
            temperature: case.number("temperature") as f32,
        };
        compare(&confidences, confidence(definition, &inputs), GUIDED_ENTROPY_TOLERANCE);
    }
    for suffix in ["z_softcfg", "z_softcfg_f64"] {
        if let Some(softcfg) = case.optional(&name(suffix)) {
            check_softcfg(case, &softcfg, &perturbed, conditional, unconditional);
        }
    }
    Some(())
}

/// Guided logits by Eq. 6, and Eq. 7 on the recorded branches.
fn check_softcfg(
    case: &Case,
    softcfg: &Golden,
    perturbed: &Golden,
    conditional: &Golden,
    unconditional: &Golden,
) {
    let row_at = |tensor: &Golden, step: usize| {
        let steps = steps_of_rows(case, tensor);
        let row = steps.iter().position(|&other| other == step);
        tensor.row_f32(row.unwrap_or_else(|| panic!("{}: no step {step}", tensor.label)))
    };
    for (row, step) in steps_of_rows(case, softcfg).into_iter().enumerate() {
        let scale = paper_scale(case, step);
        let (conditional, unconditional) = (row_at(conditional, step), row_at(unconditional, step));
        let perturbed = row_at(perturbed, step);
        softcfg.assert_row_close(row, &guided(&conditional, &perturbed, scale), GUIDED_TOLERANCE);
        let by_equation_7: Vec<f32> = guided(&conditional, &unconditional, scale)
            .iter()
            .zip(unconditional.iter().zip(&perturbed))
            .map(|(cfg, (clean, perturbed))| cfg + (scale - 1.0) * (clean - perturbed))
            .collect();
        softcfg.assert_row_close(row, &by_equation_7, GUIDED_TOLERANCE);
    }
}
