//! Description of SimpleAR: the texts and settings of its generator, the names of its downloads; and
//! the built-in model, whose folder has the same layout and an `image_tokenizer.json`.
//!
//! The repositories on Hugging Face are from memory of the authors' pages and were not compared with a
//! download.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::generation_config::GenerationConfig;
use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::{Listing, refuse_unread};
use crate::checkpoint::text_tokenizer;
use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::compute::transformer::TransformerLayers;
use crate::guidance::schedule::ScaleRule;
use crate::models::card::{AuthorsSchedule, Conditions, ModelDefaults};
use crate::models::family::{
    CompanionNeed, Conditioning, DecoderDescription, DecoderFamily, DecoderGeometry, DecoderPart,
    Download, GridGuess, GridSource, LoadedDecoder, Role, room_for_prompt,
};
use crate::models::simple_ar::config::Qwen2Config;
use crate::models::simple_ar::decoder::Qwen2;
use crate::prompts::book::PromptBook;
use crate::prompts::template::{AlternativePrompt, PromptTemplate};
use crate::tokenizers::{conv_fsq, cosmos};
use std::sync::Arc;

/// The family.
pub static FAMILY: DecoderFamily = DecoderFamily {
    signature: Signature {
        family: "SimpleAR",
        tensor: "model.layers.0.self_attn.q_proj.bias",
        typical: TYPICAL,
    },
    tokenizers: &[&cosmos::description::FAMILY, &conv_fsq::description::FAMILY],
    downloads: &[Download {
        models: "SimpleAR",
        decoder: "folder of the model",
        companions: "decoder.jit of Cosmos DV 8×16×16",
    }],
    square_grid: false,
    note_on_config: FolderConfig::note_on_unknown_keys::<Qwen2Config>,
    describe,
    load,
};

const TYPICAL: &[&str] = &[
    "model.embed_tokens.weight",
    "model.layers.#.self_attn.q_proj.weight",
    "model.layers.#.self_attn.q_proj.bias",
    "model.layers.#.mlp.gate_proj.weight",
    "model.layers.#.input_layernorm.weight",
    "model.norm.weight",
];

const COSMOS: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    file_names: &["decoder.jit"],
    below: &[],
    repositories: &[
        "nvidia/Cosmos-1.0-Tokenizer-DV8x16x16",
        "nvidia/Cosmos-0.1-Tokenizer-DV8x16x16",
        "nvidia/Cosmos-Tokenizer-DV8x16x16",
    ],
    source: "download it from the Cosmos DV 8x16x16 repository that the SimpleAR README names and put it beside the model",
};
const BUILT_IN: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    file_names: &["image_tokenizer.safetensors"],
    below: &[],
    repositories: &[],
    source: "copy it from the folder that model.safetensors came from and put it beside the model",
};

/// Markers around a prompt.
const BEGIN: &str = "<|t2i|>";
const END: &str = "<|soi|>";

/// Side of the grid of 1024 pixels: the fine-tuned checkpoints know no other row width.
const PUBLISHED_SIDE: usize = 64;
/// Side of the grid of 256 pixels, which other models of the family draw.
const OTHER_SIDE: usize = 16;

/// Seed of the first picture; the generator draws any.
const SEED: u64 = 7;

fn describe(headers: &Headers<'_>) -> Result<DecoderDescription, ModelError> {
    let Headers { shapes, config: beside, .. } = *headers;
    let config = Qwen2Config::from_shapes(shapes, beside)?;
    let options = config.options(shapes.contains("lm_head.weight"))?;
    options.validate()?;
    // The tokenizer beside the weights tells where the codes begin.
    let codes = match beside.text_tokens() {
        Some(text) => config.vocab_size.checked_sub(text),
        None => (config.vocab_size > cosmos::CODES).then_some(cosmos::CODES),
    };
    let codes = codes.filter(|&codes| codes > 0);
    let conditioning = Conditioning::Prompt { text_tokens: beside.text_tokens() };
    let geometry = DecoderGeometry::of_transformer(&options, codes, conditioning);
    let name = if beside.has_image_tokenizer() {
        format!("Built-in layout ({})", geometry.sizes())
    } else {
        config.name(codes)
    };
    let side = match trained_side(beside) {
        Some(side) => side,
        None if codes == Some(cosmos::CODES) => PUBLISHED_SIDE,
        None => OTHER_SIDE,
    };
    let tensors = Listing::of(|source| TransformerLayers::load(source, &options, 0..0))?;
    refuse_unread(&tensors, shapes, "model.layers.")?;
    Ok(DecoderDescription {
        name,
        geometry,
        tensors,
        companions: vec![if config.vocab_size < cosmos::CODES { BUILT_IN } else { COSMOS }],
        grid: GridGuess::square(side, GridSource::Guess),
    })
}

