//! Which stand-in for tokens not drawn yet disturbs finished patches least, measured on the golden
//! miniatures of the tokenizers: the mean absolute difference (in display units of 0..1) between
//! finished patches of a partial picture and the same patches of the whole picture. Weights are
//! random, so this ranks the mechanisms, not their looks on trained weights.

mod golden_models_class;

use candle_core::{Device, Tensor};
use golden_models_class::{Expected, folders_with, json, var_builder};
use serde_json::Value;
use softcfg_studio::models::tokenizer::alitok::{AlitokEncoder, AlitokTokenizer};
use softcfg_studio::models::tokenizer::codebook::Codebook;
use softcfg_studio::models::tokenizer::llamagen_vq::{LlamagenVq, LlamagenVqEncoder};
use softcfg_studio::models::tokenizer::maskgit_vqgan::{MaskgitVqgan, MaskgitVqganEncoder};
use softcfg_studio::models::tokenizer::partial::to_channels;
use std::collections::BTreeMap;

/// A tokenizer reduced to what a measurement needs.
struct Measured<'a> {
    codebook: &'a Codebook,
    prefix: usize,
    grid: usize,
    /// Codes of a mid-grey picture.
    grey: Vec<u32>,
    /// Sequences to draw partially.
    sequences: Vec<Vec<u32>>,
    /// Vectors `[tokens, width]` to pixels `[3, height, width]` in display units.
    decode: Box<dyn Fn(&Tensor) -> Tensor + 'a>,
    /// Whether the decoder can do with fewer vectors.
    shortens: bool,
}

const STAND_INS: [&str; 6] =
    ["grey picture", "codebook mean", "last token", "token above", "mean so far", "left out"];

impl Measured<'_> {
    /// Mean error of every stand-in over sequences and fractions.
    fn errors(&self) -> BTreeMap<&'static str, f64> {
        let mut sums: BTreeMap<&'static str, (f64, usize)> = BTreeMap::new();
        let cells = self.grid * self.grid;
        for codes in &self.sequences {
            let whole = (self.decode)(&self.codebook.vectors(codes).unwrap());
            for quarter in [1, 2, 3] {
                // Three cells into a row.
                let drawn = cells * quarter / 4 + 3;
                for stand_in in STAND_INS {
                    let Some(vectors) = self.vectors(codes, drawn, stand_in) else { continue };
                    let error = self.difference(&whole, &(self.decode)(&vectors), drawn);
                    let sum = sums.entry(stand_in).or_default();
                    *sum = (sum.0 + error, sum.1 + 1);
                }
            }
        }
        sums.into_iter().map(|(name, (sum, count))| (name, sum / count as f64)).collect()
    }

    fn vectors(&self, codes: &[u32], drawn: usize, stand_in: &str) -> Option<Tensor> {
        let known = &codes[..self.prefix + drawn];
        let missing = codes.len() - known.len();
        let known_vectors = self.codebook.vectors(known).unwrap();
        let by_codes = |ids: Vec<u32>| self.codebook.vectors(&ids).unwrap();
        let by_vector = |vector: Tensor| vector.repeat((missing, 1)).unwrap();
        let rest = match stand_in {
            "grey picture" => by_codes(self.grey[known.len()..].to_vec()),
            "codebook mean" => {
                let mean = self.codebook.mean();
                by_vector(Tensor::new(mean, &Device::Cpu).unwrap().unsqueeze(0).unwrap())
            }
            "last token" => by_codes(vec![known[known.len() - 1]; missing]),
            "token above" => {
                let mut filled = known.to_vec();
                for _ in 0..missing {
                    filled.push(filled[filled.len() - self.grid]);
                }
                by_codes(filled.split_off(known.len()))
            }
            "mean so far" => by_vector(known_vectors.mean_keepdim(0).unwrap()),
            _ if self.shortens => return Some(known_vectors),
            _ => return None,
        };
        Some(Tensor::cat(&[known_vectors, rest], 0).unwrap())
    }

    fn difference(&self, whole: &Tensor, partial: &Tensor, drawn: usize) -> f64 {
        let (_, height, width) = whole.dims3().unwrap();
        let side = width / self.grid;
        let difference = (whole - partial).unwrap().abs().unwrap().to_vec3::<f32>().unwrap();
        let finished = |y: usize, x: usize| (y / side) * self.grid + x / side < drawn;
        let (mut sum, mut count) = (0.0, 0);
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            if finished(y, x) {
                sum += difference.iter().map(|channel| f64::from(channel[y][x])).sum::<f64>();
                count += 3;
            }
        }
        sum / f64::from(count)
    }
}

fn to_rows(channels: &Tensor) -> Tensor {
    channels.squeeze(0).unwrap().flatten_from(1).unwrap().t().unwrap().contiguous().unwrap()
}

