//! Cases of LlamaGen: guidance with its interval, the filters' final probabilities, SoftCFG records.

use crate::golden_folder::assert_kind;
use crate::golden_support::{Case, Golden, cases};
use crate::{PROBABILITY_TOLERANCE, SCALE_TOLERANCE, WEIGHT_TOLERANCE};
use crate::{guided, weight_row, weights_at};
use softcfg_studio::guidance::entropy::normalized_entropy;
use softcfg_studio::guidance::schedule::{ScaleRule, guidance_scale_at};
use softcfg_studio::guidance::weights::{STEP_NORM_EPSILON, WeightRule};
use softcfg_studio::sampling::{Sampling, filtered_probabilities};

/// The class- and text-conditional models of the folder; tokenizers and encoders have no settings of a test.
fn llamagen_cases() -> Vec<Case> {
    let mut found = cases("llamagen", "config.json", "expected.safetensors");
    found.retain(|case| case.parameters.get("test").is_some());
    assert_kind(!found.is_empty(), "llamagen with runs of its decoders");
    found
}

#[test]
fn llamagen_softcfg_records() {
    for case in llamagen_cases() {
        assert_eq!(case.number("/test/soft_eps"), STEP_NORM_EPSILON, "{}: ε", case.name);
        let steps = case.count("/test/soft_T");
        let gamma = case.number("/test/soft_gamma") as f32;
        let power = case.number("/test/soft_k") as f32;
        if let Some(recorded) = case.tensor("soft.scale") {
            let scales: Vec<f32> =
                (0..steps).map(|step| guidance_scale_at(step, steps, gamma, power)).collect();
            recorded.assert_close(&scales, SCALE_TOLERANCE);
        }
        if let (Some(recorded), Some(p_max)) =
            (case.tensor("soft.sn.what"), case.tensor("soft.p_max"))
        {
            check_llamagen_weights(&recorded, &p_max, steps);
        }
        if let Some(plain) = case.tensor("soft.uncond_plain") {
            check_entropies(&case, "soft.ent.uncond_plain", 1e-5, |row| plain.row_f32(row));
        }
        let Some(conditional) = case.tensor("soft.cond") else { continue };
        check_entropies(&case, "soft.ent.cond", 1e-5, |row| conditional.row_f32(row));
        for rule in ["sn", "nosn"] {
            let name = |what: &str| format!("soft.{rule}.{what}");
            let Some(perturbed) = case.tensor(&name("uncond")) else { continue };
            let at = |row: usize, power: f32| {
                let scale = guidance_scale_at(row % steps, steps, gamma, power);
                guided(&conditional.row_f32(row), &perturbed.row_f32(row), scale)
            };
            if let Some(recorded) = case.tensor(&name("guided")) {
                for row in 0..recorded.rows() {
                    recorded.assert_row_close(row, &at(row, power), 3e-4);
                }
            }
            check_entropies(&case, &name("ent.uncond"), 1e-5, |row| perturbed.row_f32(row));
            check_entropies(&case, &name("ent.guided"), 3e-5, |row| at(row, power));
            // A cosine power of 0 keeps the scale constant.
            check_entropies(&case, &name("ent.guided_const"), 3e-5, |row| at(row, 0.0));
        }
    }
}

fn check_llamagen_weights(recorded: &Golden, p_max: &Golden, steps: usize) {
    assert_eq!(recorded.rows(), p_max.values.len(), "{}", recorded.label);
    for row in 0..recorded.rows() {
        let confidences = p_max.row_f32(row / steps);
        let perturbed = vec![true; steps];
        let rule = WeightRule::Paper { step_norm: true };
        let weights = weights_at(rule, &confidences, &perturbed, row % steps);
        let found = weight_row(0, &weights, recorded.width());
        recorded.assert_row_close(row, &found, WEIGHT_TOLERANCE);
    }
}

fn check_entropies(case: &Case, name: &str, tolerance: f64, logits: impl Fn(usize) -> Vec<f32>) {
    let Some(recorded) = case.tensor(name) else { return };
    let found: Vec<f32> =
        (0..recorded.values.len()).map(|row| normalized_entropy(&logits(row))).collect();
    recorded.assert_close(&found, tolerance);
}

#[test]
fn llamagen_guidance_and_filters() {
    let mut filters = 0;
    for case in llamagen_cases() {
        let scale = case.number("/test/cfg_scale") as f32;
        let (conditional, unconditional) = (case.tensor("cfg.cond"), case.tensor("cfg.uncond"));
        let plain = case.tensor("cfg.guided");
        if let (Some(conditional), Some(unconditional)) = (conditional, unconditional) {
            let interrupted = case.optional("cfg.guided_interval");
            let steps = conditional.shape[1];
            for row in 0..conditional.rows() {
                let guided_by =
                    |scale| guided(&conditional.row_f32(row), &unconditional.row_f32(row), scale);
                if let Some(plain) = &plain {
                    plain.assert_row_close(row, &guided_by(scale), 2e-4);
                }
                if let Some(interrupted) = &interrupted {
                    let interval = Some(case.count("/test/cfg_interval"));
                    let rule = ScaleRule::ConstantUntil { interval };
                    let scale = rule.scale_at(row % steps, steps, scale, 1.4);
                    interrupted.assert_row_close(row, &guided_by(scale), 2e-4);
                }
            }
        }
        let Some(plain) = plain else { continue };
        for name in case.tensor_names() {
            if let Some(filter) = name.strip_prefix("probs.") {
                check_filter(&case, filter, &plain);
                filters += 1;
            }
        }
    }
    assert_kind(filters > 0, "llamagen with filtered probabilities");
}

fn check_filter(case: &Case, name: &str, logits: &Golden) {
    // The names hold dots, not slashes, so they fit a JSON pointer.
    let setting = |what: &str| format!("/test/filters/{name}/{what}");
    let sampling = Sampling {
        temperature: case.number(&setting("temperature")) as f32,
        top_k: Some(case.count(&setting("top_k"))).filter(|&k| k > 0),
        top_p: case.number(&setting("top_p")) as f32,
        seed: 0,
    };
    let recorded = case.required(&format!("probs.{name}"));
    for row in 0..recorded.rows() {
        let found = filtered_probabilities(&logits.row_f32(row), &sampling);
        recorded.assert_row_close(row, &found, PROBABILITY_TOLERANCE);
        for (code, (&expected, &found)) in recorded.row(row).iter().zip(&found).enumerate() {
            let dropped = (expected == 0.0, found == 0.0);
            assert_eq!(dropped.0, dropped.1, "{} row {row} code {code}: dropped", recorded.label);
        }
    }
}
