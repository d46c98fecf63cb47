//! Every golden miniature and the built-in model as a decoder in a precision of choice, with the
//! prefixes and forced tokens to compare it along. Needs `golden_models`, `golden_models_class` and
//! `open_folder` beside it.
#![allow(dead_code, reason = "each test binary uses its own part")]

use super::golden_folder::folders_with;
use super::golden_models::{Golden, json as json_value, size};
use super::golden_models_class::softcfg::{model_folder, released_cases};
use super::golden_models_class::{Expected, json, var_builder};
use super::open_folder::{LuminaFolder, Qwen2Folder};
use super::test_device::device;
use softcfg_studio::compute::kv_cache::KvCache;
use softcfg_studio::compute::precision::{ActivationNumber, Precision};
use softcfg_studio::compute::rows::{Perturbation, Prefix, Row, RowInput};
use softcfg_studio::compute::transformer::CodeRange;
use softcfg_studio::compute::weights::Weights;
use softcfg_studio::guidance::Perturb;
use softcfg_studio::models::alitok::decoder::AlitokDecoder;
use softcfg_studio::models::decoder::{Decoder, prefill};
use softcfg_studio::models::llamagen::config::LlamagenConfig;
use softcfg_studio::models::llamagen::decoder::LlamagenDecoder;
use softcfg_studio::models::lumina::image_size::ImageSize;
use softcfg_studio::models::rar::decoder::RarDecoder;
use softcfg_studio::prompts::condition::{Condition, Prefixes};
use softcfg_studio::prompts::template::PromptTemplate;
use std::path::Path;

/// Steps along which precisions and devices are compared.
const STEPS: usize = 20;

/// A decoder and what it is fed.
pub struct Miniature {
    pub name: String,
    pub decoder: Box<dyn Decoder>,
    prefixes: Prefixes,
    tokens: Vec<u32>,
}

/// All of them in a precision. `cargo test -- --nocapture` names what they measure.
pub fn all(precision: Precision) -> Vec<Miniature> {
    let mut all = vec![alitok(precision), rar(precision)];
    all.extend(llamagen(precision));
    all.extend([simple_ar(precision), lumina(precision), built_in(precision)]);
    all
}

impl Miniature {
    fn new(
        name: &str,
        decoder: impl Decoder + 'static,
        prefixes: Prefixes,
        tokens: &[u32],
    ) -> Self {
        let tokens = tokens[..tokens.len().min(STEPS)].to_vec();
        Self { name: name.into(), decoder: Box::new(decoder), prefixes, tokens }
    }

    /// Logits of every step: of the conditional branch, of the unconditional one, and of it with every
    /// kind of perturbation, the last without a cache of its own.
    pub fn logits(&self) -> Vec<Vec<f32>> {
        self.run().0
    }

    /// [`Self::logits`], and the caches after the last step.
    pub fn run(&self) -> (Vec<Vec<f32>>, Vec<KvCache>) {
        let decoder = self.decoder.as_ref();
        let Prefixes { conditional, unconditional } = &self.prefixes;
        let prefixes: [&Prefix; 4] = [conditional, unconditional, unconditional, unconditional];
        let new = |prefix: &&Prefix| decoder.new_cache((*prefix).clone(), self.tokens.len());
        let mut caches: Vec<KvCache> = prefixes.iter().map(|prefix| new(prefix).unwrap()).collect();
        let mut logits: Vec<Vec<f32>> = (0..caches.len())
            .map(|cache| prefill(decoder, &mut caches, cache).unwrap().row(0).to_vec())
            .collect();
        for (index, &token) in self.tokens.iter().enumerate() {
            let weights: Vec<f32> = (0..=index).map(|i| 0.4 + (i % 5) as f32 / 8.0).collect();
            let row = |cache, append, on: Option<Perturb>| Row {
                cache,
                input: RowInput::Image { index, token },
                append,
                perturbation: on.map(|on| Perturbation { weights: &weights, on }),
                logits: true,
            };
            let rows = [
                row(0, true, None),
                row(1, true, None),
                row(2, true, Some(Perturb::Value)),
                row(3, true, Some(Perturb::KeyValue)),
                row(1, false, Some(Perturb::Key)),
            ];
            let found = decoder.forward(&rows, &mut caches).unwrap();
            logits.extend((0..rows.len()).map(|row| found.row(row).to_vec()));
        }
        (logits, caches)
    }
}

/// Weights of an f32 file, with the caches that a model opened so has.
fn weights(folder: &Path, precision: Precision) -> Weights<'static> {
    let exact = precision == Precision::F32;
    let caches = if exact { ActivationNumber::F32 } else { ActivationNumber::Bf16 };
    Weights::new(var_builder(folder).0, precision).on(&device()).with_activations(caches)
}

fn alitok(precision: Precision) -> Miniature {
    let (folder, case, expected) = released_cases("alitok").swap_remove(0);
    let folder = model_folder(&folder, &case);
    let config = json(&folder.join("config.json"));
    let decoder = AlitokDecoder::load(&weights(&folder, precision), config).unwrap();
    let prefixes = decoder.prefixes(&Condition::Class(case.class_id)).unwrap();
    Miniature::new("AliTok", decoder, prefixes, &expected.get("tokens").ids())
}

fn rar(precision: Precision) -> Miniature {
    let (folder, case, expected) = released_cases("rar").swap_remove(0);
    let folder = model_folder(&folder, &case);
    let config = json(&folder.join("config.json"));
    let decoder = RarDecoder::load(&weights(&folder, precision), config).unwrap();
    let prefixes = decoder.prefixes(&Condition::Class(case.class_id)).unwrap();
    Miniature::new("RAR", decoder, prefixes, &expected.get("tokens").ids())
}

