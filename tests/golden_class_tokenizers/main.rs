//! The image tokenizers of AliTok, RAR and LlamaGen against the authors' programs, on miniatures with
//! random weights (README-alitok-rar-paper.md and README-llamagen.md in tests/golden).

#[path = "../golden_models_class/mod.rs"]
mod golden_models_class;
mod llamagen;
#[path = "../test_device/mod.rs"]
mod test_device;

use candle_core::{DType, Device, Tensor};
use candle_nn::{Module, VarBuilder};
use golden_models_class::golden_folder::folders_with;
use golden_models_class::{Array, Expected, json, var_builder};
use image::RgbImage;
use serde_json::Value;
use softcfg_studio::checkpoint::shapes::TensorShapes;
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::tokenizers::ImageTokenizer;
use softcfg_studio::tokenizers::alitok::{AlitokEncoder, AlitokTokenizer, AlitokTokenizerConfig};
use softcfg_studio::tokenizers::blocks::{
    NormStyle, PixelAttention, ResidualBlock, ResidualStyle, Shortcut, convolution, downsample,
    downsample_convolution, upsample,
};
use softcfg_studio::tokenizers::codebook::Codebook;
use softcfg_studio::tokenizers::llamagen_vq::{LlamagenVq, LlamagenVqConfig, LlamagenVqEncoder};
use softcfg_studio::tokenizers::maskgit_vqgan::{
    MaskgitVqgan, MaskgitVqganConfig, MaskgitVqganEncoder,
};
use softcfg_studio::tokenizers::partial::to_channels;
use softcfg_studio::tokenizers::pixels::{rgb_image, signed_byte, unit_byte};
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
