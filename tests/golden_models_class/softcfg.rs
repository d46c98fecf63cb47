//! The recorded runs of the released programs and of the paper's algorithm for AliTok and RAR.

use super::arithmetic::*;
use super::replay::{Branch, Replay, class_prefixes};
use super::{Expected, folders_with, json, root};
use serde::Deserialize;
use serde_json::Value;
use softcfg_studio::guidance::Perturb;
use softcfg_studio::models::decoder::Decoder;
use std::path::{Path, PathBuf};

/// `case.json` of a released program's run.
#[derive(Debug, Deserialize)]
pub struct ReleasedCase {
    pub model: String,
    pub class_id: u32,
    guidance_scale: f64,
    guidance_scale_pow: f64,
    temperature: f64,
    softcfg_strength: f64,
    step_norm: bool,
    /// RAR's cases say whether the weights were used; AliTok's always use them.
    #[serde(default = "applied")]
    perturbation_applied: bool,
}

fn applied() -> bool {
    true
}

impl ReleasedCase {
    /// Whether the unconditional branch is perturbed.
    pub fn perturbed(&self) -> bool {
        self.perturbation_applied && self.softcfg_strength > 0.0
    }
}

/// Which program's confidence and exponent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Program {
    /// Confidence of the sampled token, exponent `softcfg_strength`.
    Alitok,
    /// Largest probability, no exponent.
    Rar,
}

/// Cases of a released program below `root/family`.
pub fn released_cases(family: &str) -> Vec<(PathBuf, ReleasedCase, Expected)> {
    let cases = folders_with(family, "case.json");
    let read = |folder: PathBuf| {
        let case = json(&folder.join("case.json"));
        let expected = Expected::read(&folder);
        (folder, case, expected)
    };
    cases.into_iter().map(read).collect()
}

/// Replays a run and compares everything recorded at every step. `after_step` sees each step with the
/// weights (one per image token) that its attention used, and the caches after it: conditional, then
/// unconditional.
pub fn check_released(
    decoder: &dyn Decoder,
    program: Program,
    case: &ReleasedCase,
    expected: &Expected,
    after_step: &mut dyn FnMut(usize, &[f32], &Replay<'_>),
) {
    let tokens = expected.get("tokens").ids();
    let steps = tokens.len();
    let (cond, uncond) = class_prefixes(decoder, case.class_id);
    let mut replay = Replay::new(decoder, vec![cond, uncond], &tokens);
    let prefix = replay.caches[0].prefix_len();
    let mut recorded: Vec<f64> = Vec::new();
    let mut cond_logits = expected.comparison("cond_logits", 3e-4);
    let mut uncond_logits = expected.comparison("uncond_logits", 5e-4);
    let mut guided_logits = expected.comparison("guided_logits", 5e-3);
    let mut scales = expected.comparison("cfg_scale", 1e-5);
    let mut sampled = expected.comparison("sampled_prob", 2e-5);
    let mut maxima = expected.comparison("max_prob_cond", 2e-5);
    let mut used = expected.comparison("confidence_used", 2e-5);
    let mut effective = expected.comparison("eff_weight", 5e-5);
    let rows = weight_rows(expected, "eff_weight", "eff_weight_rows");
    for step in 0..steps {
        let place = format!("step {step}");
        let strength = if program == Program::Rar { 1.0 } else { case.softcfg_strength };
        let weights = if case.perturbed() {
            released_weights(&recorded, case.step_norm, strength)
        } else {
            vec![1.0; step]
        };
        if let Some(row) = rows.iter().find(|(at, _)| *at == step) {
            let mut columns = vec![1.0; row.1.len()];
            for (index, weight) in weights.iter().enumerate() {
                columns[prefix + index] = *weight;
            }
            effective.row(&place, &columns, row.1);
        }
        let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
        let perturbed = case.perturbed().then_some((weights.as_slice(), Perturb::Value));
        let branches = [Branch::clean(0), Branch { cache: 1, append: true, weights: perturbed }];
        let logits = replay.step(step, &branches);
        let (cond, uncond) = (&logits[0], &logits[1]);
        let constant = case.guidance_scale_pow == 0.0;
        let scale = if constant {
            case.guidance_scale
        } else {
            cosine_scale(case.guidance_scale, case.guidance_scale_pow, step, steps)
        };
        cond_logits.row(&place, cond, expected.get("cond_logits").at(&[step]));
        uncond_logits.row(&place, uncond, expected.get("uncond_logits").at(&[step]));
        let both = guided(cond, uncond, scale);
        guided_logits.row(&place, &both, expected.get("guided_logits").at(&[step]));
        scales.row(&place, &[scale], expected.get("cfg_scale").at(&[step]));
        let probabilities = softmax(cond, case.temperature);
        let probability = probabilities[tokens[step] as usize];
        let maximum = probabilities.iter().copied().fold(0.0, f64::max);
        sampled.row(&place, &[probability], expected.get("sampled_prob").at(&[step]));
        maxima.row(&place, &[maximum], expected.get("max_prob_cond").at(&[step]));
        let confidence = if program == Program::Alitok { probability } else { maximum };
        if let Some(array) = expected.find("confidence_used").filter(|_| case.perturbed()) {
            let forced = if step == 0 { 0.0 } else { confidence };
            used.row(&place, &[forced], array.at(&[step]));
        }
        recorded.push(confidence);
        after_step(step, &weights, &replay);
    }
    for comparison in [cond_logits, uncond_logits, guided_logits, scales, sampled, maxima] {
        comparison.finish();
    }
    if case.perturbed() {
        used.finish();
        effective.finish();
    }
}

/// Rows of a matrix that some cases record whole and others at `weight_steps`.
fn weight_rows<'a>(expected: &'a Expected, whole: &str, sparse: &str) -> Vec<(usize, &'a [f64])> {
    if let Some(matrix) = expected.find(whole) {
        return (0..matrix.shape[0]).map(|row| (row, matrix.at(&[row]))).collect();
    }
    let Some(matrix) = expected.find(sparse) else { return Vec::new() };
    let steps = expected.get("weight_steps").indices();
    steps.into_iter().enumerate().map(|(row, step)| (step, matrix.at(&[row]))).collect()
}

