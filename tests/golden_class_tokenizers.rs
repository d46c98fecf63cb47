//! The image tokenizers of AliTok, RAR and LlamaGen against the authors' programs, on miniatures with
//! random weights (README-alitok-rar-paper.md and README-llamagen.md in tests/golden).

mod golden_models_class;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, VarBuilder};
use golden_models_class::{Array, Expected, folders_with, json, var_builder};
use image::RgbImage;
use serde_json::Value;
use softcfg_studio::models::layout::TokenLayout;
use softcfg_studio::models::shapes::TensorShapes;
use softcfg_studio::models::tokenizer::ImageTokenizer;
use softcfg_studio::models::tokenizer::alitok::{
    AlitokEncoder, AlitokTokenizer, AlitokTokenizerConfig,
};
use softcfg_studio::models::tokenizer::blocks::{
    NormStyle, PixelAttention, ResidualBlock, ResidualStyle, Shortcut, convolution, downsample,
    downsample_convolution, upsample,
};
use softcfg_studio::models::tokenizer::codebook::Codebook;
use softcfg_studio::models::tokenizer::llamagen_vq::{
    LlamagenVq, LlamagenVqConfig, LlamagenVqEncoder,
};
use softcfg_studio::models::tokenizer::maskgit_vqgan::{
    MaskgitVqgan, MaskgitVqganConfig, MaskgitVqganEncoder,
};
use softcfg_studio::models::tokenizer::partial::to_channels;
use softcfg_studio::models::tokenizer::pixels::{rgb_image, signed_byte, unit_byte};
use std::path::{Path, PathBuf};

/// Every `step`th pixel of `[3, height, width]`.
fn subsample(pixels: &Tensor, step: usize) -> Tensor {
    let (_, height, width) = pixels.dims3().unwrap();
    let index = |size: usize| {
        let indices: Vec<u32> = (0..size).step_by(step).map(|i| i as u32).collect();
        Tensor::new(indices, &Device::Cpu).unwrap()
    };
    pixels.index_select(&index(height), 1).unwrap().index_select(&index(width), 2).unwrap()
}

/// Rows `[positions, channels]` of a picture of channels `[1, channels, rows, columns]`.
fn to_rows(channels: &Tensor) -> Tensor {
    channels.squeeze(0).unwrap().flatten_from(1).unwrap().t().unwrap().contiguous().unwrap()
}

fn tokens(codes: &[u32]) -> Vec<Option<u32>> {
    codes.iter().map(|&code| Some(code)).collect()
}

/// Codes as a batch of one picture of channels.
fn channels(vectors: &Tensor, rows: usize, columns: usize) -> Tensor {
    to_channels(vectors, rows, columns).unwrap()
}

/// Bytes in the order of [`RgbImage`]; `count` may be off by one.
fn assert_bytes(image: &RgbImage, expected: &[f64], allowed_share: f64) {
    assert_eq!(image.as_raw().len(), expected.len());
    let differences: Vec<f64> = image
        .as_raw()
        .iter()
        .zip(expected)
        .map(|(&a, e)| (f64::from(a) - e).abs())
        .filter(|&d| d > 0.0)
        .collect();
    assert!(differences.iter().all(|&d| d <= 1.0), "a byte is off by more than 1");
    let share = differences.len() as f64 / expected.len() as f64;
    assert!(share <= allowed_share, "{share} of the bytes are off by 1");
}

/// Truncated bytes of recorded pixels `[3, height, width]` in 0..1, in the order of [`RgbImage`].
fn unit_bytes(pixels: &Array) -> Vec<f64> {
    let (height, width) = (pixels.shape[1], pixels.shape[2]);
    let at = |channel: usize, pixel: usize| pixels.data[channel * height * width + pixel];
    (0..height * width)
        .flat_map(|pixel| (0..3).map(move |channel| (channel, pixel)))
        .map(|(channel, pixel)| (at(channel, pixel).clamp(0.0, 1.0) * 255.0).floor())
        .collect()
}

/// Swatches are of one token's size and tell codes apart; the codebook is checked.
fn check_swatches(tokenizer: &dyn ImageTokenizer) {
    let side = tokenizer.info().pixels_per_token as u32;
    let swatches = tokenizer.swatches(&[1, 2, 1]).unwrap();
    assert_eq!(swatches.len(), 3);
    assert!(swatches.iter().all(|image| image.dimensions() == (side, side)));
    assert_ne!(swatches[0], swatches[1]);
    assert!(tokenizer.swatches(&[tokenizer.info().codebook_size as u32]).is_err());
}

