//! Description of RAR, and of RobusTok's variant, whose files have the same names but other codes: the
//! tables of their READMEs and configurations, the names of their downloads.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::models::card::{AuthorsSchedule, Conditions, ModelDefaults};
use crate::models::family::{
    CompanionNeed, Conditioning, DecoderDescription, DecoderFamily, DecoderGeometry, DecoderPart,
    Download, GridGuess, GridSource, LoadedDecoder, Role,
};
use crate::models::rar::config::RarConfig;
use crate::models::rar::decoder::{PREFIX_LEN, RarDecoder};
use crate::tokenizers;

/// The family.
pub static FAMILY: DecoderFamily = DecoderFamily {
    signature: Signature { family: "RAR", tensor: "target_aware_pos_embed", typical: TYPICAL },
    tokenizers: &[&tokenizers::maskgit_vqgan::description::FAMILY],
    downloads: &[Download {
        models: "RAR",
        decoder: "rar_*.bin",
        companions: "maskgit-vqgan-imagenet-f16-256.bin",
    }],
    square_grid: false,
    note_on_config: |_| None,
    describe,
    load,
};

const TYPICAL: &[&str] = &[
    "embeddings.weight",
    "pos_embed",
    "target_aware_pos_embed",
    "timesteps_embeddings",
    "blocks.#.attn.qkv.weight",
    "blocks.#.adaLN_modulation.#.weight",
    "blocks.#.mlp.fc1.weight",
    "lm_head.weight",
];

const TOKENIZER: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    file_names: &["maskgit-vqgan-imagenet-f16-256.bin"],
    below: &[],
    repositories: &["fun-research/TiTok"],
    source: "download it from the Hugging Face model repository fun-research/TiTok and put it beside the model",
};

const ROBUSTOK_TOKENIZER: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    file_names: &["main-train.pt", "post-train.pt"],
    below: &[],
    repositories: &["qiuk6/RobusTok"],
    source: "it is published in the Hugging Face model repository qiuk6/RobusTok and not of a kind that this \
             program reads, so open the RAR of yucornetto/RAR instead",
};

/// A published size and, where they are published, the settings that its authors sample with.
struct PublishedSize {
    name: &'static str,
    hidden_size: usize,
    layers: usize,
    codes: usize,
    settings: Option<Settings>,
}

struct Settings {
    guidance_scale: f32,
    cosine_power: f32,
    temperature: f32,
    source: &'static str,
}

const fn size(
    name: &'static str,
    (hidden_size, layers): (usize, usize),
    codes: usize,
    settings: Option<Settings>,
) -> PublishedSize {
    PublishedSize { name, hidden_size, layers, codes, settings }
}

const fn settings(
    guidance_scale: f32,
    cosine_power: f32,
    temperature: f32,
    source: &'static str,
) -> Settings {
    Settings { guidance_scale, cosine_power, temperature, source }
}

const RAR_CODES: usize = 1024;
const ROBUSTOK_CODES: usize = 4096;

const RAR_B: Settings = settings(16.0, 2.75, 1.0, "RAR's README and configuration for B.");
const RAR_L: Settings = settings(15.5, 2.5, 1.02, "RAR's README for L.");
const RAR_XL: Settings = settings(6.9, 1.5, 1.02, "RAR's README for XL.");
const RAR_XXL: Settings = settings(8.0, 1.2, 1.02, "RAR's README for XXL.");
const ROBUSTOK_L: Settings = settings(6.75, 1.01, 1.0, "RobusTok's configuration for RAR-L.");

const PUBLISHED: [PublishedSize; 6] = [
    size("RAR-B", (768, 24), RAR_CODES, Some(RAR_B)),
    size("RAR-L", (1024, 24), RAR_CODES, Some(RAR_L)),
    size("RAR-XL", (1280, 32), RAR_CODES, Some(RAR_XL)),
    size("RAR-XXL", (1408, 40), RAR_CODES, Some(RAR_XXL)),
    size("RobusTok RAR-B", (768, 24), ROBUSTOK_CODES, None),
    size("RobusTok RAR-L", (1024, 24), ROBUSTOK_CODES, Some(ROBUSTOK_L)),
];

/// For sizes without published settings.
const QUICK_START: Settings = settings(
    4.0,
    0.0,
    1.0,
    "RAR's quick start (constant scale); nothing is published for this size.",
);

fn published(config: &RarConfig) -> Option<&'static PublishedSize> {
    let size = (config.hidden_size, config.num_hidden_layers, config.codebook_size);
    PUBLISHED.iter().find(|known| (known.hidden_size, known.layers, known.codes) == size)
}

fn describe(headers: &Headers<'_>) -> Result<DecoderDescription, ModelError> {
    let config = RarConfig::from_shapes(headers.shapes, headers.config)?;
    let AttentionShape { heads, kv_heads, head_dim } = config.attention();
    let geometry = DecoderGeometry {
        hidden: config.hidden_size,
        layers: config.num_hidden_layers,
        heads,
        kv_heads,
        head_dim,
        inner: config.intermediate_size,
        vocabulary: config.entries(),
        codebook_size: Some(config.codebook_size),
        conditioning: Conditioning::Classes(config.condition_num_classes),
        image_tokens: Some(config.image_seq_len),
        planned_prefix: PREFIX_LEN,
        tied: false,
    };
    let name = match published(&config) {
        Some(published) => published.name.to_string(),
        None => format!("RAR ({})", geometry.sizes()),
    };
    let of_robustok = config.codebook_size == ROBUSTOK_CODES;
    Ok(DecoderDescription {
        name,
        geometry,
        tensors: config.tensors()?,
        companions: vec![if of_robustok { ROBUSTOK_TOKENIZER } else { TOKENIZER }],
        grid: GridGuess::square(config.grid(), GridSource::Weights),
    })
}

fn load(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let config = RarConfig::from_shapes(part.headers.shapes, part.headers.config)?;
    Ok(LoadedDecoder {
        layout: config.layout(),
        conditions: Conditions::classes(config.condition_num_classes),
        defaults: defaults(&config),
        decoder: Box::new(RarDecoder::load(&part.weights, config)?),
    })
}

fn defaults(config: &RarConfig) -> ModelDefaults {
    let settings = published(config).and_then(|published| published.settings.as_ref());
    let Settings { guidance_scale, cosine_power, temperature, source } =
        settings.unwrap_or(&QUICK_START);
    let of_robustok = config.codebook_size == ROBUSTOK_CODES;
    ModelDefaults::new(*guidance_scale, *cosine_power, 0, source)
        .with_temperature(*temperature)
        .with_schedule(AuthorsSchedule::program_cosine(if of_robustok {
            "RobusTok"
        } else {
            "RAR"
        }))
}
