//! Cases of the text-to-image models: confidences, weights with forced row ends, guided logits.

use crate::golden_support::{Case, Golden, cases};
use crate::{WEIGHT_TOLERANCE, guided, weight_row, weights_at};
use softcfg_studio::guidance::Confidence;
use softcfg_studio::guidance::confidence::{ConfidenceInputs, confidence};
use softcfg_studio::guidance::weights::{STEP_NORM_EPSILON, WeightRule};

/// Text-to-image cases: `perturbed[i]` tells image tokens from forced row ends; `codes` is the range
/// of logits that p_max runs over.
fn check_text_to_image(
    case: &Case,
    perturbed: &[bool],
    codes: std::ops::Range<usize>,
) -> Option<()> {
    assert_eq!(case.number("step_norm_eps"), STEP_NORM_EPSILON, "{}: ε", case.name);
    let conditional = case.tensor("logits_cond")?;
    let scale = case.number("cfg_scale") as f32;
    for mode in ["cfg", "softnorm"] {
        let guided_logits = case.tensor(&format!("{mode}.guided"));
        let unconditional = case.tensor(&format!("{mode}.logits_uncond"));
        let (Some(recorded), Some(unconditional)) = (guided_logits, unconditional) else {
            continue;
        };
        for step in 0..recorded.rows() {
            let found = guided(&conditional.row_f32(step), &unconditional.row_f32(step), scale);
            recorded.assert_row_close(step, &found, 1e-3);
        }
    }
    let recorded = case.tensor("p_max")?;
    for step in (0..conditional.rows()).filter(|&step| perturbed[step]) {
        let logits = conditional.row_f32(step);
        let inputs = ConfidenceInputs {
            conditional: &logits[codes.clone()],
            unconditional: &[],
            guided: &[],
            token: 0,
            temperature: 1.0,
        };
        let found = confidence(Confidence::ConditionalMax, &inputs);
        recorded.assert_at_close(step, found, 1e-5);
    }
    let confidences = recorded.to_f32();
    check_weights(case.tensor("soft.weights"), false, &confidences, perturbed);
    check_weights(case.tensor("softnorm.weights"), true, &confidences, perturbed);
    let all = vec![true; perturbed.len()];
    check_weights(case.optional("soft_newline.weights"), false, &confidences, &all);
    check_weights(case.optional("softnorm_newline.weights"), true, &confidences, &all);
    Some(())
}

fn check_weights(
    recorded: Option<Golden>,
    step_norm: bool,
    confidences: &[f32],
    perturbed: &[bool],
) {
    let Some(recorded) = recorded else { return };
    assert_eq!(recorded.rows(), confidences.len(), "{}", recorded.label);
    for step in 0..recorded.rows() {
        let weights = weights_at(WeightRule::Paper { step_norm }, confidences, perturbed, step);
        let found = weight_row(0, &weights, recorded.width());
        recorded.assert_row_close(step, &found, WEIGHT_TOLERANCE);
    }
}

#[test]
fn simplear_weights_and_guided_logits() {
    for case in cases("simplear", "case.json", "golden.safetensors") {
        let logits = case.required("logits_cond");
        let perturbed = vec![true; logits.rows()];
        // The repository's rule: over the whole vocabulary, text included.
        check_text_to_image(&case, &perturbed, 0..logits.width());
    }
}

#[test]
fn lumina_weights_and_guided_logits_leave_row_ends_alone() {
    for case in cases("lumina", "case.json", "golden.safetensors") {
        let perturbed: Vec<bool> =
            case.required("is_image_token").values.iter().map(|&flag| flag != 0.0).collect();
        let offset = case.count("image_token_offset");
        check_text_to_image(&case, &perturbed, offset..offset + case.count("codebook_size"));
    }
}
