//! Shared by the golden tests of the prompt families: finding cases, reading tensors, comparing, and
//! decoding forced tokens under every mode at once.
#![allow(dead_code, reason = "each test binary uses its own part")]

use super::cache_contents;
use super::golden_folder::assert_kind;
use super::test_device::assert_same;
use safetensors::tensor::{Dtype, SafeTensors};
use softcfg_studio::checkpoint::Container;
use softcfg_studio::checkpoint::shapes::TensorShapes;
use softcfg_studio::compute::kv_cache::KvCache;
use softcfg_studio::compute::rows::{Perturbation, Prefix, Row, RowInput};
use softcfg_studio::guidance::Perturb;
use softcfg_studio::models::decoder::{Decoder, prefill};
use softcfg_studio::prompts::condition::Prefixes;
use softcfg_studio::tokenizers::layers::feature_map::FeatureMap;
use std::collections::HashMap;
use std::path::Path;

/// Shapes of all tensors of a file.
pub fn shapes(file: &Container) -> TensorShapes {
    file.entries().iter().map(|entry| (entry.name.clone(), entry.shape.clone())).collect()
}

/// A JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

/// A size in a JSON object.
pub fn size(value: &serde_json::Value, name: &str) -> usize {
    value[name].as_u64().unwrap_or_else(|| panic!("no size {name}")) as usize
}

/// Tensors of a safetensors file, widened to f64.
pub struct Golden {
    tensors: HashMap<String, (Vec<usize>, Vec<f64>)>,
}

impl Golden {
    /// Reads a file.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file
            .iter()
            .map(|(name, view)| {
                (name.to_owned(), (view.shape().to_vec(), widen(view.dtype(), view.data())))
            })
            .collect();
        Self { tensors }
    }

    /// Whether a tensor is recorded.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Whether a tensor is recorded that cases of others need not have.
    ///
    /// # Panics
    /// The case is one of the project's own and does not have it.
    pub fn records(&self, name: &str) -> bool {
        assert_kind(self.has(name), name);
        self.has(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        &self.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name}")).0
    }

    pub fn values(&self, name: &str) -> &[f64] {
        &self.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name}")).1
    }

    /// Row `index` of a matrix.
    pub fn row(&self, name: &str, index: usize) -> &[f64] {
        let width = *self.shape(name).last().unwrap();
        &self.values(name)[index * width..(index + 1) * width]
    }

    pub fn ids(&self, name: &str) -> Vec<u32> {
        self.values(name).iter().map(|&x| x as u32).collect()
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.values(name).iter().map(|&x| x as f32).collect()
    }
}

fn widen(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    macro_rules! each {
        ($type:ty, $size:literal) => {
            bytes
                .chunks_exact($size)
                .map(|b| f64::from(<$type>::from_le_bytes(b.try_into().unwrap())))
                .collect()
        };
    }
    match dtype {
        Dtype::F64 => each!(f64, 8),
        Dtype::F32 => each!(f32, 4),
        Dtype::F16 => each!(half::f16, 2),
        Dtype::BF16 => each!(half::bf16, 2),
        Dtype::I32 => each!(i32, 4),
        Dtype::U8 => bytes.iter().map(|&b| f64::from(b)).collect(),
        Dtype::I64 => bytes
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64)
            .collect(),
        other => panic!("golden data of type {other:?}"),
    }
}

/// Asserts that two sequences agree within an absolute tolerance.
pub fn assert_close<X: Into<f64>>(
    label: &str,
    found: impl IntoIterator<Item = X>,
    expected: &[f64],
    tolerance: f64,
) {
    let found: Vec<f64> = found.into_iter().map(Into::into).collect();
    assert_eq!(found.len(), expected.len(), "{label}: length");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs();
        assert!(off <= tolerance, "{label}[{index}]: {found}, expected {expected}, off by {off:e}");
    }
}

/// Largest softmax probability.
pub fn max_softmax(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    1.0 / logits.iter().map(|&x| f64::from(x - max).exp()).sum::<f64>()
}

/// `-Σ p ln p / ln n` of a softmax.
pub fn normalized_entropy(logits: &[f32]) -> f64 {
    let log = log_softmax(logits);
    -log.iter().map(|&l| l * l.exp()).sum::<f64>() / (logits.len() as f64).ln()
}

pub fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum = logits.iter().map(|&x| f64::from(x - max).exp()).sum::<f64>().ln();
    logits.iter().map(|&x| f64::from(x - max) - sum).collect()
}

/// How an unconditional branch is perturbed.
#[derive(Debug, Clone, Copy)]
pub struct Mode {
    /// Name in the golden files.
    pub name: &'static str,
    /// `None` is CFG; else SoftCFG with or without step norm.
    pub step_norm: Option<bool>,
    /// Which of the confidences it uses.
    pub confidence: usize,
    /// Whether forced tokens are perturbed and counted too.
    pub forced_too: bool,
}

impl Mode {
    pub const fn new(name: &'static str, step_norm: Option<bool>) -> Self {
        Self { name, step_norm, confidence: 0, forced_too: false }
    }

