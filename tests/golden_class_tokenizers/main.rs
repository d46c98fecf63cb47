//! The image tokenizers of AliTok, RAR and LlamaGen against the authors' programs, on miniatures with
//! random weights (README-alitok-rar-paper.md and README-llamagen.md in tests/golden).

#[path = "../cache_contents/mod.rs"]
mod cache_contents;
#[path = "../golden_folder/mod.rs"]
mod golden_folder;
#[path = "../golden_models_class/mod.rs"]
mod golden_models_class;
mod llamagen;
#[path = "../test_device/mod.rs"]
mod test_device;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use golden_folder::folders_with;
use golden_models_class::{Array, Expected, json, var_builder};
use image::RgbImage;
use serde_json::Value;
use softcfg_studio::checkpoint::shapes::TensorShapes;
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::weights::Weights;
use softcfg_studio::tokenizers::ImageTokenizer;
use softcfg_studio::tokenizers::alitok::{AlitokEncoder, AlitokTokenizer, AlitokTokenizerConfig};
use softcfg_studio::tokenizers::codebook::Codebook;
use softcfg_studio::tokenizers::layers::conv2d::Window;
use softcfg_studio::tokenizers::layers::feature_map::FeatureMap;
use softcfg_studio::tokenizers::layers::layer::Layer;
use softcfg_studio::tokenizers::layers::network::{Architecture, Network};
use softcfg_studio::tokenizers::layers::norm::{NormForm, NormSpec};
use softcfg_studio::tokenizers::llamagen_vq::{self, LlamagenVqConfig};
use softcfg_studio::tokenizers::maskgit_vqgan::{self, MaskgitVqgan, MaskgitVqganConfig};
use softcfg_studio::tokenizers::pixels::{rgb_image, signed_byte, unit_byte};
use softcfg_studio::tokenizers::quantizer::Quantizer;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The weights of a folder, with the shapes of all its tensors.
fn weights(folder: &Path) -> (Weights<'static>, TensorShapes) {
    let (builder, shapes) = var_builder(folder);
    (Weights::new(builder, Precision::F32), shapes)
}

/// A map as a tensor `[channels, height, width]`.
fn planes(map: &FeatureMap) -> Tensor {
    let shape = (map.channels, map.height, map.width);
    Tensor::from_vec(map.to_planes(), shape, &Device::Cpu).unwrap()
}

/// A recorded picture `[channels, height, width]` as a map.
fn map(picture: &Tensor) -> FeatureMap {
    let (channels, height, width) = picture.dims3().unwrap();
    let numbers: Vec<f32> = picture.flatten_all().unwrap().to_vec1().unwrap();
    FeatureMap::from_planes(channels, height, width, &numbers).unwrap()
}

/// Runs a network and keeps the output of every layer as planes, by name.
fn observed(
    forward: impl FnOnce(&mut dyn FnMut(&str, &FeatureMap)) -> FeatureMap,
) -> (Tensor, HashMap<String, Tensor>) {
    let mut shown = HashMap::new();
    let output = forward(&mut |name, map| {
        shown.insert(name.to_owned(), planes(map));
    });
    (planes(&output), shown)
}

/// Every `step`th pixel of `[3, height, width]`.
fn subsample(pixels: &Tensor, step: usize) -> Tensor {
    let (_, height, width) = pixels.dims3().unwrap();
    let index = |size: usize| {
        let indices: Vec<u32> = (0..size).step_by(step).map(|i| i as u32).collect();
        Tensor::new(indices, &Device::Cpu).unwrap()
    };
    pixels.index_select(&index(height), 1).unwrap().index_select(&index(width), 2).unwrap()
}