/// A partial grid is the picture with the named stand-in, its finished tokens decoded as such.
fn check_partial(
    tokenizer: &dyn ImageTokenizer,
    codes: &[u32],
    layout: &TokenLayout,
    with_stand_in: impl Fn(usize) -> RgbImage,
) {
    for drawn in [0, codes.len() / 2, codes.len()] {
        let mut partial = tokens(codes);
        partial[drawn..].fill(None);
        assert_eq!(tokenizer.decode(&partial, layout).unwrap(), with_stand_in(drawn));
    }
    assert!(tokenizer.decode(&tokens(&codes[1..]), layout).is_err());
    let beyond = vec![Some(tokenizer.info().codebook_size as u32); codes.len()];
    assert!(tokenizer.decode(&beyond, layout).is_err());
}

/// Vectors of the codes drawn so far, then the codebook's mean, as a picture of channels.
fn with_mean(codebook: &Codebook, codes: &[u32], drawn: usize, columns: usize) -> Tensor {
    let mut rows = vec![codebook.vectors(&codes[..drawn]).unwrap()];
    let mean = Tensor::new(codebook.mean(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    rows.extend(vec![mean; codes.len() - drawn]);
    channels(&Tensor::cat(&rows, 0).unwrap(), codes.len() / columns, columns)
}

// --- AliTok ---

fn alitok_folders() -> Vec<PathBuf> {
    folders_with("alitok_tokenizer", "config.json")
}

fn alitok(folder: &Path) -> (AlitokTokenizer, AlitokEncoder) {
    let (vb, shapes) = var_builder(folder);
    let config: AlitokTokenizerConfig = json(&folder.join("config.json"));
    let mut inferred = AlitokTokenizerConfig::from_shapes(&shapes).unwrap();
    // Heads of miniatures are narrower than the published 64.
    inferred.encoder.heads = config.encoder.heads;
    inferred.decoder.heads = config.decoder.heads;
    assert_eq!(inferred, config);
    let encoder = AlitokEncoder::load(&vb, &config).unwrap();
    (AlitokTokenizer::load(&vb, config, &shapes).unwrap(), encoder)
}

#[test]
fn alitok_tokens_become_the_recorded_picture() {
    for folder in alitok_folders() {
        let (tokenizer, _) = alitok(&folder);
        let expected = Expected::read(&folder);
        let codes = expected.get("decode_tokens").ids();
        let latents = tokenizer.codebook().vectors(&codes).unwrap();
        let mut shown = Vec::new();
        let pixels = tokenizer.decode_vectors(&latents, &mut |x| shown.push(x.clone())).unwrap();
        let image = expected.get("decoded_image");
        expected.comparison("decoded_image", 2e-5).tensor(&pixels, image);

        let rows: Vec<u32> = expected.get("dbg_rows").ids();
        let rows = Tensor::new(rows, &Device::Cpu).unwrap();
        for (name, stage) in [("dbg_dec_ln_pre", 0), ("dbg_dec_block0", 1)] {
            let picked = shown[stage].index_select(&rows, 0).unwrap();
            expected.comparison(name, 1e-4).tensor(&picked, expected.get(name));
        }
        let last = shown.last().unwrap();
        let ends = Tensor::new(&[0, last.dim(0).unwrap() as u32 - 1], &Device::Cpu).unwrap();
        let name = "dbg_dec_ln_post_first_last";
        let picked = last.index_select(&ends, 0).unwrap();
        expected.comparison(name, 1e-4).tensor(&picked, expected.get(name));

        let partial = expected.get("partial_latents").tensor();
        let pixels = tokenizer.decode_vectors(&partial, &mut |_| ()).unwrap();
        let step = pixels.dim(1).unwrap() / expected.get("partial_image_sub").shape[1];
        let compare = expected.comparison("partial_image_sub", 2e-5);
        compare.tensor(&subsample(&pixels, step), expected.get("partial_image_sub"));

        let config = tokenizer.config();
        let layout = TokenLayout::with_prefix(config.num_prefix_tokens, config.grid, config.grid);
        let decoded = tokenizer.decode(&tokens(&codes), &layout).unwrap();
        assert_bytes(&decoded, &unit_bytes(image), 1e-3);
        check_partial(&tokenizer, &codes, &layout, |drawn| {
            let mut codes = codes.clone();
            codes[drawn..].copy_from_slice(&tokenizer.stand_ins()[drawn..]);
            let latents = tokenizer.codebook().vectors(&codes).unwrap();
            let pixels = tokenizer.decode_vectors(&latents, &mut |_| ()).unwrap();
            rgb_image(&pixels, unit_byte).unwrap()
        });
        check_swatches(&tokenizer);
    }
}

#[test]
fn alitok_pictures_become_the_recorded_codes() {
    for folder in alitok_folders() {
        let (tokenizer, encoder) = alitok(&folder);
        let expected = Expected::read(&folder);
        let picture = (expected.get("encode_image_u8").tensor() / 255.0).unwrap();
        let latents = encoder.encode_vectors(&picture).unwrap();
        let recorded = expected.get("encode_latents");
        expected.comparison("encode_latents", 2e-4).tensor(&latents, recorded);
        let codes = tokenizer.codebook().nearest(&latents, false).unwrap();
        assert_eq!(codes, expected.get("encode_indices").ids());
        let vectors = tokenizer.codebook().vectors(&codes).unwrap();
        let pixels = tokenizer.decode_vectors(&vectors, &mut |_| ()).unwrap();
        let recorded = expected.get("recon_sub");
        let step = pixels.dim(1).unwrap() / recorded.shape[1];
        expected.comparison("recon_sub", 5e-5).tensor(&subsample(&pixels, step), recorded);
    }
}

// --- RAR ---

fn maskgit(folder: &Path) -> (MaskgitVqgan, MaskgitVqganEncoder) {
    let (vb, shapes) = var_builder(folder);
    let config: MaskgitVqganConfig = json(&folder.join("config.json"));
    let mut inferred = MaskgitVqganConfig::from_shapes(&shapes).unwrap();
    // Miniatures have fewer groups than the published 32.
    inferred.num_groups = config.num_groups;
    assert_eq!(inferred, config);
    let encoder = MaskgitVqganEncoder::load(&vb, &config).unwrap();
    (MaskgitVqgan::load(&vb, &config, &shapes).unwrap(), encoder)
}

#[test]
fn maskgit_tokens_become_the_recorded_picture() {
    for folder in folders_with("rar_tokenizer", "config.json") {
        let (tokenizer, _) = maskgit(&folder);
        let expected = Expected::read(&folder);
        let codes = expected.get("decode_tokens").ids();
        let grid = codes.len().isqrt();
        let vectors = channels(&tokenizer.codebook().vectors(&codes).unwrap(), grid, grid);
        let mut shown = Vec::new();
        let pixels = tokenizer.decode_vectors(&vectors, &mut |x| shown.push(x.clone())).unwrap();
        let pixels = pixels.squeeze(0).unwrap();
        let stages = [("dbg_conv_in", 0), ("dbg_mid", 1), ("dbg_up_deepest", 2)];
        for (name, stage) in stages {
            let stage = shown[stage].squeeze(0).unwrap();
            expected.comparison(name, 1e-4).tensor(&stage, expected.get(name));
        }
        let raw = expected.get("decoded_raw_sub");
        let step = pixels.dim(1).unwrap() / raw.shape[1];
        expected.comparison("decoded_raw_sub", 1e-4).tensor(&subsample(&pixels, step), raw);
        let image = expected.get("decoded_image");
        let clamped = pixels.clamp(0f32, 1f32).unwrap();
        expected.comparison("decoded_image", 1e-4).tensor(&clamped, image);
        let layout = TokenLayout::raster(grid, grid);
        let decoded = tokenizer.decode(&tokens(&codes), &layout).unwrap();
        assert_bytes(&decoded, &unit_bytes(image), 1e-2);
        check_partial(&tokenizer, &codes, &layout, |drawn| {
            let vectors = with_mean(tokenizer.codebook(), &codes, drawn, grid);
            let pixels = tokenizer.decode_vectors(&vectors, &mut |_| ()).unwrap();
            rgb_image(&pixels.squeeze(0).unwrap(), unit_byte).unwrap()
        });
        check_swatches(&tokenizer);
    }
}

#[test]
fn maskgit_pictures_become_the_recorded_codes() {
    for folder in folders_with("rar_tokenizer", "config.json") {
        let (tokenizer, encoder) = maskgit(&folder);
        let expected = Expected::read(&folder);
        let picture = (expected.get("encode_image_u8").tensor() / 255.0).unwrap();
        let hidden = encoder.encode_vectors(&picture.unsqueeze(0).unwrap()).unwrap();
        let recorded = expected.get("encode_hidden");
        expected.comparison("encode_hidden", 2e-4).tensor(&hidden.squeeze(0).unwrap(), recorded);
        let codes = tokenizer.codebook().nearest(&to_rows(&hidden), false).unwrap();
        assert_eq!(codes, expected.get("encode_indices").ids());
    }
}

// --- LlamaGen ---

/// Folders of VQ models with their configuration; those with formula weights have no file of weights.
fn vq_folders(formula: bool) -> Vec<(PathBuf, Value)> {
    let found: Vec<(PathBuf, Value)> = folders_with("llamagen", "config.json")
        .into_iter()
        .map(|folder| (folder.clone(), json::<Value>(&folder.join("config.json"))))
        .filter(|(_, config)| config["vq_model"].is_string())
        .filter(|(_, config)| config["weights"].is_string() == formula)
        .collect();
    assert!(!found.is_empty(), "no VQ case with formula weights: {formula}");
    found
}

fn check_vq(
    folder: &Path,
    json: &Value,
    vb: &VarBuilder<'_>,
    shapes: &TensorShapes,
    tolerance: f64,
) {
    let config: LlamagenVqConfig = serde_json::from_value(json.clone()).unwrap();
    let mut inferred = LlamagenVqConfig::from_shapes(shapes).unwrap();
    // Miniatures have fewer groups than the published 32.
    inferred.norm_num_groups = config.norm_num_groups;
    assert_eq!(inferred, config);
    assert_eq!(Some(config.pixels_per_token() as u64), json["downsample"].as_u64());
    let tokenizer = LlamagenVq::load(vb, &config, shapes).unwrap();
    let encoder = LlamagenVqEncoder::load(vb, &config).unwrap();
    let expected = Expected::read(folder);
    let recorded = expected.get("tokens");
    let side = |axis: usize| json["grid"][axis].as_u64().unwrap() as usize;
    let (rows, columns) = (side(0), side(1));
    let one = |name: &str, sample: usize| {
        let array = expected.get(name);
        Array { shape: array.shape[1..].to_vec(), data: array.at(&[sample]).to_vec() }
    };
    for sample in 0..recorded.shape[0] {
        let codes: Vec<u32> = recorded.at(&[sample]).iter().map(|&code| code as u32).collect();
        let vectors = channels(&tokenizer.codebook().vectors(&codes).unwrap(), rows, columns);
        let compare = |name: &str, tolerance: f64, actual: &Tensor| {
            let actual = actual.squeeze(0).unwrap();
            expected.comparison(name, tolerance).tensor(&actual, &one(name, sample));
        };
        let mut shown = Vec::new();
        let pixels = tokenizer.decode_vectors(&vectors, &mut |x| shown.push(x.clone())).unwrap();
        compare("image", tolerance, &pixels);
        if expected.find("codes").is_some() {
            compare("codes", 1e-6, &vectors);
            let stages = ["post_quant", "dec_conv_in", "dec_mid0", "dec_mid1", "dec_mid2"];
            for (name, stage) in stages.iter().chain(&["dec_level0", "dec_up0"]).zip(&shown) {
                compare(&format!("dbg.{name}"), 1e-4, stage);
            }
            let layout = TokenLayout::raster(rows, columns);
            let image = tokenizer.decode(&tokens(&codes), &layout).unwrap();
            assert_bytes(&image, &one("image_u8", sample).data, 1e-3);
            check_partial(&tokenizer, &codes, &layout, |drawn| {
                let vectors = with_mean(tokenizer.codebook(), &codes, drawn, columns);
                let pixels = tokenizer.decode_vectors(&vectors, &mut |_| ()).unwrap();
                rgb_image(&pixels.squeeze(0).unwrap(), signed_byte).unwrap()
            });
        }
        let picture = if expected.find("enc.image_u8").is_some() {
            // Height, width, channel to channel first, in -1..1.
            let bytes = one("enc.image_u8", sample).tensor().permute((2, 0, 1)).unwrap();
            ((bytes / 127.5).unwrap() - 1.0).unwrap().contiguous().unwrap()
        } else {
            let pixel = config.pixels_per_token();
            formula("image", &[3, rows * pixel, columns * pixel], 1.0, 0.0)
        };
        let mut shown = Vec::new();
        let latents = encoder
            .encode_vectors(&picture.unsqueeze(0).unwrap(), &mut |x| shown.push(x.clone()))
            .unwrap();
        compare("enc.pre_quant", tolerance.max(1e-4), &latents);
        let found = tokenizer.codebook().nearest(&to_rows(&latents), true).unwrap();
        let nearest = one("enc.indices", sample).ids();
        assert_eq!(found, nearest);
        if expected.find("enc.quant").is_some() {
            let quantized = tokenizer.codebook().vectors(&found).unwrap();
            compare("enc.quant", 1e-6, &channels(&quantized, rows, columns));
            let crop = shown[0].narrow(2, 0, 8).unwrap().narrow(3, 0, 8).unwrap();
            compare("dbg.enc_conv_in_8x8", 1e-4, &crop);
            compare("dbg.enc_out", 1e-4, &shown[1]);
        }
    }
    check_swatches(&tokenizer);
}

#[test]
fn vq_tokens_and_pictures_are_those_of_the_program() {
    for (folder, config) in vq_folders(false) {
        let (vb, shapes) = var_builder(&folder);
        check_vq(&folder, &config, &vb, &shapes, 1e-4);
    }
}

/// Section 7 of README-llamagen.md: splitmix64 over the FNV-1a hash of a name, in -1..1.
fn formula(name: &str, shape: &[usize], scale: f32, offset: f32) -> Tensor {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let value = |index: u64| {
        let mut z = hash.wrapping_add((index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        2.0 * ((z >> 40) as f32 / 16_777_216.0) - 1.0
    };
    let count: usize = shape.iter().product();
    let data: Vec<f32> = (0..count as u64).map(|i| offset + scale * value(i)).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn formula_weight(name: &str, shape: &[usize]) -> Tensor {
    let (scale, offset) = match (name, shape) {
        ("quantize.embedding.weight", _) => (1.0, 0.0),
        (_, [_]) if name.ends_with(".weight") => (0.2, 1.0),
        (_, [_]) => (0.1, 0.0),
        (_, [_, inputs @ ..]) => {
            ((3.0 / inputs.iter().product::<usize>() as f64).sqrt() as f32, 0.0)
        }
        (_, []) => panic!("{name} has no shape"),
    };
    formula(name, shape, scale, offset)
}

#[test]
fn the_full_size_vq_agrees_on_formula_weights() {
    for (folder, config) in vq_folders(true) {
        let keys = config["keys"].as_object().expect("config.json lists the keys");
        let shapes: TensorShapes = keys
            .iter()
            .map(|(name, shape)| {
                (name.clone(), serde_json::from_value::<Vec<usize>>(shape.clone()).unwrap())
            })
            .collect();
        let tensors =
            shapes.iter().map(|(name, shape)| (name.to_string(), formula_weight(name, shape)));
        let tensors: std::collections::HashMap<String, Tensor> = tensors.collect();
        let expected = Expected::read(&folder);
        for (name, tensor) in &tensors {
            let Some(probe) = expected.find(&format!("probe.{name}")) else { continue };
            let values: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
            let mut compare = expected.comparison(&format!("probe.{name}"), 1e-7);
            compare.row("", &values[..probe.data.len()], &probe.data);
            compare.finish();
        }
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        check_vq(&folder, &config, &vb, &shapes, 1e-3);
    }
}

#[test]
fn single_blocks_agree_with_32_groups() {
    let found: Vec<PathBuf> = folders_with("llamagen", "config.json")
        .into_iter()
        .filter(|folder| json::<Value>(&folder.join("config.json"))["blocks"].is_object())
        .collect();
    assert!(!found.is_empty(), "no case of single blocks");
    for folder in found {
        let config: Value = json(&folder.join("config.json"));
        let number = |name: &str| config[name].as_f64().unwrap();
        let norm =
            NormStyle { groups: number("norm_num_groups") as usize, eps: number("norm_eps") };
        let style = ResidualStyle { norm, bias: true, shortcut: Shortcut::Input };
        let (vb, _) = var_builder(&folder);
        let expected = Expected::read(&folder);
        let input = |name: &str| expected.get(&format!("{name}.in")).tensor();
        let width = |name: &str| input(name).dim(1).unwrap();
        let check = |name: &str, actual: Tensor| {
            let name = format!("{name}.out");
            expected.comparison(&name, 1e-4).tensor(&actual, expected.get(&name));
        };
        let outputs = expected.get("res_nin.out").shape[1];
        let block =
            ResidualBlock::load(width("res_nin"), outputs, style, &vb.pp("res_nin")).unwrap();
        check("res_nin", block.forward(&input("res_nin")).unwrap());
        let block = PixelAttention::load(width("attn"), norm, &vb.pp("attn")).unwrap();
        check("attn", block.forward(&input("attn")).unwrap());
        let conv = downsample_convolution(width("down"), vb.pp("down").pp("conv")).unwrap();
        check("down", downsample(&input("down"), &conv).unwrap());
        let channels = width("up");
        let conv = convolution(channels, channels, 3, true, vb.pp("up").pp("conv")).unwrap();
        check("up", upsample(&input("up"), &conv).unwrap());
        let layer = norm.load(width("norm"), vb.pp("norm")).unwrap();
        check("norm", layer.forward(&input("norm")).unwrap());
    }
}
