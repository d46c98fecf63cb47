//! Sizes and options of the prompt families' transformer, checked before anything is loaded.

use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;

/// Sizes and options of the stack.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformerOptions {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Inner width of the SwiGLU.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads.
    pub attention: AttentionShape,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Positions the rotary table covers.
    pub positions: usize,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// ε of the RMS norms.
    pub norm_eps: f64,
    /// Biases on the query, key and value projections (Qwen2).
    pub qkv_bias: bool,
    /// Layer norm of each query and key head before the rotation (Chameleon).
    pub query_key_norm: Option<QueryKeyNorm>,
    /// The output head is the embedding table; there is no `lm_head.weight`.
    pub tied_head: bool,
}

/// Layer norm over the channels of every query and key head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryKeyNorm {
    /// Rows of `q_norm.weight`: consecutive heads share one (`model_parallel_size`).
    pub shards: usize,
    /// ε, 1e-5 in Chameleon whatever the configuration says.
    pub eps: f64,
}

/// Where the image codes lie in the vocabulary: code c is the id `offset + c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRange {
    /// Id of code 0.
    pub offset: usize,
    /// Number of codes.
    pub count: usize,
}

impl CodeRange {
    /// Refuses codes that do not lie in a vocabulary.
    ///
    /// # Errors
    /// No codes, or codes beyond it.
    pub fn validate(&self, vocab_size: usize) -> Result<(), ModelError> {
        let Self { offset, count } = *self;
        if count == 0 || offset.saturating_add(count) > vocab_size {
            return Err(ModelError::Config(format!(
                "{count} codes from id {offset} on do not fit a vocabulary of {vocab_size}"
            )));
        }
        Ok(())
    }

    /// The id of a code.
    pub fn id(&self, code: u32) -> Option<u32> {
        let id = u32::try_from(self.offset).ok()?.checked_add(code)?;
        ((code as usize) < self.count).then_some(id)
    }
}

impl TransformerOptions {
    /// Refuses sizes that no checkpoint has, so that nothing later divides by zero or overflows.
    ///
    /// # Errors
    /// Names the size that makes no sense.
    pub fn validate(&self) -> Result<(), ModelError> {
        let AttentionShape { heads, kv_heads, head_dim } = self.attention;
        let sizes = [
            ("hidden_size", self.hidden_size, 1 << 16),
            ("intermediate_size", self.intermediate_size, 1 << 18),
            ("num_hidden_layers", self.layers, 1 << 10),
            ("num_attention_heads", heads, 1 << 10),
            ("num_key_value_heads", kv_heads, 1 << 10),
            ("head_dim", head_dim, 1 << 12),
            ("vocab_size", self.vocab_size, 1 << 22),
            ("max_position_embeddings", self.positions, 1 << 20),
        ];
        for (name, value, most) in sizes {
            if value == 0 || value > most {
                return Err(ModelError::Config(format!("{name} is {value}, not 1 to {most}")));
            }
        }
        if heads % kv_heads != 0 {
            return Err(ModelError::Config(format!(
                "{heads} attention heads cannot share {kv_heads} key/value heads"
            )));
        }
        if head_dim % 2 != 0 {
            return Err(ModelError::Config(format!("head_dim is {head_dim}, an odd number")));
        }
        if self.query_key_norm.is_some_and(|norm| norm.shards == 0 || kv_heads % norm.shards != 0) {
            return Err(ModelError::Config("model_parallel_size does not divide the heads".into()));
        }
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !positive(self.rope_theta) || !positive(self.norm_eps) {
            return Err(ModelError::Config("rope_theta and rms_norm_eps must be above 0".into()));
        }
        Ok(())
    }

    /// Weights of the whole model, in numbers; a tied head counts once.
    pub fn parameters(&self) -> u64 {
        let AttentionShape { heads, kv_heads, head_dim } = self.attention;
        let (hidden, queries, keys) = (self.hidden_size, heads * head_dim, kv_heads * head_dim);
        let bias = if self.qkv_bias { queries + 2 * keys } else { 0 };
        let query_key_norm = self.query_key_norm.map_or(0, |norm| 4 * norm.shards * head_dim);
        let attention = hidden * (2 * queries + 2 * keys) + bias + query_key_norm;
        let block = attention + 3 * hidden * self.intermediate_size + 2 * hidden;
        let tables = if self.tied_head { 1 } else { 2 };
        (tables * self.vocab_size * hidden + self.layers * block + hidden) as u64
    }
}
