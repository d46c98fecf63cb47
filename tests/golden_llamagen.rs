//! LlamaGen's decoder, class- and text-conditional, against runs of the authors' program and of an
//! independent SoftCFG in f64, on miniatures with random weights (tests/golden/README-llamagen.md).

mod golden_models_class;
mod test_device;

use candle_core::Tensor;
use golden_models_class::arithmetic::*;
use golden_models_class::replay::{Branch, Observed, Replay, check_rows, class_prefixes};
use golden_models_class::{Comparison, Expected, folders_with, json, weights};
use serde_json::Value;
use softcfg_studio::compute::error::ModelError;
use softcfg_studio::compute::rows::Prefix;
use softcfg_studio::guidance::Perturb;
use softcfg_studio::models::decoder::Decoder;
use softcfg_studio::models::llamagen::config::LlamagenConfig;
use softcfg_studio::models::llamagen::decoder::{CaptionEncoder, LlamagenDecoder};
use softcfg_studio::prompts::condition::Condition;
use std::path::PathBuf;
use std::sync::Arc;

struct Case {
    json: Value,
    config: LlamagenConfig,
    decoder: LlamagenDecoder,
    expected: Expected,
}

/// Cases of a `model_type` below `llamagen`.
fn cases(model_type: &str) -> Vec<Case> {
    let cases: Vec<Case> = folders_with("llamagen", "config.json")
        .into_iter()
        .filter_map(|folder| {
            let text: Value = json(&folder.join("config.json"));
            (text["model_type"] == model_type).then(|| read(folder, text))
        })
        .collect();
    assert!(!cases.is_empty(), "no case of {model_type}");
    cases
}

fn read(folder: PathBuf, json: Value) -> Case {
    let (weights, shapes) = weights(&folder);
    let config: LlamagenConfig = serde_json::from_value(json.clone()).unwrap();
    let decoder = LlamagenDecoder::load(&weights, config.clone()).unwrap();
    assert_eq!(decoder.info().parameters, shapes.elements(|_| true));
    Case { json, config, decoder, expected: Expected::read(&folder) }
}

impl Case {
    fn test(&self, name: &str) -> f64 {
        self.json["test"][name].as_f64().unwrap_or_else(|| panic!("config.json has no test.{name}"))
    }

    fn samples(&self) -> usize {
        self.expected.get("tokens").shape[0]
    }

    fn tokens(&self, sample: usize) -> Vec<u32> {
        self.expected.get("tokens").at(&[sample]).iter().map(|&id| id as u32).collect()
    }

    /// Valid caption rows of a sample.
    fn caption(&self, sample: usize) -> Tensor {
        let mask = self.expected.get("emb_mask").at(&[sample]);
        let valid = mask.iter().filter(|&&visible| visible == 1.0).count();
        let rows = self.expected.get("c_indices").tensor().get(sample).unwrap();
        rows.narrow(0, rows.dim(0).unwrap() - valid, valid).unwrap()
    }

    fn prefixes(&self, sample: usize) -> (Prefix, Prefix) {
        if self.config.caption_dim.is_none() {
            let class = self.expected.get("class_ids").data[sample] as u32;
            return class_prefixes(&self.decoder, class);
        }
        let prefixes = self.decoder.caption_prefixes(&self.caption(sample)).unwrap();
        (prefixes.conditional, prefixes.unconditional)
    }
}

fn all_cases() -> Vec<Case> {
    let mut all = cases("c2i");
    all.extend(cases("t2i"));
    all
}

