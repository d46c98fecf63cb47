//! LlamaGen's decoder, class- and text-conditional, against runs of the authors' program and of an
//! independent SoftCFG in f64, on miniatures with random weights.

mod cache_contents;
mod golden_folder;
mod golden_models_class;
mod test_device;

use candle_core::{DType, Device, Tensor};
use golden_folder::{Others, assert_kind, folders_with};
use golden_models_class::arithmetic::*;
use golden_models_class::replay::{Branch, Observed, Replay, check_rows, class_prefixes};
use golden_models_class::{Comparison, Expected, json, weights};
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
    assert_kind(!cases.is_empty(), &format!("llamagen with {model_type}"));
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
        let mut cond = case.expected.required("cfg.cond", 1e-4);
        let mut uncond = case.expected.required("cfg.uncond", 1e-4);
        let mut both = case.expected.comparison("cfg.guided", 2e-4);
        let mut interrupted = case.expected.optional("cfg.guided_interval", 2e-4);
        for sample in 0..case.samples() {
            let (conditional, null) = case.prefixes(sample);
            let mut replay =
                Replay::new(&case.decoder, vec![conditional, null], &case.tokens(sample));
            for step in 0..replay.steps() {
                let logits = replay.step(step, &[Branch::clean(0), Branch::clean(1)]);
                let at = [sample, step];
                cond.at(&at, &logits[0]);
                uncond.at(&at, &logits[1]);
                both.at(&at, &guided(&logits[0], &logits[1], scale));
                let on = interval < 0 || (step as i64) <= interval + 1;
                let used = if on { scale } else { 1.0 };
                interrupted.at(&at, &guided(&logits[0], &logits[1], used));
            }
        }
        [cond, uncond, both, interrupted].into_iter().for_each(Comparison::finish);
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
    let of = |tensor: &str| format!("soft.{name}.{tensor}");
    let recorded = case.expected.find(&of("uncond")).is_some();
    assert_kind(recorded, &of("uncond"));
    if !recorded {
        return;
    }
    let (gamma, power) = (case.test("soft_gamma"), case.test("soft_k"));
    let epsilon = case.test("soft_eps");
    let compare = |tensor: &str, tolerance| case.expected.comparison(tensor, tolerance);
    let mut cond = compare("soft.cond", 1e-4);
    let mut plain = compare("soft.uncond_plain", 1e-4);
    let mut pert = compare(&of("uncond"), 1e-4);
    let mut both = compare(&of("guided"), 3e-4);
    let mut scales = compare("soft.scale", 1e-12);
    let mut maxima = compare("soft.p_max", 1e-5);
    let mut what = compare("soft.sn.what", 1e-5);
    let mut entropies = ["soft.ent.cond".into(), "soft.ent.uncond_plain".into(), of("ent.uncond")]
        .map(|tensor: String| compare(&tensor, 1e-5));
    let mut guided_entropies = ["ent.guided", "ent.guided_const"].map(|t| compare(&of(t), 3e-5));
    for sample in 0..case.samples() {
        let (conditional, null) = case.prefixes(sample);
        let prefixes = vec![conditional, null.clone(), null];
        let mut replay = Replay::new(&case.decoder, prefixes, &case.tokens(sample));
        let mut history = Vec::new();
        for step in 0..replay.steps() {
            let at = [sample, step];
            let weights = paper_weights(&history, step_norm, epsilon);
            if step_norm {
                let mut columns = weights.clone();
                columns.resize(what.width(2), 1.0);
                what.at(&at, &columns);
            }
            let weights: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
            let weights = Some((weights.as_slice(), Perturb::Value));
            let branches =
                [Branch::clean(0), Branch::clean(2), Branch { cache: 1, append: true, weights }];
            let logits = replay.step(step, &branches);
            for (comparison, logits) in [&mut cond, &mut plain, &mut pert].into_iter().zip(&logits)
            {
                comparison.at(&at, logits);
            }
            let scale = cosine_scale(gamma, power, step, replay.steps());
            scales.at(&[step], &[scale]);
            let with_guidance = guided(&logits[0], &logits[2], scale);
            both.at(&at, &with_guidance);
            let maximum = max_probability(&logits[0]);
            maxima.at(&at, &[maximum]);
            history.push(maximum);
            for (comparison, logits) in entropies.iter_mut().zip(&logits) {
                comparison.at(&at, &[normalized_entropy(logits)]);
            }
            let constant = guided(&logits[0], &logits[2], gamma);
            for (comparison, logits) in guided_entropies.iter_mut().zip([with_guidance, constant]) {
                comparison.at(&at, &[normalized_entropy(&logits)]);
            }
        }
    }
    [cond, plain, pert, both, scales, maxima].into_iter().for_each(Comparison::finish);
    entropies.into_iter().chain(guided_entropies).for_each(Comparison::finish);
    if step_norm {
        what.finish();
    }
}

