//! Which stand-in for tokens not drawn yet disturbs finished patches least, measured on the golden
//! miniatures of the tokenizers: the mean absolute difference (in display units of 0..1) between
//! finished patches of a partial picture and the same patches of the whole picture. Weights are
//! random, so this ranks the mechanisms, not their looks on trained weights.

mod golden_models_class;
mod test_device;

use candle_core::{Device, Tensor};
use golden_models_class::golden_folder::folders_below;
use golden_models_class::{Expected, json, var_builder};
use serde_json::Value;
use softcfg_studio::tokenizers::alitok::{AlitokEncoder, AlitokTokenizer, AlitokTokenizerConfig};
use softcfg_studio::tokenizers::codebook::Codebook;
use softcfg_studio::tokenizers::llamagen_vq::{LlamagenVq, LlamagenVqConfig, LlamagenVqEncoder};
use softcfg_studio::tokenizers::maskgit_vqgan::{
    MaskgitVqgan, MaskgitVqganConfig, MaskgitVqganEncoder,
};
use softcfg_studio::tokenizers::partial::to_channels;
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
    /// Vectors `[tokens, width]` to pixels `[3, height, width]` in display units.
    decode: Box<dyn Fn(&Tensor) -> Tensor + 'a>,
}

const STAND_INS: [&str; 6] =
    ["grey code", "grey picture", "codebook mean", "last token", "token above", "mean so far"];

impl Measured<'_> {
    /// Mean error of every stand-in over sequences and fractions.
    fn errors(&self) -> BTreeMap<&'static str, f64> {
        let mut sums: BTreeMap<&'static str, (f64, usize)> = BTreeMap::new();
        let cells = self.grid * self.grid;
        for codes in &self.sequences {
            let whole = (self.decode)(&self.codebook.vectors(codes).unwrap());
            for quarter in [1, 3] {
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
            "grey code" => by_codes(vec![self.grey_code?; missing]),
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
            _ => by_vector(known_vectors.mean_keepdim(0).unwrap()),
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

/// Pictures `[3, side, side]` in 0..1: a gradient, discs on a ground, stripes, blurred blocks.
fn pictures(side: usize) -> Vec<Tensor> {
    let picture = |colour: &dyn Fn(f32, f32, usize) -> f32| {
        let at = |index: usize| index as f32 / side as f32;
        let data: Vec<f32> = (0..3 * side * side)
            .map(|i| colour(at(i / side % side), at(i % side), i / (side * side)))
            .collect();
        Tensor::from_vec(data, (3, side, side), &Device::Cpu).unwrap()
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

fn to_rows(channels: &Tensor) -> Tensor {
    channels.squeeze(0).unwrap().flatten_from(1).unwrap().t().unwrap().contiguous().unwrap()
}

fn alitok_errors() -> Vec<BTreeMap<&'static str, f64>> {
    let measure = |folder: PathBuf| {
        let (vb, shapes) = var_builder(&folder);
        let config: AlitokTokenizerConfig = json(&folder.join("config.json"));
        let encoder = AlitokEncoder::load(&vb, &config).unwrap();
        let side = config.grid * config.patch_size;
        let tokenizer = AlitokTokenizer::load(&vb, config.clone(), &shapes).unwrap();
        let expected = Expected::read(&folder);
        let grey = Tensor::full(0.5f32, (3, side, side), &Device::Cpu).unwrap();
        let encode = |picture: &Tensor| {
            let latents = encoder.encode_vectors(picture).unwrap();
            tokenizer.codebook().nearest(&latents, false).unwrap()
        };
        let mut sequences =
            vec![expected.get("decode_tokens").ids(), expected.get("encode_indices").ids()];
        sequences.extend(pictures(side).iter().map(encode));
        Measured {
            codebook: tokenizer.codebook(),
            prefix: config.num_prefix_tokens,
            grid: config.grid,
            grey: encode(&grey),
            grey_code: None,
            sequences,
            decode: Box::new(|vectors| tokenizer.decode_vectors(vectors, &mut |_| ()).unwrap()),
        }
        .errors()
    };
    cases("alitok_tokenizer", "config.json").into_iter().map(measure).collect()
}

fn maskgit_errors() -> Vec<BTreeMap<&'static str, f64>> {
    let measure = |folder: PathBuf| {
        let (vb, shapes) = var_builder(&folder);
        let config: MaskgitVqganConfig = json(&folder.join("config.json"));
        let encoder = MaskgitVqganEncoder::load(&vb, &config).unwrap();
        let tokenizer = MaskgitVqgan::load(&vb, &config, &shapes).unwrap();
        let expected = Expected::read(&folder);
        let codes = expected.get("decode_tokens").ids();
        let grid = codes.len().isqrt();
        let side = grid * config.pixels_per_token();
        let encode = |picture: &Tensor| {
            let latents = encoder.encode_vectors(&picture.unsqueeze(0).unwrap()).unwrap();
            tokenizer.codebook().nearest(&to_rows(&latents), false).unwrap()
        };
        let grey = |side: usize| Tensor::full(0.5f32, (3, side, side), &Device::Cpu).unwrap();
        let mut sequences = vec![codes, expected.get("encode_indices").ids()];
        sequences.extend(pictures(side).iter().map(encode));
        let decode = |vectors: &Tensor| {
            let vectors = to_channels(vectors, grid, grid).unwrap();
            let pixels = tokenizer.decode_vectors(&vectors, &mut |_| ()).unwrap();
            pixels.squeeze(0).unwrap().clamp(0f32, 1f32).unwrap()
        };
        Measured {
            codebook: tokenizer.codebook(),
            prefix: 0,
            grid,
            grey: encode(&grey(side)),
            grey_code: Some(encode(&grey(5 * config.pixels_per_token()))[12]),
            sequences,
            decode: Box::new(decode),
        }
        .errors()
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
        let (vb, shapes) = var_builder(&folder);
        let config: LlamagenVqConfig = serde_json::from_value(config).unwrap();
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
        let encode = |picture: &Tensor| {
            let picture = picture.affine(2.0, -1.0).unwrap().unsqueeze(0).unwrap();
            let latents = encoder.encode_vectors(&picture, &mut |_| ()).unwrap();
            tokenizer.codebook().nearest(&to_rows(&latents), true).unwrap()
        };
        let grey = |side: usize| Tensor::full(0.5f32, (3, side, side), &Device::Cpu).unwrap();
        sequences.extend(pictures(side).iter().map(encode));
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
            grey: encode(&grey(side)),
            grey_code: Some(encode(&grey(5 * config.pixels_per_token()))[12]),
            sequences,
            decode: Box::new(decode),
        };
        errors.push(measured.errors());
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
