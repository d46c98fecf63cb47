//! What every decoder offers to the engine: prefixes for the two branches, one preallocated cache
//! per row, and one forward pass for all rows of all lanes.
//!
//! A *row* is one token fed to one sequence. Prefill is the same pass as decoding: several prefix
//! tokens of one sequence are several rows of a batch, appended in order, each seeing what stands
//! before it. So there is no padding and no mask, and a row's numbers do not depend on the others.

use crate::guidance::Perturb;
use crate::models::error::ModelError;
use crate::models::kv_cache::KvCache;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// Most rows a forward pass takes at once; longer prefixes go in several passes.
pub const MAX_ROWS: usize = 8;

/// What a person asks a model to draw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// Text for the text-conditional families; `negative` replaces the model's unconditional prompt.
    Prompt {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        negative: Option<String>,
    },
    /// Class index, from 0.
    Class(u32),
}

/// What stands before the image tokens of one sequence, in the form its family wants it.
#[derive(Debug, Clone)]
pub enum Prefix {
    /// Vocabulary ids, one position each (SimpleAR, the built-in model, Lumina).
    Tokens(Vec<u32>),
    /// A class index of the model's own table, the null class included (AliTok, RAR, LlamaGen c2i).
    Class(u32),
    /// Embedding rows `[length, width]` of the model, already projected (LlamaGen t2i).
    Embeddings(Tensor),
}

/// Prefixes of the two branches of a condition.
#[derive(Debug, Clone)]
pub struct Prefixes {
    /// Conditional branch.
    pub conditional: Prefix,
    /// Unconditional branch.
    pub unconditional: Prefix,
}

/// Weights on the image positions of one row's attention.
#[derive(Debug, Clone, Copy)]
pub struct Perturbation<'a> {
    /// One factor per image token seen by the row, the token being fed included.
    pub weights: &'a [f32],
    /// What the factors multiply.
    pub on: Perturb,
}

/// The token a row feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowInput {
    /// Prefix position `i` of the sequence.
    Prefix(usize),
    /// Image token number `index` (from 0). `token` is a code, or for forced tokens the id of the
    /// layout's [`crate::models::layout::StepKind::RowEnd`].
    Image { index: usize, token: u32 },
}

/// One row of a forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Index of the cache that the row reads, and appends to if `append`.
    pub cache: usize,
    /// What is fed.
    pub input: RowInput,
    /// Whether the row's keys and values enter the cache. A row that does not append must come
    /// after the appending row of the same token; it reads that row's entry (cache rule *exact*).
    pub append: bool,
    /// Factors on the image positions; `None` for the clean branches.
    pub perturbation: Option<Perturbation<'a>>,
    /// Whether the caller wants this row's logits.
    pub logits: bool,
}

/// Logits of the rows that asked for them, in their order.
#[derive(Debug, Clone, Default)]
pub struct Logits {
    /// Row-major `[rows, width]`.
    pub values: Vec<f32>,
    /// Entries per row.
    pub width: usize,
}

impl Logits {
    /// The logits of output row `index`, empty if there is no such row.
    pub fn row(&self, index: usize) -> &[f32] {
        self.values.get(index * self.width..(index + 1) * self.width).unwrap_or(&[])
    }
}

/// Sizes a decoder tells the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderInfo {
    /// Number of codes that can be sampled.
    pub codebook_size: usize,
    /// Logits entries per row; the codes are the last `codebook_size` of them.
    pub logits_width: usize,
    /// Weights, in numbers.
    pub parameters: u64,
    /// Bytes of weights that one step reads, whatever the number of rows.
    pub step_weight_bytes: u64,
}

impl DecoderInfo {
    /// The part of a row's logits that belongs to the codes: what may be sampled.
    pub fn code_logits<'a>(&self, row: &'a [f32]) -> &'a [f32] {
        row.get(row.len().saturating_sub(self.codebook_size)..).unwrap_or(&[])
    }
}

/// A visual autoregressive decoder with immutable weights. Everything that changes during a run is
/// in the caches, so one decoder serves several runs.
pub trait Decoder: Send + Sync {
    /// Sizes.
    fn info(&self) -> &DecoderInfo;

    /// Prefixes of both branches.
    ///
    /// # Errors
    /// A condition of another kind, a class out of range, an empty or too long prompt.
    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError>;

    /// An empty cache for one sequence with room for its prefix and `image_tokens` tokens.
    ///
    /// # Errors
    /// The sequence would be longer than the model's positions.
    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError>;

    /// Feeds 1 to [`MAX_ROWS`] rows and returns the logits of those that ask for them.
    ///
    /// # Errors
    /// A row that does not fit its cache, or an error of the tensor library.
    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError>;
}

/// Feeds the whole prefix of `caches[cache]` and returns the logits of step 0.
///
/// # Errors
/// Those of [`Decoder::forward`].
pub fn prefill(
    decoder: &dyn Decoder,
    caches: &mut [KvCache],
    cache: usize,
) -> Result<Logits, ModelError> {
    let length = caches
        .get(cache)
        .ok_or(ModelError::Internal("prefill names a cache that does not exist"))?
        .prefix_len();
    let mut logits = Logits::default();
    let positions: Vec<usize> = (0..length).collect();
    for chunk in positions.chunks(MAX_ROWS) {
        let rows: Vec<Row> = chunk
            .iter()
            .map(|&index| Row {
                cache,
                input: RowInput::Prefix(index),
                append: true,
                perturbation: None,
                logits: index + 1 == length,
            })
            .collect();
        logits = decoder.forward(&rows, caches)?;
    }
    Ok(logits)
}