#[test]
fn hidden_states_and_rotated_keys_are_those_of_the_program() {
    let mut checked = 0;
    for case in all_cases() {
        if case.expected.find("debug.hidden").is_none() {
            continue;
        }
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
                hidden.at(&[layer, position], values);
            }
        }
        hidden.finish();
        let cache = &replay.caches[0];
        let mut keys = case.expected.comparison("debug.k0_rot", 1e-5);
        for head in 0..cache.kv_heads() {
            for (position, key) in
                cache_contents::keys(cache, 0, head).chunks(cache.head_dim()).enumerate()
            {
                keys.at(&[position, head], key);
            }
        }
        keys.finish();
    }
    assert_kind(checked > 0, "llamagen with hidden states");
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
            comparison.at(&[position], &pairs);
        }
        comparison.finish();
    }
    assert_kind(checked > 0, "llamagen with a rotary table");
}

/// The whole null caption `[cls_token_num, dim]`: the unconditional prefix of the longest caption.
fn null_caption(case: &Case) -> Tensor {
    let width = case.config.caption_dim.unwrap();
    let longest =
        Tensor::zeros((case.config.cls_token_num, width), DType::F32, &Device::Cpu).unwrap();
    match case.decoder.caption_prefixes(&longest).unwrap().unconditional {
        Prefix::Embeddings(null) => null,
        _ => panic!("captions are embeddings"),
    }
}

#[test]
fn captions_are_projected_and_the_null_caption_is_masked_like_the_caption() {
    for case in cases("t2i") {
        let mut projected = case.expected.comparison("cond_embeddings", 1e-5);
        let mut null_rows = case.expected.comparison("null_embeddings", 1e-5);
        let null = null_caption(&case).unsqueeze(0).unwrap();
        case.expected.comparison("null_embeddings", 1e-5).whole(&null);
        for sample in 0..case.samples() {
            let caption = case.caption(sample);
            let (valid, width) = caption.dims2().unwrap();
            if let Some(right) = case.expected.find("caption_embs_right") {
                let rows: Vec<f32> = caption.flatten_all().unwrap().to_vec1().unwrap();
                let mut moved = case.expected.comparison("caption_embs_right", 0.0);
                let right = &right.at(&[sample])[..valid * width];
                moved.row(&format!("sample {sample}"), &rows, right);
                moved.finish();
            }
            let (Prefix::Embeddings(cond), Prefix::Embeddings(uncond)) = case.prefixes(sample)
            else {
                panic!("captions are embeddings")
            };
            assert_eq!(cond.dims(), uncond.dims());
            let last = |prefix: &Tensor| prefix.get(valid - 1).unwrap().to_vec1::<f32>().unwrap();
            let total = case.config.cls_token_num;
            projected.at(&[sample, total - 1], &last(&cond));
            null_rows.at(&[0, total - 1], &last(&uncond));
        }
        projected.finish();
        null_rows.finish();
    }
}

/// The original without left padding: valid rows stand in front, and the first logits come from the
/// last row, a padding row that sees the valid rows and itself. Later tokens do not see it.
#[test]
fn right_padded_captions_give_the_recorded_logits() {
    for case in cases("t2i") {
        let mut cond = case.expected.comparison("rightpad.cond", 1e-4);
        let mut uncond = case.expected.comparison("rightpad.uncond", 1e-4);
        let null = null_caption(&case);
        let (total, dim) = null.dims2().unwrap();
        for sample in 0..case.samples() {
            let prefixes = case.decoder.caption_prefixes(&case.caption(sample)).unwrap();
            let Prefix::Embeddings(projected) = prefixes.conditional else {
                panic!("captions are embeddings")
            };
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
                cond.at(&[sample, step], &logits[0]);
                uncond.at(&[sample, step], &logits[1]);
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

#[test]
fn cases_of_others_may_record_less() {
    Others::with(&["llamagen/c2i_tiny"])
        .keep(
            "llamagen/c2i_tiny/expected.safetensors",
            &["class_ids", "tokens", "cfg.cond", "cfg.uncond"],
        )
        .check("cases_of_others_may_record_less");
}