    /// Eq. 3 and 9: `1 - p`, or `1 - p / (Σ p + ε)`.
    pub fn weights(&self, confidences: &[f64], forced: &[bool], epsilon: f64) -> Option<Vec<f32>> {
        let step_norm = self.step_norm?;
        let counted = |index: usize| self.forced_too || !forced[index];
        let sum: f64 =
            confidences.iter().enumerate().filter(|(i, _)| counted(*i)).map(|(_, p)| p).sum();
        let weight = |(index, p): (usize, &f64)| match (counted(index), step_norm) {
            (false, _) => 1.0,
            (true, false) => (1.0 - p) as f32,
            (true, true) => (1.0 - p / (sum + epsilon)) as f32,
        };
        Some(confidences.iter().enumerate().map(weight).collect())
    }
}

/// What a decoding of forced tokens gave.
pub struct Forced {
    /// Conditional logits of each step.
    pub conditional: Vec<Vec<f32>>,
    /// Unconditional logits of each mode and step.
    pub unconditional: Vec<Vec<Vec<f32>>>,
    /// Factors used at each step, by mode; empty for CFG.
    pub weights: Vec<Vec<Vec<f32>>>,
    /// Confidences of each step, as many as `confidence` gives.
    pub confidences: Vec<Vec<f64>>,
    /// The unconditional caches after the last step, by mode.
    pub caches: Vec<KvCache>,
}

/// Decodes forced tokens with the conditional branch and the unconditional ones of all modes in one
/// batch. `tokens` are what rows feed; `confidence` maps a step and its conditional logits to one or
/// more confidences.
pub fn decode_forced(
    decoder: &dyn Decoder,
    prefixes: &Prefixes,
    tokens: &[u32],
    forced: &[bool],
    modes: &[Mode],
    epsilon: f64,
    confidence: impl Fn(usize, &[f32]) -> Vec<f64>,
) -> Forced {
    let steps = tokens.len();
    let new_cache = |prefix: &Prefix| decoder.new_cache(prefix.clone(), steps).unwrap();
    let mut caches = vec![new_cache(&prefixes.conditional)];
    caches.extend(modes.iter().map(|_| new_cache(&prefixes.unconditional)));
    let mut out = Forced {
        conditional: Vec::new(),
        unconditional: vec![Vec::new(); modes.len()],
        weights: vec![Vec::new(); modes.len()],
        confidences: Vec::new(),
        caches: Vec::new(),
    };
    for step in 0..steps {
        let weights: Vec<Option<Vec<f32>>> = modes
            .iter()
            .map(|mode| {
                let seen: Vec<f64> = out.confidences.iter().map(|c| c[mode.confidence]).collect();
                mode.weights(&seen, forced, epsilon)
            })
            .collect();
        let logits: Vec<Vec<f32>> = if step == 0 {
            (0..caches.len())
                .map(|cache| prefill(decoder, &mut caches, cache).unwrap().row(0).to_vec())
                .collect()
        } else {
            let none = None;
            let rows: Vec<Row> = std::iter::once(&none)
                .chain(&weights)
                .enumerate()
                .map(|(cache, weights)| Row {
                    cache,
                    input: RowInput::Image { index: step - 1, token: tokens[step - 1] },
                    append: true,
                    perturbation: weights
                        .as_ref()
                        .map(|weights| Perturbation { weights, on: Perturb::Value }),
                    logits: true,
                })
                .collect();
            let logits = decoder.forward(&rows, &mut caches).unwrap();
            (0..rows.len()).map(|row| logits.row(row).to_vec()).collect()
        };
        out.confidences.push(confidence(step, &logits[0]));
        let mut logits = logits.into_iter();
        out.conditional.push(logits.next().unwrap());
        for (mode, (logits, weights)) in logits.zip(weights).enumerate() {
            out.unconditional[mode].push(logits);
            out.weights[mode].push(weights.unwrap_or_default());
        }
    }
    out.caches = caches.split_off(1);
    out
}

/// Tolerances for float32 code.
pub const LOGITS: f64 = 1e-4;
pub const P_MAX: f64 = 1e-5;
pub const GUIDED: f64 = 1e-3;
pub const WEIGHTS: f64 = 1e-5;
pub const CACHES: f64 = 5e-5;

/// Compares a run with everything that `golden` has of it.
pub fn compare(case: &str, run: &Forced, modes: &[Mode], golden: &Golden, scale: f64) {
    let steps = run.conditional.len();
    for step in 0..steps {
        let at = |name: &str| format!("{case} {name} step {step}");
        let conditional = &run.conditional[step];
        let expected = golden.row("logits_cond", step);
        assert_close(&at("logits_cond"), conditional.iter().copied(), expected, LOGITS);
        for (index, mode) in modes.iter().enumerate() {
            let name = format!("{}.logits_uncond", mode.name);
            let unconditional = &run.unconditional[index][step];
            if golden.records(&name) {
                let expected = golden.row(&name, step);
                assert_close(&at(&name), unconditional.iter().copied(), expected, LOGITS);
            }
            let name = format!("{}.guided", mode.name);
            if golden.has(&name) {
                let guided = guide(unconditional, conditional, scale);
                assert_close(&at(&name), guided, golden.row(&name, step), GUIDED);
            }
            let name = format!("{}.weights", mode.name);
            if golden.has(&name) {
                let mut weights = run.weights[index][step].clone();
                assert_eq!(weights.len(), step);
                weights.resize(steps, 1.0);
                assert_close(&at(&name), weights, golden.row(&name, step), WEIGHTS);
            }
        }
    }
    for (mode, cache) in modes.iter().zip(&run.caches) {
        compare_cache(case, mode.name, cache, golden);
    }
}