#[test]
fn cfg_logits_are_those_of_the_program() {
    for case in all_cases() {
        let scale = case.test("cfg_scale");
        // With interval k, tokens up to k + 1 are guided; -1 and absent mean all.
        let interval = case.json["test"]["cfg_interval"].as_i64().unwrap_or(-1);
        let mut cond = case.expected.comparison("cfg.cond", 1e-4);
        let mut uncond = case.expected.comparison("cfg.uncond", 1e-4);
        let mut both = case.expected.comparison("cfg.guided", 2e-4);
        let mut interrupted = case.expected.comparison("cfg.guided_interval", 2e-4);
        for sample in 0..case.samples() {
            let (conditional, null) = case.prefixes(sample);
            let mut replay =
                Replay::new(&case.decoder, vec![conditional, null], &case.tokens(sample));
            for step in 0..replay.steps() {
                let place = format!("sample {sample} step {step}");
                let logits = replay.step(step, &[Branch::clean(0), Branch::clean(1)]);
                let at = |name: &str| case.expected.get(name).at(&[sample, step]);
                cond.row(&place, &logits[0], at("cfg.cond"));
                uncond.row(&place, &logits[1], at("cfg.uncond"));
                let with_guidance = guided(&logits[0], &logits[1], scale);
                both.row(&place, &with_guidance, at("cfg.guided"));
                if case.expected.find("cfg.guided_interval").is_some() {
                    let on = interval < 0 || (step as i64) <= interval + 1;
                    let used = if on { scale } else { 1.0 };
                    let row = guided(&logits[0], &logits[1], used);
                    interrupted.row(&place, &row, at("cfg.guided_interval"));
                }
            }
        }
        for comparison in [cond, uncond, both] {
            comparison.finish();
        }
        if case.expected.find("cfg.guided_interval").is_some() {
            interrupted.finish();
        }
    }
}

#[test]
fn softcfg_records_are_reproduced_with_and_without_step_norm() {
    for case in all_cases() {
        for (name, step_norm) in [("sn", true), ("nosn", false)] {
            check_soft(&case, name, step_norm);
        }
    }
}

fn check_soft(case: &Case, name: &str, step_norm: bool) {
    let (gamma, power) = (case.test("soft_gamma"), case.test("soft_k"));
    let epsilon = case.test("soft_eps");
    let compare = |tensor: &str, tolerance| case.expected.comparison(tensor, tolerance);
    let of = |tensor: &str| format!("soft.{name}.{tensor}");
    let mut cond = compare("soft.cond", 1e-4);
    let mut plain = compare("soft.uncond_plain", 1e-4);
    let mut pert = compare(&of("uncond"), 1e-4);
    let mut both = compare(&of("guided"), 3e-4);
    let mut scales = compare("soft.scale", 1e-12);
    let mut maxima = compare("soft.p_max", 1e-5);
    let mut what = compare("soft.sn.what", 1e-5);
    let mut entropies = compare(&of("ent"), 1e-5);
    let mut guided_entropies = compare(&of("ent.guided"), 3e-5);
    for sample in 0..case.samples() {
        let (conditional, null) = case.prefixes(sample);
        let prefixes = vec![conditional, null.clone(), null];
        let mut replay = Replay::new(&case.decoder, prefixes, &case.tokens(sample));
        let mut history = Vec::new();
        for step in 0..replay.steps() {
            let place = format!("sample {sample} step {step}");
            let at = |tensor: &str| case.expected.get(tensor).at(&[sample, step]);
            let weights = paper_weights(&history, step_norm, epsilon);
            if step_norm {
                let recorded = at("soft.sn.what");
                let mut columns = weights.clone();
                columns.resize(recorded.len(), 1.0);
                what.row(&place, &columns, recorded);
            }
            let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
            let weights = Some((weights.as_slice(), Perturb::Value));
            let branches =
                [Branch::clean(0), Branch::clean(2), Branch { cache: 1, append: true, weights }];
            let logits = replay.step(step, &branches);
            cond.row(&place, &logits[0], at("soft.cond"));
            plain.row(&place, &logits[1], at("soft.uncond_plain"));
            pert.row(&place, &logits[2], at(&of("uncond")));
            let scale = cosine_scale(gamma, power, step, replay.steps());
            scales.row(&place, &[scale], case.expected.get("soft.scale").at(&[step]));
            let with_guidance = guided(&logits[0], &logits[2], scale);
            both.row(&place, &with_guidance, at(&of("guided")));
            let maximum = max_probability(&logits[0]);
            maxima.row(&place, &[maximum], at("soft.p_max"));
            history.push(maximum);
            let entropy = |comparison: &mut Comparison, logits: f64, tensor: &str| {
                comparison.row(&place, &[logits], at(tensor));
            };
            entropy(&mut entropies, normalized_entropy(&logits[0]), "soft.ent.cond");
            entropy(&mut entropies, normalized_entropy(&logits[1]), "soft.ent.uncond_plain");
            entropy(&mut entropies, normalized_entropy(&logits[2]), &of("ent.uncond"));
            let of_guided = normalized_entropy(&with_guidance);
            entropy(&mut guided_entropies, of_guided, &of("ent.guided"));
            let constant = normalized_entropy(&guided(&logits[0], &logits[2], gamma));
            entropy(&mut guided_entropies, constant, &of("ent.guided_const"));
        }
    }
    for comparison in [cond, plain, pert, both, scales, maxima, entropies, guided_entropies] {
        comparison.finish();
    }
    if step_norm {
        what.finish();
    }
}

