//! The guidance arithmetic and the filters against the recorded numbers of the original programs and
//! of an independent float64 implementation of the paper. No model runs: recorded logits and
//! confidences go in. Tolerances are those of float32 code, or tighter where the
//! check is arithmetic on recorded inputs.

#[path = "../golden_folder/mod.rs"]
mod golden_folder;
#[path = "../golden_support/mod.rs"]
mod golden_support;
mod llamagen;
mod paper;
mod released_code;
mod text_to_image;

use golden_folder::Others;
use softcfg_studio::guidance::combination::linear::combine;
use softcfg_studio::guidance::weights::{WeightRule, perturbation_weights};

/// Weights computed in double precision from recorded confidences: far tighter than the 5e-5 that a
/// whole float32 model needs, so that a wrong ε shows.
const WEIGHT_TOLERANCE: f64 = 1e-6;
const SCALE_TOLERANCE: f64 = 1e-5;
const PROBABILITY_TOLERANCE: f64 = 2e-5;
const GUIDED_TOLERANCE: f64 = 5e-3;

/// Weights of the `step` tokens fed at a step.
fn weights_at(rule: WeightRule, confidences: &[f32], perturbed: &[bool], step: usize) -> Vec<f32> {
    let mut weights = Vec::new();
    perturbation_weights(rule, &confidences[..step], &perturbed[..step], &mut weights);
    weights
}

/// A row of recorded weights: `prefix` ones, the tokens fed, ones for what is not yet there.
fn weight_row(prefix: usize, weights: &[f32], width: usize) -> Vec<f32> {
    let mut row = vec![1.0; prefix];
    row.extend_from_slice(weights);
    row.resize(width, 1.0);
    row
}

fn guided(conditional: &[f32], unconditional: &[f32], scale: f32) -> Vec<f32> {
    let mut guided = Vec::new();
    combine(conditional, unconditional, scale, &mut guided);
    guided
}

#[test]
fn cases_of_others_may_record_less() {
    Others::with(&["paper/alitok_v_condmax_nonorm", "rar/softcfg_active_nonorm", "lumina/tiny"])
        .keep("paper/alitok_v_condmax_nonorm/expected.safetensors", &["tokens", "z_cond"])
        .keep("rar/softcfg_active_nonorm/expected.safetensors", &["tokens", "cond_logits"])
        .keep("lumina/tiny/golden.safetensors", &["is_image_token", "logits_cond"])
        .check("cases_of_others_may_record_less");
}
