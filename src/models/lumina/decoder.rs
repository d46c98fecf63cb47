//! Lumina-mGPT 2.0: a Chameleon-style decoder, the block of Qwen2 without biases and with a layer norm
//! of every query and key head (reference/checkpoints/text-to-image.md part B).
//!
//! The sequence is `bos, prompt, start, height, width`, then for every row of the grid its codes and a
//! forced row end. The unconditional branch begins at `start`. The program forces what the original
//! samples: start, size and row ends.
//!
//! Verified on miniatures in the public layout (`tests/golden_lumina.rs`): prefixes, logits of both
//! branches in every mode with row ends left alone and taken literally, weights, caches, the original's
//! scales. Not verified, because no public checkpoint was at hand: the real vocabulary and tokenizer
//! (size tokens and row ends are looked up by name), sequences of thousands of tokens, and pictures.
//! Speculative Jacobi decoding, a sampler of its own, is left out.

use crate::checkpoint::read_file::read_file;
use crate::checkpoint::{Container, LoadProgress};
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::layout::TokenLayout;
use crate::compute::precision::Precision;
use crate::compute::rows::{Logits, Prefix, Row};
use crate::compute::transformer::{CodeRange, QueryKeyNorm, Transformer, TransformerOptions};
use crate::compute::weights::{HeadRows, Weights};
use crate::guidance::schedule::ScaleRule;
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::prompts::book::PromptBook;
use crate::prompts::condition::{Condition, Prefixes};
use crate::prompts::template::PromptTemplate;
use candle_core::Device;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;

/// Codes of the public checkpoints in their vocabulary.
pub const PUBLIC_CODES: CodeRange = CodeRange { offset: 155_000, count: 16_384 };

const START: &str = "<racm3:break>";
const ROW_END: &str = "<reserved08799>";
const END_OF_TURN: &str = "<reserved08706>";
/// `<reserved08800 + n>` says n times 32 pixels.
const SIZE_TOKENS: usize = 8800;
const PIXELS_PER_SIZE: usize = 32;
/// Pixels on a side of one code.
const PIXELS_PER_CODE: usize = 8;
const HEAD_NORM_EPS: f64 = 1e-5;
/// What begins a sequence if `tokenizer_config.json` does not say otherwise: Qwen's end of text.
const DEFAULT_BEGIN: &str = "<|endoftext|>";

/// `config.json` in the Hugging Face form.
#[derive(Debug, Clone, Deserialize)]
pub struct LuminaConfig {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// Absent means one for every query head.
    pub num_key_value_heads: Option<usize>,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    #[serde(default = "default_norm_eps")]
    pub rms_norm_eps: f64,
    /// Rows of the head norms' weights.
    #[serde(default = "default_shards")]
    pub model_parallel_size: usize,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    #[serde(default)]
    pub swin_norm: bool,
    #[serde(default)]
    pub attention_bias: bool,
    #[serde(default)]
    pub mlp_bias: bool,
    pub rope_scaling: Option<serde_json::Value>,
}

fn default_rope_theta() -> f64 {
    10_000.0
}

fn default_norm_eps() -> f64 {
    1e-5
}

fn default_shards() -> usize {
    1
}