#[test]
fn hidden_states_and_rotated_keys_are_those_of_the_program() {
    let mut checked = 0;
    for case in all_cases() {
        let Some(recorded) = case.expected.find("debug.hidden") else { continue };
        checked += 1;
        let observed = Observed::new(&case.decoder, LlamagenDecoder::forward_observed);
        let mut hidden = case.expected.comparison("debug.hidden", 1e-4);
        let (conditional, _) = case.prefixes(0);
        let mut replay = Replay::new(&observed, vec![conditional], &case.tokens(0));
        for step in 0..replay.steps() {
            replay.step(step, &[Branch::clean(0)]);
        }
        for (position, row) in observed.take().iter().enumerate() {
            for (layer, values) in row.iter().skip(1).enumerate() {
                let place = format!("position {position} layer {layer}");
                hidden.row(&place, values, recorded.at(&[layer, position]));
            }
        }
        hidden.finish();
        let cache = &replay.caches[0];
        let recorded = case.expected.get("debug.k0_rot");
        let mut keys = case.expected.comparison("debug.k0_rot", 1e-5);
        for head in 0..cache.kv_heads() {
            for (position, key) in cache.keys(0, head).chunks(cache.head_dim()).enumerate() {
                let place = format!("position {position} head {head}");
                keys.row(&place, key, recorded.at(&[position, head]));
            }
        }
        keys.finish();
    }
    assert!(checked > 0, "no case records hidden states");
}

#[test]
fn rotary_tables_are_zero_on_the_prefix_and_those_of_the_program_after_it() {
    let mut checked = 0;
    for case in all_cases() {
        let Some(recorded) = case.expected.find("rope_table") else { continue };
        checked += 1;
        let table = case.config.rotary();
        let prefix = case.config.cls_token_num;
        let mut comparison = case.expected.comparison("rope_table", 1e-6);
        for position in 0..recorded.shape[0] {
            let (cos, sin) = table.at((position + 1).saturating_sub(prefix));
            let pairs: Vec<f32> = cos.iter().zip(sin).flat_map(|(&c, &s)| [c, s]).collect();
            comparison.row(&format!("position {position}"), &pairs, recorded.at(&[position]));
        }
        comparison.finish();
    }
    assert!(checked > 0, "no case records its rotary table");
}

#[test]
fn captions_are_projected_and_the_null_caption_is_masked_like_the_caption() {
    for case in cases("t2i") {
        let recorded = case.expected.get("cond_embeddings");
        let mut projected = case.expected.comparison("cond_embeddings", 1e-5);
        let null = case.expected.get("null_embeddings");
        let compare = case.expected.comparison("null_embeddings", 1e-5);
        compare.tensor(&case.decoder.null_caption().unwrap().unsqueeze(0).unwrap(), null);
        for sample in 0..case.samples() {
            let right = case.expected.get("caption_embs_right").at(&[sample]);
            let caption = case.caption(sample);
            let (valid, width) = caption.dims2().unwrap();
            let rows: Vec<f32> = caption.flatten_all().unwrap().to_vec1().unwrap();
            let mut moved = case.expected.comparison("caption_embs_right", 0.0);
            moved.row(&format!("sample {sample}"), &rows, &right[..valid * width]);
            moved.finish();
            let (Prefix::Embeddings(cond), Prefix::Embeddings(uncond)) = case.prefixes(sample)
            else {
                panic!("captions are embeddings")
            };
            assert_eq!(cond.dims(), uncond.dims());
            let last = |prefix: &Tensor| prefix.get(valid - 1).unwrap().to_vec1::<f32>().unwrap();
            let total = case.config.cls_token_num;
            projected.row("last row", &last(&cond), recorded.at(&[sample, total - 1]));
            projected.row("last null row", &last(&uncond), null.at(&[0, total - 1]));
        }
        projected.finish();
    }
}

