//! Which stand-in for tokens not drawn yet disturbs finished patches least, measured on the golden
//! miniatures of the tokenizers: the mean absolute difference (in display units of 0..1) between
//! finished patches of a partial picture and the same patches of the whole picture. Weights are
//! random, so this ranks the mechanisms, not their looks on trained weights.

mod cache_contents;
mod golden_folder;
mod golden_models_class;
mod test_device;

use golden_folder::folders_below;
use golden_models_class::{Expected, json, var_builder};
use serde_json::Value;
use softcfg_studio::checkpoint::shapes::TensorShapes;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::weights::Weights;
use softcfg_studio::tokenizers::alitok::{AlitokEncoder, AlitokTokenizer, AlitokTokenizerConfig};
use softcfg_studio::tokenizers::codebook::Codebook;
use softcfg_studio::tokenizers::convolutional::ConvolutionalTokenizer;
use softcfg_studio::tokenizers::layers::feature_map::FeatureMap;
use softcfg_studio::tokenizers::layers::network::Network;
use softcfg_studio::tokenizers::llamagen_vq::{self, LlamagenVqConfig};
use softcfg_studio::tokenizers::maskgit_vqgan::{self, MaskgitVqganConfig};
use softcfg_studio::tokenizers::quantizer::Quantizer;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The choice was made on the cases that come with the program, so others do not enter.
fn cases(name: &str, file: &str) -> Vec<PathBuf> {
    folders_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name), file)
}

/// A tokenizer reduced to what a measurement needs.
struct Measured<'a> {
    codebook: &'a Codebook,
    prefix: usize,
    grid: usize,
    /// Codes of a mid-grey picture.
    grey: Vec<u32>,
    /// The code in the middle of a small mid-grey picture, where pictures can be small.
    grey_code: Option<u32>,
    /// Sequences to draw partially.
    sequences: Vec<Vec<u32>>,
    /// Vectors `[tokens][width]` to pixels in display units.
    decode: Box<dyn Fn(Vec<f32>) -> FeatureMap + 'a>,
}

const STAND_INS: [&str; 6] =
    ["grey code", "grey picture", "codebook mean", "last token", "token above", "mean so far"];

impl Measured<'_> {
    /// Mean error of every stand-in over sequences and fractions.
    fn errors(&self) -> BTreeMap<&'static str, f64> {
        let mut sums: BTreeMap<&'static str, (f64, usize)> = BTreeMap::new();
        let cells = self.grid * self.grid;
        for codes in &self.sequences {
            let whole = (self.decode)(self.codebook.vectors(codes).unwrap());
            for quarter in [1, 3] {
                // Three cells into a row.
                let drawn = cells * quarter / 4 + 3;
                for stand_in in STAND_INS {
                    let Some(vectors) = self.vectors(codes, drawn, stand_in) else { continue };
                    let error = self.difference(&whole, &(self.decode)(vectors), drawn);
                    let sum = sums.entry(stand_in).or_default();
                    *sum = (sum.0 + error, sum.1 + 1);
                }
            }
        }
        sums.into_iter().map(|(name, (sum, count))| (name, sum / count as f64)).collect()
    }

    fn vectors(&self, codes: &[u32], drawn: usize, stand_in: &str) -> Option<Vec<f32>> {
        let known = &codes[..self.prefix + drawn];
        let missing = codes.len() - known.len();
        let known_vectors = self.codebook.vectors(known).unwrap();
        let by_codes = |ids: Vec<u32>| self.codebook.vectors(&ids).unwrap();
        let rest = match stand_in {
            "grey picture" => by_codes(self.grey[known.len()..].to_vec()),
            "grey code" => by_codes(vec![self.grey_code?; missing]),
            "codebook mean" => self.codebook.mean().repeat(missing),
            "last token" => by_codes(vec![known[known.len() - 1]; missing]),
            "token above" => {
                let mut filled = known.to_vec();
                for _ in 0..missing {
                    filled.push(filled[filled.len() - self.grid]);
                }
                by_codes(filled.split_off(known.len()))
            }
            _ => {
                let width = self.codebook.width();
                let mean = |channel: usize| {
                    let channel = known_vectors.iter().skip(channel).step_by(width);
                    channel.sum::<f32>() / known.len() as f32
                };
                (0..width).map(mean).collect::<Vec<f32>>().repeat(missing)
            }
        };
        Some([known_vectors, rest].concat())
    }

    fn difference(&self, whole: &FeatureMap, partial: &FeatureMap, drawn: usize) -> f64 {
        let side = whole.width / self.grid;
        let finished = |pixel: usize| {
            let (y, x) = (pixel / whole.width, pixel % whole.width);
            (y / side) * self.grid + x / side < drawn
        };
        let (mut sum, mut count) = (0.0, 0);
        let pixels = whole.data.chunks(3).zip(partial.data.chunks(3)).enumerate();
        for (_, (a, b)) in pixels.filter(|(pixel, _)| finished(*pixel)) {
            sum += a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
            count += 3;
        }
        sum / f64::from(count)
    }
}

