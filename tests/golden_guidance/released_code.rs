//! Cases of the authors' released code: schedule, guided logits, confidences, and effective weights by
//! their closed form.

use crate::golden_folder::assert_kind;
use crate::golden_support::{Case, Golden, cases};
use crate::{GUIDED_TOLERANCE, PROBABILITY_TOLERANCE, SCALE_TOLERANCE};
use crate::{guided, weight_row, weights_at};
use softcfg_studio::guidance::Confidence;
use softcfg_studio::guidance::confidence::{ConfidenceInputs, confidence};
use softcfg_studio::guidance::schedule::ScaleRule;
use softcfg_studio::guidance::weights::{ReleasedCode, WeightRule};

/// The programs' own float32 products drift by 7e-6.
const RELEASED_WEIGHT_TOLERANCE: f64 = 5e-5;

/// Which program a released-code folder comes from; they differ in the confidence and the exponent.
#[derive(Clone, Copy, PartialEq)]
enum Program {
    AliTok,
    Rar,
}

fn released_constants(program: Program, case: &Case) -> ReleasedCode {
    match program {
        Program::AliTok => ReleasedCode {
            strength: case.number("softcfg_strength") as f32,
            ..ReleasedCode::default()
        },
        // This fork only asks whether its strength is above 0.
        Program::Rar => ReleasedCode::default(),
    }
}

fn perturbation_applied(case: &Case) -> bool {
    if case.parameter("perturbation_applied").is_some() {
        case.flag("perturbation_applied")
    } else {
        match case.text("mode") {
            "softcfg" => true,
            "cfg" => false,
            mode => panic!("{}: unknown mode {mode}", case.name),
        }
    }
}

/// The recorded effective weights: whole, or the rows at `weight_steps`.
fn effective_weights(case: &Case) -> Option<(Golden, Vec<usize>)> {
    if let Some(weights) = case.optional("eff_weight") {
        let steps = (0..weights.rows()).collect();
        return Some((weights, steps));
    }
    Some((case.optional("eff_weight_rows")?, case.tensor("weight_steps")?.to_indices()))
}

fn check_released_weights(program: Program, case: &Case) -> Option<()> {
    let applied = perturbation_applied(case);
    let recorded = effective_weights(case);
    assert_kind(!applied || recorded.is_some(), &format!("weights of {}", case.name));
    let (recorded, rows) = recorded?;
    let rule = WeightRule::ReleasedCode {
        step_norm: case.flag("step_norm"),
        constants: released_constants(program, case),
    };
    let confidences = case.tensor("confidence_used")?.to_f32();
    let steps = case.count("num_steps");
    // One column for every token but the last, which is never fed.
    let prefix = recorded.width() + 1 - steps;
    for (row, &step) in rows.iter().enumerate() {
        let perturbed = vec![applied; steps];
        let weights = weights_at(rule, &confidences, &perturbed, step);
        let found = weight_row(prefix, &weights, recorded.width());
        recorded.assert_row_close(row, &found, RELEASED_WEIGHT_TOLERANCE);
    }
    Some(())
}

fn check_released_logits(program: Program, case: &Case) -> Option<()> {
    let (conditional, unconditional) = (case.tensor("cond_logits")?, case.tensor("uncond_logits")?);
    let (guided_logits, scales) = (case.tensor("guided_logits"), case.tensor("cfg_scale"));
    let (sampled, largest) = (case.tensor("sampled_prob"), case.tensor("max_prob_cond"));
    let used = case.optional("confidence_used").filter(|_| perturbation_applied(case));
    let tokens = case.tensor("tokens")?.to_indices();
    let steps = case.count("num_steps");
    assert_eq!(conditional.rows(), steps, "{}: steps", case.name);
    for (step, &token) in tokens.iter().enumerate() {
        let compare = |recorded: &Option<Golden>, found: f32, tolerance: f64| {
            recorded.iter().for_each(|recorded| recorded.assert_at_close(step, found, tolerance));
        };
        let scale = ScaleRule::ProgramCosine.scale_at(
            step,
            steps,
            case.number("guidance_scale") as f32,
            case.number("guidance_scale_pow") as f32,
        );
        compare(&scales, scale, SCALE_TOLERANCE);
        let (conditional, unconditional) = (conditional.row_f32(step), unconditional.row_f32(step));
        let found = guided(&conditional, &unconditional, scale);
        if let Some(guided_logits) = &guided_logits {
            guided_logits.assert_row_close(step, &found, GUIDED_TOLERANCE);
        }
        let inputs = ConfidenceInputs {
            conditional: &conditional,
            unconditional: &unconditional,
            guided: &found,
            token,
            temperature: case.number("temperature") as f32,
        };
        let probability = confidence(Confidence::SampledProbability, &inputs);
        compare(&sampled, probability, PROBABILITY_TOLERANCE);
        let max = confidence(Confidence::ConditionalMax, &inputs);
        compare(&largest, max, PROBABILITY_TOLERANCE);
        // The first confidence is overwritten with 0 by the programs.
        if step > 0 {
            let confidence = if program == Program::AliTok { probability } else { max };
            compare(&used, confidence, PROBABILITY_TOLERANCE);
        }
    }
    Some(())
}

#[test]
fn released_code_of_alitok_follows_the_closed_form() {
    for case in cases("alitok", "case.json", "expected.safetensors") {
        check_released_weights(Program::AliTok, &case);
        check_released_logits(Program::AliTok, &case);
    }
}

#[test]
fn released_code_of_rar_follows_the_closed_form() {
    for case in cases("rar", "case.json", "expected.safetensors") {
        check_released_weights(Program::Rar, &case);
        check_released_logits(Program::Rar, &case);
    }
}
