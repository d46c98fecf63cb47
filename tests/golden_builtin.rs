//! The built-in model against the numbers beside its files: logits under every mode, confidences,
//! entropies, weights, pixels, encoder.

mod cache_contents;
mod golden_folder;
mod golden_models;
mod open_folder;
mod test_device;

use golden_models::*;
use open_folder::{Qwen2Folder, built_in_encoder, built_in_tokenizer};
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::models::decoder::Decoder;
use softcfg_studio::prompts::condition::Condition;
use softcfg_studio::tokenizers::ImageTokenizer;
use softcfg_studio::tokenizers::conv_fsq::ConvFsq;
use softcfg_studio::tokenizers::grid::continue_downwards;
use softcfg_studio::tokenizers::layers::feature_map::FeatureMap;
use softcfg_studio::tokenizers::quantizer::Quantizer;
use std::path::PathBuf;
use test_device::exact;

/// Tolerances of the model's README for float32 code.
const BUILTIN_LOGITS: f64 = 1e-3;
const BUILTIN_P_MAX: f64 = 1e-4;
const PIXELS: f64 = 1e-3;

const MODES: [Mode; 3] =
    [Mode::new("cfg", None), Mode::new("soft", Some(false)), Mode::new("softnorm", Some(true))];

fn assets() -> PathBuf {
    "assets/emoji-scenes".into()
}

struct Files {
    json: serde_json::Value,
    golden: Golden,
}

impl Files {
    fn read() -> Self {
        Self {
            json: json(&assets().join("golden.json")),
            golden: Golden::read(&assets().join("golden.safetensors")),
        }
    }