/// Side of the grid that the image tokenizer beside the weights was trained for.
fn trained_side(beside: &FolderConfig) -> Option<usize> {
    let pixels = beside.image_tokenizer_size("image_size")?;
    Some(pixels / beside.image_tokenizer_size("downsample")?).filter(|&side| side > 0)
}

fn load(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let (rows, columns) = part.grid;
    let config: Qwen2Config = part.headers.config.required()?;
    let limit = room_for_prompt(config.max_position_embeddings, rows * columns)?;
    let (template, grammar, drawn_well, defaults) = if part.headers.config.has_image_tokenizer() {
        let grammar = part.folder.json("grammar.json")?;
        let drawn_well = part.folder.json("drawn_well.json")?.unwrap_or_default();
        (PromptTemplate::markers(BEGIN, END), grammar, drawn_well, built_in_defaults())
    } else {
        let generation = GenerationConfig::of(part.folder)?;
        (template(), None, Vec::new(), defaults(&generation))
    };
    let text = text_tokenizer::required(part.folder)?;
    let prompts = PromptBook::new(&text, template, limit, grammar)?.with_drawn_well(drawn_well);
    let prompts = Arc::new(prompts);
    let decoder = Qwen2::load(&config, part.codes.count, &part.weights, prompts.clone())?;
    Ok(LoadedDecoder {
        decoder: Box::new(decoder),
        layout: TokenLayout::raster(rows, columns),
        conditions: Conditions::Prompts(prompts),
        defaults,
    })
}

/// What SimpleAR puts around a prompt (its generator's texts).
pub fn template() -> PromptTemplate {
    let negative = "An image of aerial view, overexposed, low quality, deformation, a poor \
                    composition, bad hands, bad teeth, bad eyes, bad limbs, distortion";
    PromptTemplate {
        before: format!("{BEGIN}A highly realistic image of "),
        after: END.into(),
        unconditional: format!("{BEGIN}{negative}{END}"),
        unconditional_shown: negative.into(),
        // What training leaves where it drops the caption: nothing between the markers.
        alternative_unconditional: Some(AlternativePrompt {
            text: String::new(),
            name: "None, as in training".into(),
        }),
        before_negative: BEGIN.into(),
        ..PromptTemplate::default()
    }
}

/// Settings of SimpleAR's generator, with the penalty of the folder's `generation_config.json`.
fn defaults(generation: &GenerationConfig) -> ModelDefaults {
    let mut source = String::from(
        "SimpleAR's generator (constant scale); its top-k of 64 000 keeps every code.",
    );
    if let Some(penalty) = generation.repetition_penalty {
        source += &format!(" Repetition penalty {penalty} from generation_config.json.");
    }
    source += &generation.ignored(false);
    let schedule = AuthorsSchedule {
        rule: ScaleRule::Constant,
        description: "The same scale γ at every step.".into(),
        source: "SimpleAR's generator".into(),
    };
    ModelDefaults {
        repetition_penalty: generation.penalty(),
        ..ModelDefaults::new(6.0, 0.0, SEED, &source).with_schedule(schedule)
    }
}

/// Settings that the window starts with, for the model inside the program and for its files on disk.
fn built_in_defaults() -> ModelDefaults {
    let source = "this program's measurement (cargo bench --bench fidelity): the largest γ that draws \
                  as well as γ 2, at the temperature that suits the model.";
    ModelDefaults::new(3.0, 1.4, 11, source).with_temperature(0.5)
}
