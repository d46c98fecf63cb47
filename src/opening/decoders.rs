//! The table of decoders: family to loader. A family adds its function and its line in [`load`].

use crate::checkpoint::read_file::read_file;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::compute::transformer::CodeRange;
use crate::compute::weights::{HeadRows, Weights};
use crate::models::alitok::config::AlitokConfig;
use crate::models::alitok::decoder::AlitokDecoder;
use crate::models::card::{Conditions, ModelDefaults};
use crate::models::decoder::Decoder;
use crate::models::defaults;
use crate::models::generation_config::GenerationConfig;
use crate::models::llamagen::config::LlamagenConfig;
use crate::models::llamagen::decoder::LlamagenDecoder;
use crate::models::lumina::decoder::{ImageSize, Lumina, LuminaConfig, begin_token};
use crate::models::rar::config::RarConfig;
use crate::models::rar::decoder::RarDecoder;
use crate::models::simple_ar::decoder::{Qwen2, Qwen2Config, simple_ar_template};
use crate::opening::builtin;
use crate::opening::captions::Captions;
use crate::opening::identify::{Family, Identified};
use crate::opening::inspect::Opened;
use crate::prompts::book::PromptBook;
use crate::prompts::imagenet;
use crate::prompts::template::PromptTemplate;
use crate::tokenizers::TokenizerInfo;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything a decoder is loaded from.
pub(super) struct DecoderPart<'a> {
    pub(super) identified: &'a Identified,
    pub(super) shapes: TensorShapes,
    pub(super) weights: Weights<'static>,
    pub(super) folder: PathBuf,
    /// Rows and columns: asked for, or guessed.
    pub(super) grid: Option<(usize, usize)>,
    pub(super) tokenizer: &'a TokenizerInfo,
    pub(super) text_encoder: Option<Opened>,
}

/// A decoder with what its card needs.
pub(super) struct LoadedDecoder {
    pub(super) decoder: Box<dyn Decoder>,
    pub(super) layout: TokenLayout,
    pub(super) conditions: Conditions,
    pub(super) defaults: ModelDefaults,
}

/// Loads a decoder of any family.
///
/// # Errors
/// Weights, configuration or grid that are damaged or do not fit each other.
pub(super) fn load(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    match part.identified.family {
        Family::AliTok => alitok(part),
        Family::Rar => rar(part),
        Family::LlamaGen => llamagen(part),
        Family::SimpleAr => simple_ar(part),
        Family::Lumina => lumina(part),
        _ => Err(ModelError::Internal("an image tokenizer was taken for a decoder")),
    }
}

/// Sizes from `config.json` in `folder` if it is this family's, else from the shapes of the tensors:
/// the published class models come without one, and a folder of downloads may hold another's.
///
/// # Errors
/// Those of `from_shapes`.
pub(super) fn sizes<C: DeserializeOwned>(
    folder: &Path,
    from_shapes: impl FnOnce() -> Result<C, ModelError>,
) -> Result<C, ModelError> {
    let path = folder.join("config.json");
    let config = path.is_file().then(|| read_file(&path)).transpose()?;
    match config.and_then(|text| serde_json::from_slice(&text).ok()) {
        Some(config) => Ok(config),
        None => from_shapes(),
    }
}

fn classes(count: usize) -> Conditions {
    Conditions::Classes(Arc::new(imagenet::classes_of(count)))
}

fn alitok(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let config = sizes(&part.folder, || AlitokConfig::from_shapes(&part.shapes))?;
    let (layout, defaults) = (config.layout(), config.defaults());
    let conditions = classes(config.condition_num_classes);
    let decoder = Box::new(AlitokDecoder::load(&part.weights, config)?);
    Ok(LoadedDecoder { decoder, layout, conditions, defaults })
}

fn rar(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let config = sizes(&part.folder, || RarConfig::from_shapes(&part.shapes))?;
    let (layout, defaults) = (config.layout(), config.defaults());
    let conditions = classes(config.condition_num_classes);
    let decoder = Box::new(RarDecoder::load(&part.weights, config)?);
    Ok(LoadedDecoder { decoder, layout, conditions, defaults })
}

