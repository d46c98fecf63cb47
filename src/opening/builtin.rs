//! The model inside the binary: `assets/emoji-scenes`, opened by the code that opens SimpleAR.
//!
//! Nothing here knows the model's sizes or words; another model with the same files takes its place.

use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::compute::precision::Precision;
use crate::compute::weights::{HeadRows, Weights};
use crate::models::card::{Conditions, Model, ModelCard, ModelDefaults, ModelIdentity};
use crate::models::decoder::Decoder;
use crate::models::simple_ar::decoder::{Qwen2, Qwen2Config};
use crate::prompts::book::PromptBook;
use crate::prompts::grammar::Grammar;
use crate::prompts::template::PromptTemplate;
use crate::sampling::Sampling;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::conv_fsq::{self, ConvFsq, ConvFsqConfig};
use crate::tokenizers::layers::network::Network;
use candle_core::{DType, Device};
use candle_nn::VarBuilder;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Tensors are copied out of the binary in one piece only if they are aligned there.
#[repr(C, align(64))]
struct Aligned<Bytes: ?Sized>(Bytes);

static DECODER: &Aligned<[u8]> =
    &Aligned(*include_bytes!("../../assets/emoji-scenes/model.safetensors"));
static IMAGE_TOKENIZER: &Aligned<[u8]> =
    &Aligned(*include_bytes!("../../assets/emoji-scenes/image_tokenizer.safetensors"));
static CONFIG: &[u8] = include_bytes!("../../assets/emoji-scenes/config.json");
static TOKENIZER: &[u8] = include_bytes!("../../assets/emoji-scenes/tokenizer.json");
static IMAGE_TOKENIZER_CONFIG: &[u8] =
    include_bytes!("../../assets/emoji-scenes/image_tokenizer.json");
static GRAMMAR: &[u8] = include_bytes!("../../assets/emoji-scenes/grammar.json");

/// The decoder's weights are bf16 in the file: exact, and half the memory traffic of f32.
pub const PRECISION: Precision = Precision::Bf16;

/// Other devices round what bf16 weights multiply. In f32 they draw what the CPU draws.
const PRECISION_ON_A_DEVICE: Precision = Precision::F32;

/// Loads the built-in model.
///
/// # Errors
/// The embedded files contradict each other, which only a faulty build can cause.
pub fn load() -> Result<Model, ModelError> {
    load_on(DeviceKind::Cpu)
}

/// [`load`] with the decoder on a device.
///
/// # Errors
/// Those of [`DeviceKind::open`], too.
pub fn load_on(kind: DeviceKind) -> Result<Model, ModelError> {
    let device = kind.open()?;
    let precision = if kind == DeviceKind::Cpu { PRECISION } else { PRECISION_ON_A_DEVICE };
    std::thread::scope(|scope| {
        let sha256 = scope.spawn(weights_sha256);
        let tokenizer = scope.spawn(load_image_tokenizer);
        let decoder = load_decoder(&device, HeadRows::Codes, precision)?;
        let panicked = |_| ModelError::Internal("loading the built-in model failed");
        let tokenizer = tokenizer.join().map_err(panicked)??;
        let sha256 = sha256.join().map_err(panicked)?;
        assemble(decoder, tokenizer, sha256, (kind, precision))
    })
}

fn assemble(
    decoder: Qwen2,
    tokenizer: ConvFsq,
    sha256: String,
    (device, precision): (DeviceKind, Precision),
) -> Result<Model, ModelError> {
    let side = image_tokenizer_config()?.grid_side();
    let card = ModelCard {
        identity: ModelIdentity {
            name: "Emoji scenes".into(),
            family: "SimpleAR".into(),
            sha256,
            precision,
            device,
        },
        decoder: decoder.info().clone(),
        tokenizer: tokenizer.info().clone(),
        layout: TokenLayout::raster(side, side),
        conditions: Conditions::Prompts(decoder.prompts().clone()),
        defaults: defaults(),
        live: true,
    };
    Ok(Model { card: Arc::new(card), decoder: Box::new(decoder), tokenizer: Box::new(tokenizer) })
}

/// Settings that the window starts with, for the model inside the program and for its files on disk.
pub fn defaults() -> ModelDefaults {
    ModelDefaults {
        guidance_scale: 4.0,
        cosine_power: 1.4,
        authors_schedule: None,
        repetition_penalty: 1.0,
        sampling: Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed: 3 },
        source: "γ 4 shows what guidance does; the model's README suggests γ 2 for the cleanest \
                 pictures."
            .into(),
    }
}

/// Loads only the decoder, with a head and a precision of choice; golden tests compare the whole
/// vocabulary.
///
/// # Errors
/// Those of [`load`].
pub fn load_decoder(
    device: &Device,
    head_rows: HeadRows,
    precision: Precision,
) -> Result<Qwen2, ModelError> {
    let config = Qwen2Config::parse(CONFIG)?;
    let image = image_tokenizer_config()?;
    let grammar: Grammar = serde_json::from_slice(GRAMMAR)
        .map_err(|error| ModelError::Config(format!("grammar.json: {error}")))?;
    let image_tokens = image.grid_side() * image.grid_side();
    let limit = config.max_position_embeddings.saturating_sub(image_tokens);
    let template = PromptTemplate::markers("<|t2i|>", "<|soi|>");
    let prompts = PromptBook::new(TOKENIZER, template, limit, Some(grammar))?;
    let weights = embedded(&DECODER.0, precision)?.on(device);
    Qwen2::load(&config, image.codebook_size as usize, head_rows, &weights, Arc::new(prompts))
}

/// Loads only the image tokenizer's decoder.
///
/// # Errors
/// Those of [`load`].
pub fn load_image_tokenizer() -> Result<ConvFsq, ModelError> {
    conv_fsq::load_decoder(
        &image_tokenizer_config()?,
        &embedded(&IMAGE_TOKENIZER.0, Precision::F32)?,
    )
}

/// Loads only the image tokenizer's encoder, which decoding does not need.
///
/// # Errors
/// Those of [`load`].
pub fn load_image_encoder() -> Result<Network, ModelError> {
    conv_fsq::load_encoder(
        &image_tokenizer_config()?,
        &embedded(&IMAGE_TOKENIZER.0, Precision::F32)?,
    )
}

fn image_tokenizer_config() -> Result<ConvFsqConfig, ModelError> {
    ConvFsqConfig::parse(IMAGE_TOKENIZER_CONFIG)
}

fn embedded(bytes: &'static [u8], precision: Precision) -> Result<Weights<'static>, ModelError> {
    let builder = VarBuilder::from_slice_safetensors(bytes, DType::F32, &Device::Cpu)?;
    Ok(Weights::new(builder, precision))
}

fn weights_sha256() -> String {
    let mut hash = Sha256::new();
    hash.update(&DECODER.0);
    hash.update(&IMAGE_TOKENIZER.0);
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_card_describes_the_embedded_files() {
        let model = load().unwrap();
        let card = &model.card;
        assert_eq!(card.decoder.codebook_size, card.tokenizer.codebook_size);
        assert_eq!(card.identity.sha256.len(), 64);
        let Conditions::Prompts(book) = &card.conditions else { panic!("no prompts") };
        for seed in 0..200 {
            let prompt = book.random_prompt(seed).unwrap();
            let check = book.check(&prompt).unwrap();
            assert!(check.unknown_words.is_empty() && check.tokens <= check.limit, "{prompt}");
        }
    }
}
