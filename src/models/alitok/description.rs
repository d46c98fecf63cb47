//! Description of AliTok: the tables of its README and sampling configurations, the file names of
//! its downloads.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::models::alitok::config::AlitokConfig;
use crate::models::alitok::decoder::AlitokDecoder;
use crate::models::card::{AuthorsSchedule, Conditions, ModelDefaults};
use crate::models::family::{
    CompanionNeed, Conditioning, DecoderDescription, DecoderFamily, DecoderGeometry, DecoderPart,
    Download, GridGuess, GridSource, LoadedDecoder, Role,
};
use crate::tokenizers;

/// The family.
pub static FAMILY: DecoderFamily = DecoderFamily {
    signature: Signature { family: "AliTok", tensor: "blocks.0.mlp.w1.weight", typical: TYPICAL },
    tokenizers: &[&tokenizers::alitok::description::FAMILY],
    downloads: &[Download { models: "AliTok", decoder: "alitok_*.bin", companions: "AliTok.pth" }],
    square_grid: false,
    note_on_config: |_| None,
    describe,
    load,
};

const TYPICAL: &[&str] = &[
    "embeddings.weight",
    "blocks.#.attn.qkv.weight",
    "blocks.#.attn.q_norm.weight",
    "blocks.#.mlp.w1.weight",
    "blocks.#.mlp.w2.weight",
    "blocks.#.mlp.w3.weight",
    "norm.weight",
    "output.weight",
];

const TOKENIZER: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    file_names: &["AliTok.pth"],
    below: &[],
    repositories: &[],
    source: "download it from the Google Drive folder linked from the AliTok README (section \"Download Trained Models\") and put it beside the model",
};

/// A published size and the settings that its authors sample with.
struct PublishedSize {
    name: &'static str,
    hidden_size: usize,
    layers: usize,
    guidance_scale: f32,
    cosine_power: f32,
    seed: u64,
    source: &'static str,
}

const PUBLISHED: [PublishedSize; 3] = [
    PublishedSize {
        name: "AliTok-B",
        hidden_size: 768,
        layers: 24,
        guidance_scale: 16.0,
        cosine_power: 1.8,
        seed: 42,
        source: "AliTok's sampling configuration for B (CFG).",
    },
    PublishedSize {
        name: "AliTok-L",
        hidden_size: 1024,
        layers: 24,
        guidance_scale: 6.0,
        cosine_power: 0.7,
        seed: 42,
        source: "AliTok's sampling configuration for L (CFG).",
    },
    PublishedSize {
        name: "AliTok-XL",
        hidden_size: 1280,
        layers: 32,
        guidance_scale: 13.0,
        cosine_power: 1.4,
        seed: 2,
        source: "AliTok's sampling configuration for XL (CFG); SoftCFG's README takes γ 9 and k 1.5 with \
                 step norm.",
    },
];

/// Codes of the published sizes.
const PUBLISHED_CODES: usize = 4096;

fn published(config: &AlitokConfig) -> Option<&'static PublishedSize> {
    let size = (config.hidden_size, config.num_hidden_layers);
    PUBLISHED.iter().find(|published| (published.hidden_size, published.layers) == size)
}

fn describe(headers: &Headers<'_>) -> Result<DecoderDescription, ModelError> {
    let config = AlitokConfig::from_shapes(headers.shapes, headers.config)?;
    let AttentionShape { heads, kv_heads, head_dim } = config.attention();
    let geometry = DecoderGeometry {
        hidden: config.hidden_size,
        layers: config.num_hidden_layers,
        heads,
        kv_heads,
        head_dim,
        inner: config.ffn_hidden,
        vocabulary: config.entries(),
        codebook_size: Some(config.codebook_size),
        conditioning: Conditioning::Classes(config.condition_num_classes),
        image_tokens: Some(config.image_tokens()),
        planned_prefix: 1,
        tied: false,
    };
    let name = match published(&config).filter(|_| config.codebook_size == PUBLISHED_CODES) {
        Some(published) => published.name.to_string(),
        None => format!("AliTok ({})", geometry.sizes()),
    };
    Ok(DecoderDescription {
        name,
        geometry,
        tensors: config.tensors()?,
        companions: vec![TOKENIZER],
        grid: GridGuess::square(config.grid, GridSource::Weights),
    })
}

fn load(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let config = AlitokConfig::from_shapes(part.headers.shapes, part.headers.config)?;
    Ok(LoadedDecoder {
        layout: config.layout(),
        conditions: Conditions::classes(config.condition_num_classes),
        defaults: defaults(&config),
        decoder: Box::new(AlitokDecoder::load(&part.weights, config)?),
    })
}

fn defaults(config: &AlitokConfig) -> ModelDefaults {
    let [smallest, ..] = &PUBLISHED;
    let (size, source) = match published(config) {
        Some(size) => (size, size.source),
        None => (smallest, "AliTok's for B; nothing is published for this size."),
    };
    ModelDefaults::new(size.guidance_scale, size.cosine_power, size.seed, source)
        .with_schedule(AuthorsSchedule::program_cosine("AliTok"))
}
