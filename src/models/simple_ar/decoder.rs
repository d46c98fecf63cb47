//! Qwen2 decoders that draw: the public SimpleAR checkpoints and the built-in model, through one
//! loader (reference/checkpoints/text-to-image.md part A).
//!
//! Prompt tokens come first, then image codes in raster order; code c is the id
//! `vocab_size - codebook_size + c`. Positions of each branch start at 0.
//!
//! Verified on miniatures in the public layout (`tests/golden_simplear.rs`): prefixes, logits of both
//! branches in every mode, weights, caches, tied and untied heads; and on the built-in model. Not
//! verified, because no public checkpoint was at hand: the real `config.json` and tokenizer (ids are
//! looked up by name, and sizes must agree), sequences as long as the real 4096 tokens, and pictures.
//! Sampling is restricted to image codes, which the original does not do.

use crate::checkpoint::read_file::read_file;
use crate::checkpoint::{Container, LoadProgress};
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::precision::Precision;
use crate::compute::rows::{Logits, Prefix, Row};
use crate::compute::transformer::{CodeRange, Transformer, TransformerOptions};
use crate::compute::weights::{HeadRows, Weights};
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::prompts::book::PromptBook;
use crate::prompts::condition::{Condition, Prefixes};
use crate::prompts::template::{AlternativePrompt, PromptTemplate};
use candle_core::Device;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;

/// Codes of the Cosmos tokenizer that the public SimpleAR checkpoints draw with.
pub const SIMPLE_AR_CODES: usize = 64_000;

/// `config.json` in the Hugging Face form.
#[derive(Debug, Clone, Deserialize)]
pub struct Qwen2Config {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// Absent means one for every query head.
    pub num_key_value_heads: Option<usize>,
    /// Absent means `hidden_size / num_attention_heads`.
    pub head_dim: Option<usize>,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    #[serde(default = "default_norm_eps")]
    pub rms_norm_eps: f64,
    #[serde(default = "default_activation")]
    pub hidden_act: String,
    #[serde(default)]
    pub tie_word_embeddings: bool,
    #[serde(default)]
    pub use_sliding_window: bool,
    /// An integer or null; read only if `use_sliding_window`.
    pub sliding_window: Option<usize>,
    /// Any value but null would change the positions.
    pub rope_scaling: Option<serde_json::Value>,
}

fn default_rope_theta() -> f64 {
    10_000.0
}

fn default_norm_eps() -> f64 {
    1e-6
}

fn default_activation() -> String {
    "silu".into()
}

impl Qwen2Config {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// JSON that is damaged or lacks a field.
    pub fn parse(json: &[u8]) -> Result<Self, ModelError> {
        serde_json::from_slice(json)
            .map_err(|error| ModelError::Config(format!("config.json: {error}")))
    }

    /// The last `codebook_size` ids of the vocabulary.
    ///
    /// # Errors
    /// A vocabulary without room for the codes and some text.
    pub fn codes(&self, codebook_size: usize) -> Result<CodeRange, ModelError> {
        match self.vocab_size.checked_sub(codebook_size) {
            Some(offset) if offset > 0 => Ok(CodeRange { offset, count: codebook_size }),
            _ => Err(ModelError::Config(format!(
                "a vocabulary of {} has no room for text and {codebook_size} image codes",
                self.vocab_size
            ))),
        }
    }

    fn options(&self, has_head: bool) -> Result<TransformerOptions, ModelError> {
        if self.hidden_act != "silu" {
            return Err(ModelError::Config(format!(
                "hidden_act “{}” is not silu",
                self.hidden_act
            )));
        }
        if self.rope_scaling.as_ref().is_some_and(|value| !value.is_null()) {
            return Err(ModelError::Config("rope_scaling is not supported".into()));
        }
        if self.use_sliding_window
            && self.sliding_window.is_some_and(|window| window < self.max_position_embeddings)
        {
            return Err(ModelError::Config("a sliding attention window is not supported".into()));
        }
        let heads = self.num_attention_heads;
        let head_dim = match self.head_dim {
            Some(head_dim) => head_dim,
            None if heads > 0 && self.hidden_size.is_multiple_of(heads) => self.hidden_size / heads,
            None => {
                return Err(ModelError::Config(format!(
                    "hidden_size {} is no multiple of {heads} heads",
                    self.hidden_size
                )));
            }
        };
        let kv_heads = self.num_key_value_heads.unwrap_or(heads);
        Ok(TransformerOptions {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            layers: self.num_hidden_layers,
            attention: AttentionShape { heads, kv_heads, head_dim },
            vocab_size: self.vocab_size,
            positions: self.max_position_embeddings,
            rope_theta: self.rope_theta,
            norm_eps: self.rms_norm_eps,
            qkv_bias: true,
            query_key_norm: None,
            tied_head: self.tie_word_embeddings && !has_head,
        })
    }
}