fn tokens(codes: &[u32]) -> Vec<Option<u32>> {
    codes.iter().map(|&code| Some(code)).collect()
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

/// Vectors of the codes drawn so far, then the codebook's mean.
fn with_mean(codebook: &Codebook, codes: &[u32], drawn: usize, columns: usize) -> FeatureMap {
    let mut vectors = codebook.vectors(&codes[..drawn]).unwrap();
    (drawn..codes.len()).for_each(|_| vectors.extend(codebook.mean()));
    FeatureMap::new(codes.len() / columns, columns, codebook.width(), vectors).unwrap()
}

// --- AliTok ---

fn alitok_folders() -> Vec<PathBuf> {
    folders_with("alitok_tokenizer", "config.json")
}

fn alitok(folder: &Path) -> (AlitokTokenizer, AlitokEncoder) {
    let (weights, shapes) = weights(folder);
    let config: AlitokTokenizerConfig = json(&folder.join("config.json"));
    let mut inferred = AlitokTokenizerConfig::from_shapes(&shapes).unwrap();
    // Heads of miniatures are narrower than the published 64.
    inferred.encoder.heads = config.encoder.heads;
    inferred.decoder.heads = config.decoder.heads;
    assert_eq!(inferred, config);
    let encoder = AlitokEncoder::load(&config, &weights).unwrap();
    (AlitokTokenizer::load(config, &weights, &shapes).unwrap(), encoder)
}

#[test]
fn alitok_tokens_become_the_recorded_picture() {
    for folder in alitok_folders() {
        let (tokenizer, _) = alitok(&folder);
        let expected = Expected::read(&folder);
        let codes = expected.get("decode_tokens").ids();
        let latents = tokenizer.codebook().vectors(&codes).unwrap();
        let mut shown = Vec::new();
        let pixels = tokenizer.decode_vectors(latents, &mut |x| shown.push(x.clone())).unwrap();
        let pixels = planes(&pixels);
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

        let partial = expected.get("partial_latents").data.iter().map(|&x| x as f32).collect();
        let pixels = planes(&tokenizer.decode_vectors(partial, &mut |_| ()).unwrap());
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
            let pixels = tokenizer.decode_vectors(latents, &mut |_| ()).unwrap();
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
        let latents = encoder.encode_vectors(&map(&picture)).unwrap();
        let recorded = expected.get("encode_latents");
        let shape = (latents.height, latents.channels);
        let rows = Tensor::from_slice(&latents.data, shape, &Device::Cpu).unwrap();
        expected.comparison("encode_latents", 2e-4).tensor(&rows, recorded);
        let codes = tokenizer.codebook().quantize_grid(&latents).unwrap();
        assert_eq!(codes, expected.get("encode_indices").ids());
        let vectors = tokenizer.codebook().vectors(&codes).unwrap();
        let pixels = planes(&tokenizer.decode_vectors(vectors, &mut |_| ()).unwrap());
        let recorded = expected.get("recon_sub");
        let step = pixels.dim(1).unwrap() / recorded.shape[1];
        expected.comparison("recon_sub", 5e-5).tensor(&subsample(&pixels, step), recorded);
    }
}

// --- RAR ---

fn maskgit(folder: &Path) -> (MaskgitVqgan, Network) {
    let (weights, shapes) = weights(folder);
    let config: MaskgitVqganConfig = json(&folder.join("config.json"));
    let mut inferred = MaskgitVqganConfig::from_shapes(&shapes).unwrap();
    // Miniatures have fewer groups than the published 32.
    inferred.num_groups = config.num_groups;
    assert_eq!(inferred, config);
    let encoder = maskgit_vqgan::load_encoder(&config, &weights).unwrap();
    (maskgit_vqgan::load_decoder(&config, &weights, &shapes).unwrap(), encoder)
}

#[test]
fn maskgit_tokens_become_the_recorded_picture() {
    for folder in folders_with("rar_tokenizer", "config.json") {
        let (tokenizer, _) = maskgit(&folder);
        let config: MaskgitVqganConfig = json(&folder.join("config.json"));
        let expected = Expected::read(&folder);
        let codes = expected.get("decode_tokens").ids();
        let grid = codes.len().isqrt();
        let vectors = tokenizer.quantizer().grid(&codes, grid, grid).unwrap();
        let (pixels, shown) =
            observed(|observe| tokenizer.decode_vectors(&vectors, observe).unwrap());
        let deepest = config.channel_mult.len() - 1;
        let stages = [
            ("dbg_conv_in", "decoder.conv_in".to_owned()),
            ("dbg_mid", format!("decoder.mid.{}", config.num_res_blocks - 1)),
            ("dbg_up_deepest", format!("decoder.up.{deepest}.upsample_conv")),
        ];
        for (name, stage) in stages {
            expected.comparison(name, 1e-4).tensor(&shown[&stage], expected.get(name));
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
            let vectors = with_mean(tokenizer.quantizer(), &codes, drawn, grid);
            let pixels = tokenizer.decode_vectors(&vectors, &mut |_, _| ()).unwrap();
            rgb_image(&pixels, unit_byte).unwrap()
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
        let hidden = encoder.forward(&map(&picture), &mut |_, _| ()).unwrap();
        let recorded = expected.get("encode_hidden");
        expected.comparison("encode_hidden", 2e-4).tensor(&planes(&hidden), recorded);
        let codes = tokenizer.quantizer().quantize_grid(&hidden).unwrap();
        assert_eq!(codes, expected.get("encode_indices").ids());
    }
}
