//! The recorded runs of the released programs and of the paper's algorithm for AliTok and RAR.

use super::super::cache_contents;
use super::super::golden_folder::{assert_kind, folders_with};
use super::arithmetic::*;
use super::replay::{Branch, Replay, class_prefixes};
use super::{Array, Comparison, Expected, json};
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
    let mut history: Vec<f64> = Vec::new();
    let mut cond_logits = expected.required("cond_logits", 3e-4);
    let mut uncond_logits = expected.required("uncond_logits", 5e-4);
    let mut guided_logits = expected.comparison("guided_logits", 5e-3);
    let mut scales = expected.comparison("cfg_scale", 1e-5);
    let mut sampled = expected.comparison("sampled_prob", 2e-5);
    let mut maxima = expected.comparison("max_prob_cond", 2e-5);
    let mut used = expected.optional("confidence_used", 2e-5);
    let (mut effective, weight_steps) = effective_weights(expected);
    for step in 0..steps {
        let strength = if program == Program::Rar { 1.0 } else { case.softcfg_strength };
        let weights = if case.perturbed() {
            released_weights(&history, case.step_norm, strength)
        } else {
            vec![1.0; step]
        };
        if let Some(row) = weight_steps.iter().position(|&at| at == step) {
            let mut columns = vec![1.0; effective.width(1)];
            columns[prefix..prefix + weights.len()].copy_from_slice(&weights);
            effective.at(&[row], &columns);
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
        cond_logits.at(&[step], cond);
        uncond_logits.at(&[step], uncond);
        guided_logits.at(&[step], &guided(cond, uncond, scale));
        scales.at(&[step], &[scale]);
        let probabilities = softmax(cond, case.temperature);
        let probability = probabilities[tokens[step] as usize];
        let maximum = probabilities.iter().copied().fold(0.0, f64::max);
        sampled.at(&[step], &[probability]);
        maxima.at(&[step], &[maximum]);
        let confidence = if program == Program::Alitok { probability } else { maximum };
        if case.perturbed() {
            let forced = if step == 0 { 0.0 } else { confidence };
            used.at(&[step], &[forced]);
        }
        history.push(confidence);
        after_step(step, &weights, &replay);
    }
    for comparison in [cond_logits, uncond_logits, guided_logits, scales, sampled, maxima] {
        comparison.finish();
    }
    if case.perturbed() {
        assert_kind(used.is_recorded() && effective.is_recorded(), "weights that were used");
        used.finish();
        effective.finish();
    }
}

/// The weights of a run, which some cases record at every step and others at `weight_steps`, with the
/// steps of the rows.
fn effective_weights(expected: &Expected) -> (Comparison<'_>, Vec<usize>) {
    let compare = |name: &str| expected.optional(name, 5e-5);
    let Some(whole) = expected.find("eff_weight") else {
        let steps = expected.find("weight_steps").map(Array::indices).unwrap_or_default();
        return (compare("eff_weight_rows"), steps);
    };
    (compare("eff_weight"), (0..whole.shape[0]).collect())
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
    assert_kind(!cases.is_empty(), &format!("the paper's algorithm with {model_type}"));
    cases
}