    fn prompts(&self) -> Vec<&str> {
        let prompts: Vec<&str> =
            self.json["prompts"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
        assert!(!prompts.is_empty());
        prompts
    }

    fn codes(&self, prompt: usize) -> Vec<u32> {
        let offset = size(&self.json, "codes_offset") as u32;
        self.golden.ids(&format!("{prompt}.image_tokens")).iter().map(|id| id - offset).collect()
    }

    fn grid(&self) -> (usize, usize) {
        let side = |index: usize| self.json["grid"][index].as_u64().unwrap() as usize;
        (side(0), side(1))
    }
}

/// Pixels of codes in raster order.
fn decode(tokenizer: &ConvFsq, codes: &[u32], rows: usize, columns: usize) -> FeatureMap {
    let vectors = tokenizer.quantizer().grid(codes, rows, columns).unwrap();
    tokenizer.decode_vectors(&vectors, &mut |_, _| ()).unwrap()
}

fn condition(prompt: &str) -> Condition {
    Condition::Prompt { text: prompt.into(), negative: None }
}

#[test]
fn every_mode_matches() {
    let files = Files::read();
    let golden = &files.golden;
    let decoder = Qwen2Folder::built_in().load_whole(exact(Precision::Bf16));
    let offset = size(&files.json, "codes_offset");
    assert_eq!(decoder.codes.offset, offset);
    assert_eq!(decoder.codes.count, size(&files.json, "codebook_size"));
    let steps: Vec<usize> = files.json["logit_steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step.as_u64().unwrap() as usize)
        .collect();
    for (index, prompt) in files.prompts().into_iter().enumerate() {
        let name = |name: &str| format!("{index}.{name}");
        let book = &decoder.prompts;
        assert_eq!(book.conditional(prompt).unwrap(), golden.ids(&name("prefix_cond")));
        assert_eq!(book.unconditional(None).unwrap(), golden.ids(&name("prefix_uncond")));
        let prefixes = decoder.prefixes(&condition(prompt)).unwrap();
        let codes = files.codes(index);
        let forced = vec![false; codes.len()];
        let run = decode_forced(&decoder, &prefixes, &codes, &forced, &MODES, 1e-6, |_, z| {
            vec![max_softmax(&z[offset..]), max_softmax(z), normalized_entropy(&z[offset..])]
        });
        for (kind, tensor) in ["p_max", "p_max_all", "entropy_cond_visual"].into_iter().enumerate()
        {
            let found = run.confidences.iter().map(|c| c[kind]);
            assert_close(&name(tensor), found, golden.values(&name(tensor)), BUILTIN_P_MAX);
        }
        for (row, &step) in steps.iter().enumerate() {
            let compare = |tensor: String, found: &[f32]| {
                let label = format!("{tensor} step {step}");
                let expected = golden.row(&tensor, row);
                assert_close(&label, found.iter().copied(), expected, BUILTIN_LOGITS);
            };
            compare(name("logits_cond"), &run.conditional[step]);
            for (number, mode) in MODES.iter().enumerate() {
                let tensor = name(&format!("{}.logits_uncond", mode.name));
                compare(tensor, &run.unconditional[number][step]);
            }
        }
        for (mode, weights) in MODES.iter().zip(&run.weights).skip(1) {
            let tensor = name(&format!("{}.weights_last", mode.name));
            let last = weights.last().unwrap().iter().copied();
            assert_close(&tensor, last, golden.values(&tensor), BUILTIN_P_MAX);
        }
    }
}

#[test]
fn rows_do_not_depend_on_each_other() {
    let files = Files::read();
    let decoder = Qwen2Folder::built_in().load(exact(Precision::Bf16)).unwrap();
    let prefixes = decoder.prefixes(&condition(files.prompts()[0])).unwrap();
    assert_rows_are_independent(&decoder, &prefixes, &files.codes(0)[..3]);
}

#[test]
fn pixels_match() {
    let files = Files::read();
    let tokenizer = built_in_tokenizer();
    let (rows, columns) = files.grid();
    let layout = TokenLayout::raster(rows, columns);
    for index in 0..files.prompts().len() {
        let codes = files.codes(index);
        let pixels = decode(&tokenizer, &codes, rows, columns);
        let expected = files.golden.values(&format!("{index}.pixels"));
        assert_close("pixels", pixels.to_planes(), expected, PIXELS);
        let tokens: Vec<Option<u32>> = codes.into_iter().map(Some).collect();
        let image = tokenizer.decode(&tokens, &layout).unwrap();
        let expected = files.golden.values(&format!("{index}.rgb8"));
        assert_close("rgb8", image.into_raw(), expected, 1.0);
    }
}

#[test]
fn the_encoder_matches() {
    let files = Files::read();
    let (encoder, tokenizer) = (built_in_encoder(), built_in_tokenizer());
    for index in 0..files.prompts().len() {
        let name = format!("{index}.pixels");
        let shape = files.golden.shape(&name).to_vec();
        let pixels: Vec<f32> =
            files.golden.floats(&name).iter().map(|x| x.clamp(-1.0, 1.0)).collect();
        let pixels = FeatureMap::from_planes(shape[0], shape[1], shape[2], &pixels).unwrap();
        let z = encoder.forward(&pixels, &mut |_, _| ()).unwrap();
        let codes = tokenizer.quantizer().quantize_grid(&z).unwrap();
        let expected = files.golden.values(&format!("{index}.encoder_z"));
        assert_close("encoder_z", z.to_planes(), expected, PIXELS);
        let expected = files.golden.ids(&format!("{index}.encoder_codes"));
        assert_eq!(codes.len(), expected.len());
        let quantizer = tokenizer.quantizer();
        for ((found, expected), z) in codes.iter().zip(&expected).zip(z.data.chunks(z.channels)) {
            let at_an_edge = z.iter().enumerate().any(|(channel, &z)| {
                let bound = quantizer.bound(channel, z);
                (bound - bound.floor() - 0.5).abs() < 1e-3
            });
            assert!(found == expected || at_an_edge, "{found}, expected {expected}, z {z:?}");
        }
    }
}

#[test]
fn a_swatch_is_the_middle_of_a_field_of_its_code() {
    let tokenizer = built_in_tokenizer();
    let info = tokenizer.info().clone();
    let code = info.codebook_size as u32 - 1;
    let swatch = tokenizer.swatches(&[0, code]).unwrap().pop().unwrap();
    let side = info.pixels_per_token as u32;
    assert_eq!(swatch.dimensions(), (side, side));
    let field = tokenizer.decode(&[Some(code); 9], &TokenLayout::raster(3, 3)).unwrap();
    for (x, y, pixel) in swatch.enumerate_pixels() {
        assert_eq!(pixel, field.get_pixel(side + x, side + y));
    }
    assert!(tokenizer.swatches(&[code + 1]).is_err());
}

/// Prints how far each stand-in for undrawn tokens moves the finished pixels, and how long a grid
/// takes: `cargo test --test golden_builtin -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure_stand_ins_and_time() {
    let files = Files::read();
    let tokenizer = built_in_tokenizer();
    let (rows, columns) = files.grid();
    let side = tokenizer.info().pixels_per_token;
    let neutral = tokenizer.quantizer().neutral_code();
    let mut worst = [(0.0f64, 0.0f64); 3];
    let mut count = 0.0;
    for index in 0..files.prompts().len() {
        let codes = files.codes(index);
        let whole = decode(&tokenizer, &codes, rows, columns);
        for drawn in 1..rows {
            let keep = drawn * columns;
            let partial: Vec<Option<u32>> =
                codes.iter().enumerate().map(|(i, &c)| (i < keep).then_some(c)).collect();
            let last = codes[keep - 1];
            let fills = [
                partial.iter().map(|c| c.unwrap_or(neutral)).collect(),
                partial.iter().map(|c| c.unwrap_or(last)).collect(),
                continue_downwards(&partial, columns, neutral),
            ];
            count += 1.0;
            for (fill, (sum, last_row)) in fills.iter().zip(&mut worst) {
                let pixels = decode(&tokenizer, fill, rows, columns);
                let finished = drawn * side * columns * side * 3;
                let mean = |range: std::ops::Range<usize>| {
                    let length = range.len() as f64;
                    pixels.data[range.clone()]
                        .iter()
                        .zip(&whole.data[range])
                        .map(|(a, b)| f64::from((a - b).abs()))
                        .sum::<f64>()
                        / length
                        * 127.5
                };
                *sum += mean(0..finished);
                *last_row += mean((drawn - 1) * side * columns * side * 3..finished);
            }
        }
    }
    for (name, (all, last)) in ["neutral code", "last code", "code above"].iter().zip(worst) {
        println!("{name}: finished pixels off by {:.2}, last row {:.2}", all / count, last / count);
    }
    for below in 0..5 {
        let (mut sum, mut count) = (0.0, 0.0);
        for index in 0..files.prompts().len() {
            let codes = files.codes(index);
            for drawn in 1..rows - below {
                let keep = drawn * columns;
                let partial: Vec<Option<u32>> =
                    codes.iter().enumerate().map(|(i, &c)| (i < keep).then_some(c)).collect();
                let fill = continue_downwards(&partial, columns, neutral);
                let strip = &fill[..(drawn + below) * columns];
                let strip = decode(&tokenizer, strip, drawn + below, columns);
                let full = decode(&tokenizer, &fill, rows, columns);
                let last =
                    (drawn - 1) * side * columns * side * 3..drawn * side * columns * side * 3;
                let pairs = strip.data[last.clone()].iter().zip(&full.data[last]);
                let off: Vec<f64> = pairs.map(|(a, b)| f64::from((a - b).abs())).collect();
                sum += off.iter().sum::<f64>() / off.len() as f64 * 127.5;
                count += 1.0;
            }
        }
        println!("{below} rows below: last row {:.2} from the whole grid's", sum / count);
    }
    let codes = files.codes(0);
    let start = std::time::Instant::now();
    for _ in 0..20 {
        decode(&tokenizer, &codes, rows, columns);
    }
    println!("one grid: {:?}", start.elapsed() / 20);
    let start = std::time::Instant::now();
    tokenizer.swatches(&codes[..24]).unwrap();
    println!("24 swatches: {:?}", start.elapsed());
}