fn guide(unconditional: &[f32], conditional: &[f32], scale: f64) -> Vec<f64> {
    let pairs = unconditional.iter().zip(conditional);
    pairs.map(|(&u, &c)| f64::from(u) + scale * (f64::from(c) - f64::from(u))).collect()
}

fn compare_cache(case: &str, mode: &str, cache: &KvCache, golden: &Golden) {
    for (kind, layer) in (0..64).flat_map(|layer| [("k", layer), ("v", layer)]) {
        let name = format!("{mode}.cache_{kind}.{layer}");
        if !golden.has(&name) {
            continue;
        }
        let found: Vec<f32> = (0..cache.kv_heads())
            .flat_map(|head| match kind {
                "k" => cache_contents::keys(cache, layer, head),
                _ => cache_contents::values(cache, layer, head),
            })
            .collect();
        assert_close(&format!("{case} {name}"), found, golden.values(&name), CACHES);
    }
}

/// Asserts that a row's numbers are the same alone and beside other rows, and that a prefix in chunks
/// is the same as one token at a time.
pub fn assert_rows_are_independent(decoder: &dyn Decoder, prefixes: &Prefixes, tokens: &[u32]) {
    let both = [&prefixes.conditional, &prefixes.unconditional];
    let new_caches = || -> Vec<KvCache> {
        both.iter().map(|&p| decoder.new_cache(p.clone(), tokens.len()).unwrap()).collect()
    };
    let (mut together, mut alone) = (new_caches(), new_caches());
    for cache in 0..both.len() {
        let chunked = prefill(decoder, &mut together, cache).unwrap();
        let mut single = Default::default();
        for index in 0..alone[cache].prefix_len() {
            let row = Row {
                cache,
                input: RowInput::Prefix(index),
                append: true,
                perturbation: None,
                logits: true,
            };
            single = decoder.forward(&[row], &mut alone).unwrap();
        }
        assert_same(chunked.row(0), single.row(0), "prefix in chunks and one by one");
    }
    for (index, &token) in tokens.iter().enumerate() {
        let weights: Vec<f32> = (0..=index).map(|i| 1.0 / (i + 1) as f32).collect();
        let perturbation = Some(Perturbation { weights: &weights, on: Perturb::Value });
        let row = |cache: usize, append: bool, perturbation| Row {
            cache,
            input: RowInput::Image { index, token },
            append,
            perturbation,
            logits: true,
        };
        let rows = [row(0, true, None), row(1, true, None), row(1, false, perturbation)];
        let batch = decoder.forward(&rows, &mut together).unwrap();
        for (number, row) in rows.into_iter().enumerate() {
            let single = decoder.forward(&[row], &mut alone).unwrap();
            let label = format!("row {number}, token {index}");
            assert_same(batch.row(number), single.row(0), &label);
        }
    }
    for (together, alone) in together.iter().zip(&alone) {
        for head in 0..together.kv_heads() {
            assert_same(
                &cache_contents::keys(together, 1, head),
                &cache_contents::keys(alone, 1, head),
                "keys",
            );
            assert_same(
                &cache_contents::values(together, 1, head),
                &cache_contents::values(alone, 1, head),
                "values",
            );
        }
    }
}

/// Asserts that two sequences agree within a tolerance relative to the largest value.
pub fn assert_close_relative(label: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    let largest = expected.iter().fold(1e-9f64, |largest, x| largest.max(x.abs()));
    assert_close(label, found.iter().copied(), expected, tolerance * largest);
}

/// A tokenizer's decoder shows every recorded feature to `visit` and gives the recorded pixels.
pub fn assert_features(
    golden: &Golden,
    decode: impl FnOnce(&mut dyn FnMut(&str, &FeatureMap)) -> FeatureMap,
) {
    let mut seen = Vec::new();
    let pixels = decode(&mut |name, map| {
        // Layers are named after their places in the checkpoint.
        let name = name.strip_prefix("decoder.").unwrap_or(name);
        let name = name.strip_suffix(".conv").unwrap_or(name);
        let name = format!("feat.{name}");
        if golden.has(&name) {
            assert_close_relative(&name, &map.to_planes(), golden.values(&name), 1e-4);
            seen.push(name);
        }
    });
    let features = golden.names().filter(|name| name.starts_with("feat.")).count();
    assert_eq!(seen.len(), features, "{seen:?}");
    assert_close("pixels", pixels.to_planes(), golden.values("pixels"), 1e-4);
}