fn llamagen(precision: Precision) -> Vec<Miniature> {
    ["c2i", "t2i"]
        .into_iter()
        .map(|kind| {
            let of_kind = |folder: &std::path::PathBuf| {
                json::<serde_json::Value>(&folder.join("config.json"))["model_type"] == kind
            };
            let folders = folders_with("llamagen", "config.json");
            let folder = folders.into_iter().find(of_kind).expect("a case of each kind");
            let config: LlamagenConfig = json(&folder.join("config.json"));
            let decoder = LlamagenDecoder::load(&weights(&folder, precision), config).unwrap();
            let expected = Expected::read(&folder);
            let tokens: Vec<u32> =
                expected.get("tokens").at(&[0]).iter().map(|&id| id as u32).collect();
            let prefixes = if kind == "c2i" {
                let class = expected.get("class_ids").data[0] as u32;
                decoder.prefixes(&Condition::Class(class)).unwrap()
            } else {
                let mask = expected.get("emb_mask").at(&[0]);
                let valid = mask.iter().filter(|&&visible| visible == 1.0).count();
                let rows = expected.get("c_indices").tensor().get(0).unwrap();
                let rows = rows.narrow(0, rows.dim(0).unwrap() - valid, valid).unwrap();
                decoder.caption_prefixes(&rows).unwrap()
            };
            Miniature::new(&format!("LlamaGen {kind}"), decoder, prefixes, &tokens)
        })
        .collect()
}

fn simple_ar(precision: Precision) -> Miniature {
    let folder = folders_with("simplear", "case.json").swap_remove(0);
    let case = json_value(&folder.join("case.json"));
    let options = Qwen2Folder {
        folder: &folder,
        codes: size(&case, "codebook_size"),
        image_tokens: size(&case, "grid_h") * size(&case, "grid_w"),
        template: PromptTemplate {
            unconditional: case["uncond_text"].as_str().unwrap().into(),
            ..PromptTemplate::markers("<|t2i|>", "<|soi|>")
        },
    };
    let decoder = options.load(precision).unwrap();
    let text = case["cond_text"].as_str().unwrap();
    let text = text.strip_prefix("<|t2i|>").unwrap().strip_suffix("<|soi|>").unwrap();
    let condition = Condition::Prompt { text: text.into(), negative: None };
    let prefixes = decoder.prefixes(&condition).unwrap();
    let offset = size(&case, "visual_offset") as u32;
    let ids = Golden::read(&folder.join("golden.safetensors")).ids("image_tokens");
    let codes: Vec<u32> = ids.iter().map(|id| id - offset).collect();
    Miniature::new("SimpleAR", decoder, prefixes, &codes)
}

fn lumina(precision: Precision) -> Miniature {
    let folder = folders_with("lumina", "case.json").swap_remove(0);
    let case = json_value(&folder.join("case.json"));
    let offset = size(&case, "image_token_offset");
    let options = LuminaFolder {
        folder: &folder,
        codes: CodeRange { offset, count: size(&case, "codebook_size") },
        size: ImageSize { width: size(&case, "image_w_px"), height: size(&case, "image_h_px") },
    };
    let decoder = options.load(precision).unwrap();
    let text = case["prompt"].as_str().unwrap().into();
    let prefixes = decoder.prefixes(&Condition::Prompt { text, negative: None }).unwrap();
    let golden = Golden::read(&folder.join("golden.safetensors"));
    let is_code = golden.values("is_image_token").iter().map(|&image| image == 1.0);
    let ids = golden.ids("image_tokens").into_iter().zip(is_code);
    let tokens: Vec<u32> =
        ids.map(|(id, is_code)| if is_code { id - offset as u32 } else { id }).collect();
    Miniature::new("Lumina", decoder, prefixes, &tokens)
}

fn built_in(precision: Precision) -> Miniature {
    let decoder = Qwen2Folder::built_in().load(precision).unwrap();
    let text = "a cat left of a red car on blue".into();
    let prefixes = decoder.prefixes(&Condition::Prompt { text, negative: None }).unwrap();
    let codes = decoder.info().codebook_size as u32;
    let tokens: Vec<u32> = (0..STEPS as u32).map(|index| (index * 977 + 13) % codes).collect();
    Miniature::new(BUILT_IN, decoder, prefixes, &tokens)
}

/// The name of the built-in model among the miniatures.
pub const BUILT_IN: &str = "built-in";

/// How far logits lie from others, in units of the standard deviation of those.
#[derive(Debug, Clone, Copy)]
pub struct Shift {
    /// Root mean square of the differences.
    pub rms: f64,
    /// The largest difference.
    pub largest: f64,
}

impl Shift {
    /// Of `found` against `exact`, rows of logits.
    pub fn between(found: &[Vec<f32>], exact: &[Vec<f32>]) -> Self {
        assert_eq!(found.len(), exact.len());
        let (mut squares, mut largest, mut variance, mut count) = (0.0, 0.0f64, 0.0, 0usize);
        for (found, exact) in found.iter().zip(exact) {
            assert!(!exact.is_empty() && found.len() == exact.len());
            let mean = exact.iter().map(|&z| f64::from(z)).sum::<f64>() / exact.len() as f64;
            for (&found, &exact) in found.iter().zip(exact) {
                let difference = f64::from(found) - f64::from(exact);
                assert!(difference.is_finite());
                squares += difference * difference;
                largest = largest.max(difference.abs());
                variance += (f64::from(exact) - mean).powi(2);
            }
            count += exact.len();
        }
        let deviation = (variance / count as f64).sqrt();
        Self { rms: (squares / count as f64).sqrt() / deviation, largest: largest / deviation }
    }
}