/// `case.json` of a run of the paper's algorithm.
#[derive(Debug, Deserialize)]
pub struct PaperCase {
    model: String,
    class_id: u32,
    gamma: f64,
    k: f64,
    perturb: String,
    confidence: String,
    step_norm: bool,
    eps: f64,
}

/// Cases of the paper's algorithm whose model is of this `model_type`, with the model's folder.
pub fn paper_cases(model_type: &str) -> Vec<(PathBuf, PaperCase, Expected)> {
    let cases: Vec<_> = folders_with("paper", "case.json")
        .into_iter()
        .filter_map(|folder| {
            let case: PaperCase = json(&folder.join("case.json"));
            let model = folder.join(&case.model);
            let config: Value = json(&model.join("config.json"));
            (config["model_type"] == model_type).then(|| (model, case, Expected::read(&folder)))
        })
        .collect();
    assert!(!cases.is_empty(), "{} holds no case of {model_type}", root().join("paper").display());
    cases
}

/// Checks both cache rules that the program has; `three_branch_ownkv` is not one of them.
pub fn check_paper(decoder: &dyn Decoder, case: &PaperCase, expected: &Expected) {
    for variant in ["two_pass", "three_branch"] {
        check_paper_variant(decoder, case, expected, variant);
    }
}

fn check_paper_variant(
    decoder: &dyn Decoder,
    case: &PaperCase,
    expected: &Expected,
    variant: &str,
) {
    let name = |tensor: &str| format!("{variant}.{tensor}");
    let on = match case.perturb.as_str() {
        "V" => Perturb::Value,
        "K" => Perturb::Key,
        "K+V" | "KV" => Perturb::KeyValue,
        other => panic!("unknown perturbation {other}"),
    };
    let about_guided = case.confidence == "guided_max";
    let weight_tolerance = if about_guided { 1e-4 } else { 5e-5 };
    let compare = |tensor: &str, tolerance| expected.comparison(tensor, tolerance);
    let mut z_cond = compare("z_cond", 3e-4);
    let mut z_uncond = compare("z_uncond", 3e-4);
    let mut z_pert = compare(&name("z_pert"), 3e-4);
    let mut z_softcfg = compare(&name("z_softcfg"), 5e-3);
    let mut scales = compare("gamma_t", 1e-9);
    let mut confidences = compare(&name("confidence"), weight_tolerance);
    let mut weight_rows = compare("w_hat_rows", weight_tolerance);
    let mut entropies = compare("entropies", 5e-5);
    let mut guided_entropies = compare(&name("entropy_guided"), 1e-4);
    let mut norms = compare("norms", 2e-3);

    let tokens = expected.get("tokens").ids();
    let logit_steps = expected.get("logit_steps").indices();
    let weight_steps = expected.get("w_steps").indices();
    let recorded_weights =
        expected.find(&name("w_hat_rows")).unwrap_or_else(|| expected.get("w_hat_rows"));
    let softcfg = expected.find(&name("z_softcfg"));
    let softcfg_steps = softcfg.map(|array| match expected.find("sub_steps") {
        Some(sub_steps) if array.shape[0] != logit_steps.len() => sub_steps.indices(),
        _ => logit_steps.clone(),
    });

    let (cond, uncond) = class_prefixes(decoder, case.class_id);
    // Conditional, the cache the perturbed branch reads, and for two passes a clean one to compare.
    let mut replay = Replay::new(decoder, vec![cond, uncond.clone(), uncond], &tokens);
    let mut history: Vec<f64> = Vec::new();
    for step in 0..tokens.len() {
        let place = format!("step {step}");
        let weights = paper_weights(&history, case.step_norm, case.eps);
        if let Some(row) = weight_steps.iter().position(|&at| at == step) {
            let recorded = recorded_weights.at(&[row]);
            let mut columns = weights.clone();
            columns.resize(recorded.len(), 1.0);
            weight_rows.row(&place, &columns, recorded);
        }
        let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
        let weights = Some((weights.as_slice(), on));
        let branches = if variant == "two_pass" {
            [Branch::clean(0), Branch::clean(2), Branch { cache: 1, append: true, weights }]
        } else {
            [Branch::clean(0), Branch::clean(1), Branch { cache: 1, append: false, weights }]
        };
        let logits = replay.step(step, &branches);
        let [cond, uncond, pert] = logits.as_slice() else { panic!("three rows") };
        let scale = cosine_scale(case.gamma, case.k, step, tokens.len());
        let both = guided(cond, pert, scale);
        if let Some(row) = logit_steps.iter().position(|&at| at == step) {
            z_cond.row(&place, cond, expected.get("z_cond").at(&[row]));
            z_uncond.row(&place, uncond, expected.get("z_uncond").at(&[row]));
            z_pert.row(&place, pert, expected.get(&name("z_pert")).at(&[row]));
        }
        if let (Some(array), Some(steps)) = (softcfg, &softcfg_steps)
            && let Some(row) = steps.iter().position(|&at| at == step)
        {
            z_softcfg.row(&place, &both, array.at(&[row]));
        }
        let confidence = match case.confidence.as_str() {
            "cond_max" => max_probability(cond),
            "uncond_max" => max_probability(if variant == "two_pass" { pert } else { uncond }),
            "guided_max" => max_probability(&both),
            "cond_sampled" => softmax(cond, 1.0)[tokens[step] as usize],
            "one_minus_entropy" => 1.0 - normalized_entropy(cond),
            other => panic!("unknown confidence {other}"),
        };
        history.push(confidence);
        let recorded = |tensor: &str| expected.get(tensor).at(&[step]);
        scales.row(&place, &[scale - 1.0], recorded("gamma_t"));
        confidences.row(&place, &[confidence], recorded(&name("confidence")));
        entropies.row(&place, &[normalized_entropy(cond)], recorded("entropy_cond"));
        entropies.row(&place, &[normalized_entropy(uncond)], recorded("entropy_uncond"));
        entropies.row(&place, &[normalized_entropy(pert)], recorded(&name("entropy_pert")));
        let entropy = normalized_entropy(&both);
        guided_entropies.row(&place, &[entropy], recorded(&name("entropy_guided")));
        norms.row(&place, &[distance(cond, uncond)], recorded("norm_delta"));
        norms.row(&place, &[distance(uncond, pert)], recorded(&name("norm_dctx")));
    }
    for comparison in [z_cond, z_uncond, z_pert, scales, confidences, weight_rows] {
        comparison.finish();
    }
    for comparison in [entropies, guided_entropies, norms] {
        comparison.finish();
    }
    if softcfg.is_some() {
        z_softcfg.finish();
    }
}