fn llamagen(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let (rows, columns) = part.grid.ok_or(ModelError::Internal("LlamaGen without a grid"))?;
    if rows != columns {
        return Err(ModelError::Config(format!(
            "LlamaGen draws square grids; choose {rows} × {rows} or {columns} × {columns}"
        )));
    }
    let mut config = sizes(&part.folder, || LlamagenConfig::from_shapes(&part.shapes, rows))?;
    config.grid = rows;
    let (layout, defaults) = (config.layout(), config.defaults());
    let (positions, number) = (config.cls_token_num, config.num_classes);
    let is_text = config.caption_dim.is_some();
    let decoder = LlamagenDecoder::load(&part.weights, config)?;
    if !is_text {
        let (decoder, conditions) = (Box::new(decoder), classes(number));
        return Ok(LoadedDecoder { decoder, layout, conditions, defaults });
    }
    let encoder =
        part.text_encoder.ok_or(ModelError::Internal("a caption model without text encoder"))?;
    let captions = Captions::new(&encoder, positions, part.weights.precision())?;
    let conditions = Conditions::Prompts(captions.prompts()?);
    let decoder = Box::new(decoder.with_caption_encoder(Arc::new(captions)));
    Ok(LoadedDecoder { decoder, layout, conditions, defaults })
}

/// SimpleAR, and folders in the form of the built-in model, which are told apart by the
/// `image_tokenizer.json` that only the latter has.
fn simple_ar(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let (rows, columns) = part.grid.ok_or(ModelError::Internal("SimpleAR without a grid"))?;
    let config = Qwen2Config::parse(&read_file(&part.folder.join("config.json"))?)?;
    let limit = room(config.max_position_embeddings, rows * columns)?;
    let (template, grammar, defaults) = if part.folder.join("image_tokenizer.json").is_file() {
        let path = part.folder.join("grammar.json");
        let grammar = path.is_file().then(|| read_file(&path)).transpose()?;
        let grammar = grammar.map(|text| {
            serde_json::from_slice(&text)
                .map_err(|error| ModelError::Config(format!("grammar.json: {error}")))
        });
        (PromptTemplate::markers("<|t2i|>", "<|soi|>"), grammar.transpose()?, builtin::defaults())
    } else {
        let generation = GenerationConfig::beside(&part.folder)?;
        (simple_ar_template(), None, defaults::simple_ar(&generation))
    };
    let text = read_file(&part.folder.join("tokenizer.json"))?;
    let prompts = Arc::new(PromptBook::new(&text, template, limit, grammar)?);
    let codes = part.tokenizer.codebook_size;
    let decoder = Qwen2::load(&config, codes, HeadRows::Codes, &part.weights, prompts.clone())?;
    Ok(LoadedDecoder {
        decoder: Box::new(decoder),
        layout: TokenLayout::raster(rows, columns),
        conditions: Conditions::Prompts(prompts),
        defaults,
    })
}

fn lumina(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let (rows, columns) = part.grid.ok_or(ModelError::Internal("Lumina without a grid"))?;
    let config = LuminaConfig::parse(&read_file(&part.folder.join("config.json"))?)?;
    let side = part.tokenizer.pixels_per_token;
    let size = ImageSize { width: columns * side, height: rows * side };
    if size.grid() != (rows, columns) {
        return Err(ModelError::Config(format!(
            "Lumina-mGPT draws 8 pixels a token and {} draws {side}; choose the image tokenizer it was \
             trained with",
            part.tokenizer.name
        )));
    }
    // The codes end the vocabulary but for one placeholder row (155 000 + c of 171 385 as published).
    let count = part.tokenizer.codebook_size;
    let offset = config.vocab_size.checked_sub(count + 1).ok_or_else(|| {
        ModelError::Config(format!(
            "a vocabulary of {} has no room for the {count} codes of {}; choose the image tokenizer it \
             was trained with",
            config.vocab_size, part.tokenizer.name
        ))
    })?;
    let limit = room(config.max_position_embeddings, size.tokens())?;
    let text = read_file(&part.folder.join("tokenizer.json"))?;
    let template = size.template(&begin_token(&part.folder)?);
    let prompts = Arc::new(PromptBook::new(&text, template, limit, None)?);
    let codes = CodeRange { offset, count };
    let decoder =
        Lumina::load(&config, codes, size, HeadRows::Codes, &part.weights, prompts.clone())?;
    let generation = GenerationConfig::beside(&part.folder)?;
    Ok(LoadedDecoder {
        layout: decoder.layout().clone(),
        decoder: Box::new(decoder),
        conditions: Conditions::Prompts(prompts),
        defaults: defaults::lumina(size, &generation),
    })
}

/// Positions left for a prompt.
fn room(positions: usize, image_tokens: usize) -> Result<usize, ModelError> {
    positions.checked_sub(image_tokens).filter(|&room| room > 0).ok_or_else(|| {
        ModelError::Config(format!(
            "{image_tokens} image tokens leave no room for a prompt in {positions} positions; choose a \
             smaller grid"
        ))
    })
}