impl LuminaConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// JSON that is damaged or lacks a field.
    pub fn parse(json: &[u8]) -> Result<Self, ModelError> {
        serde_json::from_slice(json)
            .map_err(|error| ModelError::Config(format!("config.json: {error}")))
    }

    fn options(&self, has_head: bool) -> Result<TransformerOptions, ModelError> {
        let unsupported = [
            ("swin_norm", self.swin_norm),
            ("attention_bias", self.attention_bias),
            ("mlp_bias", self.mlp_bias),
            ("rope_scaling", self.rope_scaling.as_ref().is_some_and(|value| !value.is_null())),
        ];
        if let Some((name, _)) = unsupported.iter().find(|(_, on)| *on) {
            return Err(ModelError::Config(format!("{name} is not supported")));
        }
        let heads = self.num_attention_heads;
        if heads == 0 || !self.hidden_size.is_multiple_of(heads) {
            return Err(ModelError::Config(format!(
                "hidden_size {} is no multiple of {heads} heads",
                self.hidden_size
            )));
        }
        Ok(TransformerOptions {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            layers: self.num_hidden_layers,
            attention: AttentionShape {
                heads,
                kv_heads: self.num_key_value_heads.unwrap_or(heads),
                head_dim: self.hidden_size / heads,
            },
            vocab_size: self.vocab_size,
            positions: self.max_position_embeddings,
            rope_theta: self.rope_theta,
            norm_eps: self.rms_norm_eps,
            qkv_bias: false,
            query_key_norm: Some(QueryKeyNorm {
                shards: self.model_parallel_size,
                eps: HEAD_NORM_EPS,
            }),
            tied_head: self.tie_word_embeddings && !has_head,
        })
    }
}

/// Size of an image in pixels; both sides are multiples of 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageSize {
    pub width: usize,
    pub height: usize,
}

impl ImageSize {
    fn validate(self) -> Result<(), ModelError> {
        let fits = |side: usize| side > 0 && side.is_multiple_of(PIXELS_PER_SIZE);
        if fits(self.width) && fits(self.height) {
            return Ok(());
        }
        Err(ModelError::Config(format!(
            "an image of {} × {} pixels; choose multiples of {PIXELS_PER_SIZE}",
            self.width, self.height
        )))
    }

    /// Rows and columns of codes.
    pub fn grid(self) -> (usize, usize) {
        (self.height / PIXELS_PER_CODE, self.width / PIXELS_PER_CODE)
    }

    /// Image tokens of a run: the codes and one row end per row.
    pub fn tokens(self) -> usize {
        let (rows, columns) = self.grid();
        rows * (columns + 1)
    }

    /// The original's own rule for the scale: it decays from γ to 4 within a few dozen steps.
    pub fn scale_rule(self) -> ScaleRule {
        let side = |side: usize| side / PIXELS_PER_SIZE;
        ScaleRule::Decaying { area: 4 * side(self.height) * side(self.width) }
    }

    /// What stands around a prompt. The image's own head `start, height, width` is the whole
    /// unconditional prefix.
    pub fn template(self, begin: &str) -> PromptTemplate {
        let size = |side: usize| format!("<reserved{:05}>", SIZE_TOKENS + side / PIXELS_PER_SIZE);
        let head = format!("{START}{}{}", size(self.height), size(self.width));
        let request = format!(
            "{begin}Generate an image of {}x{} according to the following prompt:\n",
            self.width, self.height
        );
        PromptTemplate {
            before_negative: request.clone(),
            before: request,
            after: format!("{END_OF_TURN}{head}"),
            unconditional: head,
            unconditional_shown: "No text: the sequence begins at the image.".into(),
            ..PromptTemplate::default()
        }
    }
}

/// The decoder for one size of image, with its prompts.
pub struct Lumina {
    transformer: Transformer,
    prompts: Arc<PromptBook>,
    layout: TokenLayout,
    row_end: u32,
}

impl Lumina {
    /// Loads a decoder for images of `size`.
    ///
    /// # Errors
    /// A configuration that makes no sense, tensors that do not fit it, a size that the tokenizer has
    /// no token for, or a tokenizer whose ids reach into the codes.
    pub fn load(
        config: &LuminaConfig,
        codes: CodeRange,
        size: ImageSize,
        head_rows: HeadRows,
        weights: &Weights<'static>,
        prompts: Arc<PromptBook>,
    ) -> Result<Self, ModelError> {
        size.validate()?;
        if prompts.vocabulary_size() > codes.offset {
            return Err(ModelError::Config(format!(
                "the tokenizer has {} entries, the image codes begin at {}; tokenizer.json belongs to \
                 another model",
                prompts.vocabulary_size(),
                codes.offset
            )));
        }
        let row_end = prompts
            .token_id(ROW_END)
            .ok_or_else(|| ModelError::Config(format!("tokenizer.json has no {ROW_END}")))?;
        // Start, height and width are one token each, or the size is not one of the model's.
        if prompts.unconditional(None)?.len() != 3 {
            return Err(ModelError::Config(format!(
                "the tokenizer has no size tokens for {} × {} pixels",
                size.width, size.height
            )));
        }
        let (rows, columns) = size.grid();
        let transformer = Transformer::load(
            config.options(weights.contains("lm_head.weight"))?,
            codes,
            head_rows,
            weights,
        )?;
        let layout = TokenLayout::with_row_ends(rows, columns, row_end);
        Ok(Self { transformer, prompts, layout, row_end })
    }