fn alitok_errors() -> Vec<BTreeMap<&'static str, f64>> {
    let measure = |folder: std::path::PathBuf| {
        let (vb, shapes) = var_builder(&folder);
        let config: softcfg_studio::models::tokenizer::alitok::AlitokTokenizerConfig =
            json(&folder.join("config.json"));
        let encoder = AlitokEncoder::load(&vb, &config).unwrap();
        let side = config.grid * config.patch_size;
        let tokenizer = AlitokTokenizer::load(&vb, config.clone(), &shapes).unwrap();
        let expected = Expected::read(&folder);
        let grey = Tensor::full(0.5f32, (3, side, side), &Device::Cpu).unwrap();
        let latents = encoder.encode_vectors(&grey).unwrap();
        Measured {
            codebook: tokenizer.codebook(),
            prefix: config.num_prefix_tokens,
            grid: config.grid,
            grey: tokenizer.codebook().nearest(&latents, false).unwrap(),
            sequences: vec![
                expected.get("decode_tokens").ids(),
                expected.get("encode_indices").ids(),
            ],
            decode: Box::new(|vectors| tokenizer.decode_vectors(vectors, &mut |_| ()).unwrap()),
            shortens: true,
        }
        .errors()
    };
    folders_with("alitok_tokenizer", "config.json").into_iter().map(measure).collect()
}

fn maskgit_errors() -> Vec<BTreeMap<&'static str, f64>> {
    let measure = |folder: std::path::PathBuf| {
        let (vb, shapes) = var_builder(&folder);
        let config: softcfg_studio::models::tokenizer::maskgit_vqgan::MaskgitVqganConfig =
            json(&folder.join("config.json"));
        let encoder = MaskgitVqganEncoder::load(&vb, &config).unwrap();
        let tokenizer = MaskgitVqgan::load(&vb, &config, &shapes).unwrap();
        let expected = Expected::read(&folder);
        let codes = expected.get("decode_tokens").ids();
        let grid = codes.len().isqrt();
        let side = grid * config.pixels_per_token();
        let grey = Tensor::full(0.5f32, (1, 3, side, side), &Device::Cpu).unwrap();
        let latents = to_rows(&encoder.encode_vectors(&grey).unwrap());
        let decode = |vectors: &Tensor| {
            let vectors = to_channels(vectors, grid, grid).unwrap();
            let pixels = tokenizer.decode_vectors(&vectors, &mut |_| ()).unwrap();
            pixels.squeeze(0).unwrap().clamp(0f32, 1f32).unwrap()
        };
        Measured {
            codebook: tokenizer.codebook(),
            prefix: 0,
            grid,
            grey: tokenizer.codebook().nearest(&latents, false).unwrap(),
            sequences: vec![codes, expected.get("encode_indices").ids()],
            decode: Box::new(decode),
            shortens: false,
        }
        .errors()
    };
    folders_with("rar_tokenizer", "config.json").into_iter().map(measure).collect()
}

fn vq_errors() -> Vec<BTreeMap<&'static str, f64>> {
    let mut errors = Vec::new();
    for folder in folders_with("llamagen", "config.json") {
        let config: Value = json(&folder.join("config.json"));
        if !config["vq_model"].is_string() || config["weights"].is_string() {
            continue;
        }
        let (vb, shapes) = var_builder(&folder);
        let config: softcfg_studio::models::tokenizer::llamagen_vq::LlamagenVqConfig =
            serde_json::from_value(config).unwrap();
        let encoder = LlamagenVqEncoder::load(&vb, &config).unwrap();
        let tokenizer = LlamagenVq::load(&vb, &config, &shapes).unwrap();
        let expected = Expected::read(&folder);
        let rows = |name: &str| {
            let array = expected.get(name);
            let row = |sample: usize| array.at(&[sample]).iter().map(|&id| id as u32).collect();
            (0..array.shape[0]).map(row).collect::<Vec<Vec<u32>>>()
        };
        let mut sequences = rows("tokens");
        sequences.extend(rows("enc.indices"));
        let grid = sequences[0].len().isqrt();
        let side = grid * config.pixels_per_token();
        let grey = Tensor::zeros((1, 3, side, side), candle_core::DType::F32, &Device::Cpu);
        let latents = encoder.encode_vectors(&grey.unwrap(), &mut |_| ()).unwrap();
        let decode = |vectors: &Tensor| {
            let vectors = to_channels(vectors, grid, grid).unwrap();
            let pixels = tokenizer.decode_vectors(&vectors, &mut |_| ()).unwrap();
            let display = pixels.squeeze(0).unwrap().affine(0.5, 0.5).unwrap();
            display.clamp(0f32, 1f32).unwrap()
        };
        let measured = Measured {
            codebook: tokenizer.codebook(),
            prefix: 0,
            grid,
            grey: tokenizer.codebook().nearest(&to_rows(&latents), true).unwrap(),
            sequences,
            decode: Box::new(decode),
            shortens: false,
        };
        errors.push(measured.errors());
    }
    errors
}

#[test]
fn print() {
    println!("alitok {:#?}", alitok_errors());
    println!("maskgit {:#?}", maskgit_errors());
    println!("vq {:#?}", vq_errors());
}