/// Checks both cache rules that the program has, as far as they are recorded; `three_branch_ownkv` is
/// not one of them.
pub fn check_paper(decoder: &dyn Decoder, case: &PaperCase, expected: &Expected) {
    let recorded = |variant: &&str| expected.find(&format!("{variant}.z_pert")).is_some();
    let variants: Vec<&str> = ["two_pass", "three_branch"].into_iter().filter(recorded).collect();
    assert!(!variants.is_empty(), "a case of the paper without perturbed logits");
    assert_kind(variants.len() == 2, "both cache rules");
    for variant in variants {
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
    let mut z_cond = expected.required("z_cond", 3e-4);
    let mut z_uncond = compare("z_uncond", 3e-4);
    let mut z_pert = expected.required(&name("z_pert"), 3e-4);
    let mut z_softcfg = expected.optional(&name("z_softcfg"), 5e-3);
    let mut scales = compare("gamma_t", 1e-9);
    let mut confidences = compare(&name("confidence"), weight_tolerance);
    let own_weights = name("w_hat_rows");
    let has_own_weights = expected.find(&own_weights).is_some();
    let weight_name = if has_own_weights { own_weights.as_str() } else { "w_hat_rows" };
    let mut weight_rows = compare(weight_name, weight_tolerance);
    let mut entropies = ["entropy_cond".into(), "entropy_uncond".into(), name("entropy_pert")]
        .map(|name: String| compare(&name, 5e-5));
    let mut guided_entropies = compare(&name("entropy_guided"), 1e-4);
    let mut norms =
        ["norm_delta".into(), name("norm_dctx")].map(|name: String| compare(&name, 2e-3));

    let tokens = expected.get("tokens").ids();
    let steps_of = |tensor: &str| expected.find(tensor).map(Array::indices).unwrap_or_default();
    let logit_steps = expected.get("logit_steps").indices();
    let weight_steps = steps_of("w_steps");
    let softcfg_steps = match expected.find(&name("z_softcfg")) {
        Some(array) if array.shape[0] != logit_steps.len() => steps_of("sub_steps"),
        Some(_) => logit_steps.clone(),
        None => Vec::new(),
    };

    let (cond, uncond) = class_prefixes(decoder, case.class_id);
    // Conditional, the cache the perturbed branch reads, and for two passes a clean one to compare.
    let mut replay = Replay::new(decoder, vec![cond, uncond.clone(), uncond], &tokens);
    let mut history: Vec<f64> = Vec::new();
    for step in 0..tokens.len() {
        let weights = paper_weights(&history, case.step_norm, case.eps);
        if let Some(row) = weight_steps.iter().position(|&at| at == step) {
            let mut columns = weights.clone();
            columns.resize(weight_rows.width(1), 1.0);
            weight_rows.at(&[row], &columns);
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
            z_cond.at(&[row], cond);
            z_uncond.at(&[row], uncond);
            z_pert.at(&[row], pert);
        }
        if let Some(row) = softcfg_steps.iter().position(|&at| at == step) {
            z_softcfg.at(&[row], &both);
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
        scales.at(&[step], &[scale - 1.0]);
        confidences.at(&[step], &[confidence]);
        for (comparison, logits) in entropies.iter_mut().zip([cond, uncond, pert]) {
            comparison.at(&[step], &[normalized_entropy(logits)]);
        }
        guided_entropies.at(&[step], &[normalized_entropy(&both)]);
        for (comparison, (first, second)) in norms.iter_mut().zip([(cond, uncond), (uncond, pert)])
        {
            comparison.at(&[step], &[distance(first, second)]);
        }
    }
    for comparison in [z_cond, z_uncond, z_pert, z_softcfg, scales, confidences, weight_rows] {
        comparison.finish();
    }
    entropies.into_iter().chain(norms).chain([guided_entropies]).for_each(Comparison::finish);
}

/// The model folder of a released case.
pub fn model_folder(folder: &Path, case: &ReleasedCase) -> PathBuf {
    folder.join(&case.model)
}

/// Compares the caches after step 20. The recorded unconditional values are scaled in place; ours are raw.
pub fn check_caches(expected: &Expected, replay: &Replay<'_>, weights: &[f32]) {
    let mut keys = expected.optional("dbg_k_cache_step20", 3e-4);
    let mut values = expected.optional("dbg_v_cache_step20", 3e-4);
    for branch in 0..2 {
        let cache = &replay.caches[branch];
        let heads = (0..cache.layers()).flat_map(|l| (0..cache.kv_heads()).map(move |h| (l, h)));
        for (layer, head) in heads {
            keys.at(&[layer, branch, head], &cache_contents::keys(cache, layer, head));
            let mut scaled = cache_contents::values(cache, layer, head);
            if branch == 1 {
                let images = scaled.chunks_mut(cache.head_dim()).skip(cache.prefix_len());
                images.zip(weights).for_each(|(value, w)| value.iter_mut().for_each(|v| *v *= w));
            }
            values.at(&[layer, branch, head], &scaled);
        }
    }
    keys.finish();
    values.finish();
}
