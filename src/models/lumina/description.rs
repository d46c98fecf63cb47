//! Description of Lumina-mGPT 2.0: the settings of its README and program, the names of its
//! downloads. The repository on Hugging Face is from memory of the authors' pages and was not compared
//! with a download.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::generation_config::GenerationConfig;
use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::{Listing, refuse_unread};
use crate::checkpoint::text_tokenizer;
use crate::compute::error::ModelError;
use crate::compute::transformer::{CodeRange, TransformerLayers};
use crate::models::card::{AuthorsSchedule, Conditions, ModelDefaults};
use crate::models::family::{
    CompanionNeed, Conditioning, DecoderDescription, DecoderFamily, DecoderGeometry, DecoderPart,
    Download, GridGuess, GridSource, ImageCodes, LoadedDecoder, Role, room_for_prompt,
};
use crate::models::lumina::config::LuminaConfig;
use crate::models::lumina::decoder::Lumina;
use crate::models::lumina::image_size::{ImageSize, PIXELS_PER_CODE};
use crate::prompts::book::PromptBook;
use crate::tokenizers;
use std::sync::Arc;

/// The family.
pub static FAMILY: DecoderFamily = DecoderFamily {
    signature: Signature {
        family: "Lumina-mGPT",
        tensor: "model.layers.0.self_attn.q_norm.bias",
        typical: TYPICAL,
    },
    tokenizers: &[&tokenizers::movq::description::FAMILY],
    downloads: &[Download {
        models: "Lumina-mGPT 2.0",
        decoder: "folder of the model",
        companions: "movqgan_270M.ckpt",
    }],
    square_grid: false,
    note_on_config: FolderConfig::note_on_unknown_keys::<LuminaConfig>,
    describe,
    load,
};

const TYPICAL: &[&str] = &[
    "model.embed_tokens.weight",
    "model.layers.#.self_attn.q_proj.weight",
    "model.layers.#.self_attn.q_norm.weight",
    "model.layers.#.self_attn.q_norm.bias",
    "model.layers.#.mlp.gate_proj.weight",
    "model.layers.#.input_layernorm.weight",
    "model.norm.weight",
    "lm_head.weight",
];

const MOVQGAN: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    file_names: &["movqgan_270M.ckpt"],
    below: &[],
    repositories: &["ai-forever/MoVQGAN"],
    source: "download it from the MoVQGAN repository that the Lumina-mGPT 2.0 README names and put it beside the model",
};

/// The published size.
const PUBLISHED_NAME: &str = "Lumina-mGPT 2.0";
const PUBLISHED_SIZE: (usize, usize) = (4096, 32);
/// Vocabulary and codes of the published model: the codes end the vocabulary but for one placeholder.
const PUBLISHED_VOCABULARY: usize = 171_385;
const PUBLISHED_CODES: usize = 16_384;
/// Side of the grid of 768 pixels.
const PUBLISHED_SIDE: usize = 96;

/// Seed of the first picture; the program draws any.
const SEED: u64 = 7;

/// What begins a sequence if `tokenizer_config.json` does not say otherwise: Qwen's end of text.
const DEFAULT_BEGIN: &str = "<|endoftext|>";

fn describe(headers: &Headers<'_>) -> Result<DecoderDescription, ModelError> {
    let Headers { shapes, config: beside, .. } = *headers;
    let config = LuminaConfig::from_shapes(shapes, beside)?;
    let options = config.options(shapes.contains("lm_head.weight"))?;
    options.validate()?;
    let codes = (config.vocab_size == PUBLISHED_VOCABULARY).then_some(PUBLISHED_CODES);
    let conditioning = Conditioning::Prompt { text_tokens: beside.text_tokens() };
    let geometry = DecoderGeometry::of_transformer(&options, codes, conditioning);
    let name = match (geometry.hidden, geometry.layers) {
        PUBLISHED_SIZE => PUBLISHED_NAME.to_string(),
        _ => format!("Lumina-mGPT ({})", geometry.sizes()),
    };
    let tensors = Listing::of(|source| TransformerLayers::load(source, &options, 0..0))?;
    refuse_unread(&tensors, shapes, "model.layers.")?;
    Ok(DecoderDescription {
        name,
        geometry,
        tensors,
        companions: vec![MOVQGAN],
        grid: GridGuess::square(PUBLISHED_SIDE, GridSource::Guess),
    })
}

fn load(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let (rows, columns) = part.grid;
    let config: LuminaConfig = part.headers.config.required()?;
    let ImageCodes { source, count, pixels_per_token } = part.codes;
    if let Some(side) = pixels_per_token.filter(|&side| side != PIXELS_PER_CODE) {
        return Err(ModelError::Config(format!(
            "Lumina-mGPT draws {PIXELS_PER_CODE} pixels a token and {source} draws {side}; choose the \
             image tokenizer it was trained with"
        )));
    }
    let size = ImageSize { width: columns * PIXELS_PER_CODE, height: rows * PIXELS_PER_CODE };
    // The codes end the vocabulary but for one placeholder row.
    let offset = config.vocab_size.checked_sub(count + 1).ok_or_else(|| {
        ModelError::Config(format!(
            "a vocabulary of {} has no room for the {count} codes of {source}; choose the image \
             tokenizer it was trained with",
            config.vocab_size
        ))
    })?;
    let limit = room_for_prompt(config.max_position_embeddings, size.tokens())?;
    let text = text_tokenizer::required(part.folder)?;
    let template = size.template(&begin_token(part.folder)?);
    let prompts = Arc::new(PromptBook::new(&text, template, limit, None)?);
    let codes = CodeRange { offset, count };
    let decoder = Lumina::load(&config, codes, size, &part.weights, prompts.clone())?;
    let generation = GenerationConfig::of(part.folder)?;
    Ok(LoadedDecoder {
        layout: decoder.layout().clone(),
        decoder: Box::new(decoder),
        conditions: Conditions::Prompts(prompts),
        defaults: defaults(size, &generation),
    })
}

/// Settings of Lumina-mGPT 2.0's README.
fn defaults(size: ImageSize, generation: &GenerationConfig) -> ModelDefaults {
    let source = "Lumina-mGPT 2.0's README (scale 4, which its own schedule keeps constant).";
    let source = source.to_owned() + &generation.ignored(true);
    let schedule = AuthorsSchedule {
        rule: size.scale_rule(),
        description:
            "Decays from γ to 4 within the first rows and stays there; any γ from 1 to 4 is 4 \
                      at once, and 1 itself is no guidance."
                .into(),
        source: "Lumina-mGPT 2.0's program".into(),
    };
    ModelDefaults::new(4.0, 0.0, SEED, &source).with_top_k(4096).with_schedule(schedule)
}

/// The tokenizer's begin token or, if it has none, its end token.
///
/// # Errors
/// A `tokenizer_config.json` that cannot be read.
pub fn begin_token(folder: &ModelFolder) -> Result<String, ModelError> {
    let Some(json) = folder.json::<serde_json::Value>("tokenizer_config.json")? else {
        return Ok(DEFAULT_BEGIN.into());
    };
    let name = |key: &str| {
        let token = json.get(key)?;
        token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
    };
    Ok(name("bos_token").or_else(|| name("eos_token")).unwrap_or_else(|| DEFAULT_BEGIN.into()))
}
