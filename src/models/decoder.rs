//! What every decoder offers to the engine: prefixes for the two branches, one preallocated cache
//! per row, and one forward pass for all rows of all lanes.

use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::rows::{Logits, MAX_ROWS, Prefix, Row, RowInput};
use crate::compute::transformer::Transformer;
use crate::prompts::condition::{Condition, Prefixes};

/// Sizes a decoder tells the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderInfo {
    /// Number of codes that can be sampled: logits of a row.
    pub codebook_size: usize,
    /// Weights, in numbers.
    pub parameters: u64,
    /// Bytes of weights that one step reads, whatever the number of rows.
    pub step_weight_bytes: u64,
}

impl DecoderInfo {
    /// Of a transformer whose head has the rows of the codes alone.
    pub(super) fn of(transformer: &Transformer) -> Self {
        Self {
            codebook_size: transformer.codes().count,
            parameters: transformer.parameters(),
            step_weight_bytes: transformer.step_weight_bytes(),
        }
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
