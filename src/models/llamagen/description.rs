//! Description of LlamaGen: the settings of its demonstration programs, the names of its downloads.
//! The repositories on Hugging Face are from memory of the authors' pages and were not compared with a
//! download.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::guidance::schedule::ScaleRule;
use crate::models::card::{AuthorsSchedule, Conditions, ModelDefaults};
use crate::models::family::{
    CompanionNeed, Conditioning, DecoderDescription, DecoderFamily, DecoderGeometry, DecoderPart,
    Download, GridGuess, GridSource, LoadedDecoder, Role,
};
use crate::models::llamagen::captions::Captions;
use crate::models::llamagen::config::{LlamagenConfig, OTHER_EVALUATION, PublishedSize};
use crate::models::llamagen::decoder::LlamagenDecoder;
use crate::tokenizers;
use std::sync::Arc;

/// The family.
pub static FAMILY: DecoderFamily = DecoderFamily {
    signature: Signature { family: "LlamaGen", tensor: "tok_embeddings.weight", typical: TYPICAL },
    tokenizers: &[&tokenizers::llamagen_vq::description::FAMILY],
    downloads: &[
        Download { models: "LlamaGen, classes", decoder: "c2i_*.pt", companions: "vq_ds16_c2i.pt" },
        Download {
            models: "LlamaGen, captions",
            decoder: "t2i_*.pt",
            companions: "vq_ds16_t2i.pt and folder flan-t5-xl",
        },
    ],
    square_grid: true,
    note_on_config: |_| None,
    describe,
    load,
};

const TYPICAL: &[&str] = &[
    "tok_embeddings.weight",
    "layers.#.attention.wqkv.weight",
    "layers.#.attention.wo.weight",
    "layers.#.attention_norm.weight",
    "layers.#.feed_forward.w1.weight",
    "norm.weight",
    "output.weight",
];

const VQ_CLASS: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    file_names: &["vq_ds16_c2i.pt", "vq_ds8_c2i.pt"],
    below: &[],
    repositories: &["FoundationVision/LlamaGen"],
    source: "download it from the table of class-conditional models in the LlamaGen README and put it beside the model",
};
const VQ_TEXT: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    file_names: &["vq_ds16_t2i.pt"],
    below: &[],
    repositories: &["peizesun/llamagen_t2i", "FoundationVision/LlamaGen"],
    source: "download it from the table of text-conditional models in the LlamaGen README and put it beside the model",
};
const FLAN_T5: CompanionNeed = CompanionNeed {
    role: Role::TextEncoder,
    file_names: &["flan-t5-xl"],
    below: &["t5-ckpt"],
    repositories: &["google/flan-t5-xl"],
    source: "download the folder from the Hugging Face model repository google/flan-t5-xl and put it beside the model",
};

/// Sides of the grid by the pixels that stand in published file names.
const NAMED_GRIDS: [(&str, usize); 3] = [("256", 16), ("384", 24), ("512", 32)];

fn describe(headers: &Headers<'_>) -> Result<DecoderDescription, ModelError> {
    let config = LlamagenConfig::from_shapes(headers.shapes, headers.config)?;
    let AttentionShape { heads, kv_heads, head_dim } = config.attention();
    let (conditioning, planned_prefix, companions) = match config.caption_dim {
        Some(width) => {
            let positions = config.cls_token_num;
            let conditioning = Conditioning::Caption { positions, width };
            (conditioning, positions, vec![VQ_TEXT, FLAN_T5])
        }
        None => (Conditioning::Classes(config.num_classes), 1, vec![VQ_CLASS]),
    };
    Ok(DecoderDescription {
        name: config.name(),
        geometry: DecoderGeometry {
            hidden: config.dim,
            layers: config.n_layer,
            heads,
            kv_heads,
            head_dim,
            inner: config.ffn_hidden,
            vocabulary: config.vocab_size,
            codebook_size: Some(config.vocab_size),
            conditioning,
            image_tokens: None,
            planned_prefix,
            tied: false,
        },
        tensors: config.tensors()?,
        companions,
        grid: grid(headers),
    })
}

/// No tensor tells the grid.
fn grid(headers: &Headers<'_>) -> GridGuess {
    let named = NAMED_GRIDS.iter().find(|(pixels, _)| headers.file_name.contains(pixels));
    match (named, headers.config.size("block_size")) {
        (Some((_, side)), _) => GridGuess::square(*side, GridSource::FileName),
        (None, Some(tokens)) => GridGuess::square(tokens.isqrt(), GridSource::Config),
        (None, None) => GridGuess::square(16, GridSource::Guess),
    }
}

fn load(part: DecoderPart<'_>) -> Result<LoadedDecoder, ModelError> {
    let (rows, columns) = part.grid;
    if rows != columns {
        return Err(ModelError::Config(format!(
            "LlamaGen draws square grids; choose {rows} × {rows} or {columns} × {columns}"
        )));
    }
    let mut config = LlamagenConfig::from_shapes(part.headers.shapes, part.headers.config)?;
    config.grid = rows;
    let (layout, defaults) = (config.layout(), defaults(&config));
    let (positions, classes) = (config.cls_token_num, config.num_classes);
    let draws_captions = config.caption_dim.is_some();
    let decoder = LlamagenDecoder::load(&part.weights, config)?;
    let (decoder, conditions) = if draws_captions {
        let encoder = part
            .text_encoder
            .ok_or(ModelError::Internal("a caption model without text encoder"))?;
        let captions = Captions::new(encoder, positions, part.weights.precision())?;
        let conditions = Conditions::Prompts(captions.prompts()?);
        (decoder.with_caption_encoder(Arc::new(captions)), conditions)
    } else {
        (decoder, Conditions::classes(classes))
    };
    Ok(LoadedDecoder { decoder: Box::new(decoder), layout, conditions, defaults })
}

/// Settings of the authors' demonstration programs, which draw single pictures; their evaluation
/// guides less. The scale is constant in both.
fn defaults(config: &LlamagenConfig) -> ModelDefaults {
    if config.caption_dim.is_some() {
        let source = "LlamaGen's text demo (constant scale); its evaluation takes the same.";
        // The text programs have no interval option.
        return ModelDefaults::new(7.5, 0.0, 0, source).with_top_k(1000).with_schedule(constant(
            "LlamaGen's text programs",
            ScaleRule::ConstantAboveOne,
            "",
        ));
    }
    let size = PublishedSize::of(config.dim, config.n_layer);
    let evaluation = size.map_or(OTHER_EVALUATION, |size| size.evaluation_scale);
    let source = format!(
        "LlamaGen's class demo (constant scale); its evaluation takes {evaluation} without top-k."
    );
    let rule = ScaleRule::ConstantUntil { interval: None };
    let end = " An interval ends the guidance early.";
    ModelDefaults::new(4.0, 0.0, 0, &source).with_top_k(2000).with_schedule(constant(
        "LlamaGen's class programs",
        rule,
        end,
    ))
}

fn constant(programs: &str, rule: ScaleRule, end: &str) -> AuthorsSchedule {
    AuthorsSchedule {
        rule,
        description: format!("The same scale γ at every step; γ up to 1 is no guidance.{end}"),
        source: programs.into(),
    }
}