/// The original without left padding: valid rows stand in front, and the first logits come from the
/// last row, a padding row that sees the valid rows and itself. Later tokens do not see it.
#[test]
fn right_padded_captions_give_the_recorded_logits() {
    for case in cases("t2i") {
        let mut cond = case.expected.comparison("rightpad.cond", 1e-4);
        let mut uncond = case.expected.comparison("rightpad.uncond", 1e-4);
        let null = case.decoder.null_caption().unwrap();
        let (total, dim) = null.dims2().unwrap();
        for sample in 0..case.samples() {
            let projected = case.decoder.project_caption(&case.caption(sample)).unwrap();
            let valid = projected.dim(0).unwrap();
            let padding = Tensor::zeros((1, dim), null.dtype(), null.device()).unwrap();
            let null_rows = null.narrow(0, 0, valid).unwrap();
            let last_null = null.narrow(0, total - 1, 1).unwrap();
            let tokens = case.tokens(sample);
            let prefixes = |rows: &[(&Tensor, &Tensor)]| -> Vec<Prefix> {
                let padded = |(valid_rows, last): &(&Tensor, &Tensor)| {
                    let rows =
                        if valid < total { vec![*valid_rows, *last] } else { vec![*valid_rows] };
                    Prefix::Embeddings(Tensor::cat(&rows, 0).unwrap())
                };
                rows.iter().map(padded).collect()
            };
            let branches = [Branch::clean(0), Branch::clean(1)];
            let padded = prefixes(&[(&projected, &padding), (&null_rows, &last_null)]);
            let first = Replay::new(&case.decoder, padded, &tokens).step(0, &branches);
            let short =
                vec![Prefix::Embeddings(projected.clone()), Prefix::Embeddings(null_rows.clone())];
            let mut replay = Replay::new(&case.decoder, short, &tokens);
            for step in 0..tokens.len() {
                let mut logits = replay.step(step, &branches);
                if step == 0 {
                    logits.clone_from(&first);
                }
                let place = format!("sample {sample} step {step}");
                let at = |name: &str| case.expected.get(name).at(&[sample, step]);
                cond.row(&place, &logits[0], at("rightpad.cond"));
                uncond.row(&place, &logits[1], at("rightpad.uncond"));
            }
        }
        cond.finish();
        uncond.finish();
    }
}

#[test]
fn rows_are_independent_and_limits_hold() {
    for case in all_cases() {
        let most = case.config.grid * case.config.grid;
        check_rows(&case.decoder, case.prefixes(0), &case.tokens(0), most);
    }
}

/// Gives every text the caption of one sample, and the text "short" only its first row.
struct FixedCaption(Tensor);

impl CaptionEncoder for FixedCaption {
    fn encode(&self, caption: &str) -> Result<Tensor, ModelError> {
        let rows = if caption == "short" { 1 } else { self.0.dim(0)? };
        Ok(self.0.narrow(0, 0, rows)?)
    }
}

#[test]
fn prompts_go_through_the_caption_encoder() {
    for case in cases("t2i") {
        let caption = case.caption(0);
        let rows = caption.dim(0).unwrap();
        let prompt = |negative: Option<&str>| Condition::Prompt {
            text: "a cat".to_string(),
            negative: negative.map(String::from),
        };
        let message = case.decoder.prefixes(&prompt(None)).unwrap_err().to_string();
        assert!(message.contains("text encoder"), "{message}");
        assert!(case.decoder.prefixes(&Condition::Class(0)).is_err());
        let decoder = case.decoder.with_caption_encoder(Arc::new(FixedCaption(caption)));
        let unconditional = |negative: Option<&str>| match decoder
            .prefixes(&prompt(negative))
            .unwrap()
            .unconditional
        {
            Prefix::Embeddings(tensor) => tensor.dim(0).unwrap(),
            _ => panic!("captions are embeddings"),
        };
        assert_eq!(unconditional(None), rows);
        assert_eq!(unconditional(Some("short")), 1);
    }
}