/// Pictures of `side` pixels in 0..1: a gradient, discs on a ground, stripes, blurred blocks.
fn pictures(side: usize) -> Vec<FeatureMap> {
    let picture = |colour: &dyn Fn(f32, f32, usize) -> f32| {
        let at = |index: usize| index as f32 / side as f32;
        let data: Vec<f32> = (0..3 * side * side)
            .map(|i| colour(at(i / side % side), at(i % side), i / (side * side)))
            .collect();
        FeatureMap::from_planes(3, side, side, &data).unwrap()
    };
    let disc = |y: f32, x: f32, cy: f32, cx: f32| ((y - cy).hypot(x - cx) < 0.2) as u8 as f32;
    vec![
        picture(&|y, x, channel| [y, x, 1.0 - y * x][channel]),
        picture(&|y, x, channel| {
            let shade = disc(y, x, 0.3, 0.3) * 0.6 + disc(y, x, 0.6, 0.7) * 0.3;
            (0.2 + 0.1 * channel as f32 + shade).min(1.0)
        }),
        picture(&|y, x, channel| 0.5 + 0.4 * (9.0 * (y + x) + channel as f32).sin()),
        picture(&|y, x, channel| {
            0.5 + 0.4 * (5.0 * y).sin() * (7.0 * x + 2.0 * channel as f32).cos()
        }),
    ]
}

fn grey(side: usize) -> FeatureMap {
    FeatureMap::new(side, side, 3, vec![0.5; 3 * side * side]).unwrap()
}

/// Every number of a map by `change`.
fn mapped(map: &FeatureMap, change: impl Fn(f32) -> f32) -> FeatureMap {
    FeatureMap { data: map.data.iter().map(|&x| change(x)).collect(), ..map.clone() }
}

fn weights(folder: &Path) -> (Weights<'static>, TensorShapes) {
    let (builder, shapes) = var_builder(folder);
    (Weights::new(builder, Precision::F32), shapes)
}

fn alitok_errors() -> Vec<BTreeMap<&'static str, f64>> {
    let measure = |folder: PathBuf| {
        let (weights, shapes) = weights(&folder);
        let config: AlitokTokenizerConfig = json(&folder.join("config.json"));
        let encoder = AlitokEncoder::load(&config, &weights).unwrap();
        let side = config.grid * config.patch_size;
        let tokenizer = AlitokTokenizer::load(config.clone(), &weights, &shapes).unwrap();
        let expected = Expected::read(&folder);
        let encode = |picture: &FeatureMap| {
            let latents = encoder.encode_vectors(picture).unwrap();
            tokenizer.codebook().quantize_grid(&latents).unwrap()
        };
        let mut sequences =
            vec![expected.get("decode_tokens").ids(), expected.get("encode_indices").ids()];
        sequences.extend(pictures(side).iter().map(encode));
        Measured {
            codebook: tokenizer.codebook(),
            prefix: config.num_prefix_tokens,
            grid: config.grid,
            grey: encode(&grey(side)),
            grey_code: None,
            sequences,
            decode: Box::new(|vectors| tokenizer.decode_vectors(vectors, &mut |_| ()).unwrap()),
        }
        .errors()
    };
    cases("alitok_tokenizer", "config.json").into_iter().map(measure).collect()
}