/// The model folder of a released case.
pub fn model_folder(folder: &Path, case: &ReleasedCase) -> PathBuf {
    folder.join(&case.model)
}

/// Compares the caches after step 20. The recorded unconditional values are scaled in place; ours are raw.
pub fn check_caches(expected: &Expected, replay: &Replay<'_>, weights: &[f32]) {
    let recorded = expected.get("dbg_k_cache_step20");
    let (layers, heads) = (recorded.shape[0], recorded.shape[2]);
    let mut keys = expected.comparison("dbg_k_cache_step20", 3e-4);
    let mut values = expected.comparison("dbg_v_cache_step20", 3e-4);
    for branch in 0..2 {
        let cache = &replay.caches[branch];
        for (layer, head) in (0..layers).flat_map(|l| (0..heads).map(move |h| (l, h))) {
            let place = format!("layer {layer} branch {branch} head {head}");
            keys.row(&place, &cache.keys(layer, head), recorded.at(&[layer, branch, head]));
            let mut scaled = cache.values(layer, head).to_vec();
            if branch == 1 {
                let images = scaled.chunks_mut(cache.head_dim()).skip(cache.prefix_len());
                images.zip(weights).for_each(|(value, w)| value.iter_mut().for_each(|v| *v *= w));
            }
            let recorded = expected.get("dbg_v_cache_step20").at(&[layer, branch, head]);
            values.row(&place, &scaled, recorded);
        }
    }
    keys.finish();
    values.finish();
}