    /// The prompts this decoder was loaded with.
    pub fn prompts(&self) -> &Arc<PromptBook> {
        &self.prompts
    }

    /// Rows of codes, each with its forced end.
    pub fn layout(&self) -> &TokenLayout {
        &self.layout
    }

    /// Where the codes lie in the vocabulary. Unlike in SimpleAR they do not end it, so with
    /// [`HeadRows::All`] they are not the last logits.
    pub fn codes(&self) -> CodeRange {
        self.transformer.codes()
    }
}

impl Decoder for Lumina {
    fn info(&self) -> &DecoderInfo {
        self.transformer.info()
    }

    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        self.prompts.prefixes(condition)
    }

    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        self.transformer.new_cache(prefix, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        let codes = self.transformer.codes();
        let per_row = self.layout.columns() + 1;
        self.transformer.forward(rows, caches, |index, token| {
            if (index + 1) % per_row == 0 {
                (token == self.row_end).then_some(token)
            } else {
                codes.id(token)
            }
        })
    }
}

/// How a folder is opened.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    /// Where the codes lie; [`PUBLIC_CODES`] but in miniatures.
    pub codes: CodeRange,
    /// Size of the images to draw.
    pub size: ImageSize,
    /// How linear layers are stored.
    pub precision: Precision,
    /// Which rows of the head are loaded.
    pub head_rows: HeadRows,
    /// Where linear layers lie.
    pub device: Device,
}

/// Opens a checkpoint folder: `config.json`, `tokenizer.json`, `tokenizer_config.json` if there is one,
/// and the shards with their index.
///
/// # Errors
/// A file that is missing or damaged, or those of [`Lumina::load`].
pub fn load_folder(folder: &Path, options: &FolderOptions) -> Result<Lumina, ModelError> {
    let FolderOptions { codes, size, precision, head_rows, ref device } = *options;
    size.validate()?;
    let config = LuminaConfig::parse(&read_file(&folder.join("config.json"))?)?;
    let limit = config.max_position_embeddings.saturating_sub(size.tokens());
    let tokenizer = read_file(&folder.join("tokenizer.json"))?;
    let template = size.template(&begin_token(folder)?);
    let prompts = Arc::new(PromptBook::new(&tokenizer, template, limit, None)?);
    let builder = Container::open(folder)?.into_var_builder(Arc::new(LoadProgress::default()));
    let weights = Weights::new(builder, precision).on(device);
    Lumina::load(&config, codes, size, head_rows, &weights, prompts)
}

/// The tokenizer's begin token or, if it has none, its end token.
pub(crate) fn begin_token(folder: &Path) -> Result<String, ModelError> {
    let path = folder.join("tokenizer_config.json");
    if !path.is_file() {
        return Ok(DEFAULT_BEGIN.into());
    }
    let json: serde_json::Value = serde_json::from_slice(&read_file(&path)?)
        .map_err(|error| ModelError::Config(format!("tokenizer_config.json: {error}")))?;
    let name = |key: &str| {
        let token = json.get(key)?;
        token.as_str().or_else(|| token.get("content")?.as_str()).map(str::to_owned)
    };
    Ok(name("bos_token").or_else(|| name("eos_token")).unwrap_or_else(|| DEFAULT_BEGIN.into()))
}