/// Errors of a tokenizer that decodes grids of any size. `encoder` gets pictures in the range of
/// `from_unit`, and `to_unit` puts decoded pixels into 0..1.
fn convolutional_errors(
    tokenizer: &ConvolutionalTokenizer<Codebook>,
    encoder: &Network,
    mut sequences: Vec<Vec<u32>>,
    pixels_per_token: usize,
    from_unit: fn(f32) -> f32,
    to_unit: fn(f32) -> f32,
) -> BTreeMap<&'static str, f64> {
    let codebook = tokenizer.quantizer();
    let grid = sequences[0].len().isqrt();
    let side = grid * pixels_per_token;
    let encode = |picture: &FeatureMap| {
        let latents = encoder.forward(&mapped(picture, from_unit), &mut |_, _| ()).unwrap();
        codebook.quantize_grid(&latents).unwrap()
    };
    sequences.extend(pictures(side).iter().map(encode));
    let decode = |vectors: Vec<f32>| {
        let vectors = FeatureMap::new(grid, grid, codebook.width(), vectors).unwrap();
        let pixels = tokenizer.decode_vectors(&vectors, &mut |_, _| ()).unwrap();
        mapped(&pixels, |x| to_unit(x).clamp(0.0, 1.0))
    };
    Measured {
        codebook,
        prefix: 0,
        grid,
        grey: encode(&grey(side)),
        grey_code: Some(encode(&grey(5 * pixels_per_token))[12]),
        sequences,
        decode: Box::new(decode),
    }
    .errors()
}

fn maskgit_errors() -> Vec<BTreeMap<&'static str, f64>> {
    let measure = |folder: PathBuf| {
        let (weights, shapes) = weights(&folder);
        let config: MaskgitVqganConfig = json(&folder.join("config.json"));
        let encoder = maskgit_vqgan::load_encoder(&config, &weights).unwrap();
        let tokenizer = maskgit_vqgan::load_decoder(&config, &weights, &shapes).unwrap();
        let expected = Expected::read(&folder);
        let sequences =
            vec![expected.get("decode_tokens").ids(), expected.get("encode_indices").ids()];
        let pixels = config.pixels_per_token();
        convolutional_errors(&tokenizer, &encoder, sequences, pixels, |x| x, |x| x)
    };
    cases("rar_tokenizer", "config.json").into_iter().map(measure).collect()
}

fn vq_errors() -> Vec<BTreeMap<&'static str, f64>> {
    let mut errors = Vec::new();
    for folder in cases("llamagen", "config.json") {
        let config: Value = json(&folder.join("config.json"));
        if !config["vq_model"].is_string() || config["weights"].is_string() {
            continue;
        }
        let (weights, shapes) = weights(&folder);
        let config: LlamagenVqConfig = serde_json::from_value(config).unwrap();
        let encoder = llamagen_vq::load_encoder(&config, &weights).unwrap();
        let tokenizer = llamagen_vq::load_decoder(&config, &weights, &shapes).unwrap();
        let expected = Expected::read(&folder);
        let rows = |name: &str| {
            let array = expected.get(name);
            let row = |sample: usize| array.at(&[sample]).iter().map(|&id| id as u32).collect();
            (0..array.shape[0]).map(row).collect::<Vec<Vec<u32>>>()
        };
        let mut sequences = rows("tokens");
        sequences.extend(rows("enc.indices"));
        let pixels = config.pixels_per_token();
        let (from_unit, to_unit) = (|x: f32| 2.0 * x - 1.0, |x: f32| 0.5 * x + 0.5);
        errors.push(convolutional_errors(
            &tokenizer, &encoder, sequences, pixels, from_unit, to_unit,
        ));
    }
    errors
}

/// How far each stand-in is from the best one, on average over tokenizers, as a factor.
fn relative(errors: &[BTreeMap<&'static str, f64>]) -> Vec<(f64, &'static str)> {
    let factor = |name: &'static str| -> Option<(f64, &'static str)> {
        let factors: Option<Vec<f64>> = errors
            .iter()
            .map(|errors| {
                let best = errors.values().copied().fold(f64::INFINITY, f64::min);
                Some(errors.get(name)? / best)
            })
            .collect();
        let factors = factors?;
        Some((factors.iter().sum::<f64>() / factors.len() as f64, name))
    };
    let mut ranked: Vec<_> = STAND_INS.into_iter().filter_map(factor).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranked
}

#[test]
fn the_chosen_stand_ins_disturb_finished_patches_least() {
    let alitok = relative(&alitok_errors());
    println!("AliTok: {alitok:?}");
    assert_eq!(alitok[0].1, "grey picture");
    let mut convolutional = maskgit_errors();
    convolutional.extend(vq_errors());
    let convolutional = relative(&convolutional);
    println!("convolutional: {convolutional:?}");
    assert_eq!(convolutional[0].1, "codebook mean");
}