/// What SimpleAR puts around a prompt (its generator's texts).
pub fn simple_ar_template() -> PromptTemplate {
    let (begin, end) = ("<|t2i|>", "<|soi|>");
    let negative = "An image of aerial view, overexposed, low quality, deformation, a poor \
                    composition, bad hands, bad teeth, bad eyes, bad limbs, distortion";
    PromptTemplate {
        before: format!("{begin}A highly realistic image of "),
        after: end.into(),
        unconditional: format!("{begin}{negative}{end}"),
        unconditional_shown: negative.into(),
        // What training leaves where it drops the caption: nothing between the markers.
        alternative_unconditional: Some(AlternativePrompt {
            text: String::new(),
            name: "None, as in training".into(),
        }),
        before_negative: begin.into(),
        ..PromptTemplate::default()
    }
}

/// A Qwen2 decoder with its prompts.
pub struct Qwen2 {
    transformer: Transformer,
    prompts: Arc<PromptBook>,
}

impl Qwen2 {
    /// Loads a decoder whose codes are the last `codebook_size` ids.
    ///
    /// # Errors
    /// A configuration that makes no sense, tensors that do not fit it, or a tokenizer of another
    /// model: its ids and the codes must fill the vocabulary exactly.
    pub fn load(
        config: &Qwen2Config,
        codebook_size: usize,
        head_rows: HeadRows,
        weights: &Weights<'static>,
        prompts: Arc<PromptBook>,
    ) -> Result<Self, ModelError> {
        let codes = config.codes(codebook_size)?;
        if prompts.vocabulary_size() != codes.offset {
            return Err(ModelError::Config(format!(
                "the tokenizer has {} entries, the decoder {} beside its {codebook_size} image \
                 codes; tokenizer.json belongs to another model",
                prompts.vocabulary_size(),
                codes.offset
            )));
        }
        let transformer = Transformer::load(
            config.options(weights.contains("lm_head.weight"))?,
            codes,
            head_rows,
            weights,
        )?;
        Ok(Self { transformer, prompts })
    }

    /// The prompts this decoder was loaded with.
    pub fn prompts(&self) -> &Arc<PromptBook> {
        &self.prompts
    }

    /// Where the codes lie in the vocabulary.
    pub fn codes(&self) -> CodeRange {
        self.transformer.codes()
    }
}

impl Decoder for Qwen2 {
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
        self.transformer.forward(rows, caches, |_, code| codes.id(code))
    }
}

/// How a folder is opened.
#[derive(Debug, Clone)]
pub struct FolderOptions {
    /// Number of image codes, of which the tokenizer file knows.
    pub codebook_size: usize,
    /// Tokens of an image: what the prompt must leave room for.
    pub image_tokens: usize,
    /// What stands around a prompt.
    pub template: PromptTemplate,
    /// How linear layers are stored.
    pub precision: Precision,
    /// Which rows of the head are loaded.
    pub head_rows: HeadRows,
    /// Where linear layers lie.
    pub device: Device,
}

/// Opens a checkpoint folder: `config.json`, `tokenizer.json`, `model.safetensors` or shards with
/// their index.
///
/// # Errors
/// A file that is missing or damaged, or those of [`Qwen2::load`].
pub fn load_folder(folder: &Path, options: &FolderOptions) -> Result<Qwen2, ModelError> {
    let config = Qwen2Config::parse(&read_file(&folder.join("config.json"))?)?;
    let limit = config.max_position_embeddings.saturating_sub(options.image_tokens);
    let tokenizer = read_file(&folder.join("tokenizer.json"))?;
    let prompts = PromptBook::new(&tokenizer, options.template.clone(), limit, None)?;
    let builder = Container::open(folder)?.into_var_builder(Arc::new(LoadProgress::default()));
    let weights = Weights::new(builder, options.precision).on(&options.device);
    Qwen2::load(&config, options.codebook_size, options.head_rows, &weights, Arc::new(prompts))
}
