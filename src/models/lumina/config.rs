//! Sizes of Lumina-mGPT 2.0 decoders, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::rope_keys::RopeKeys;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::transformer::{QueryKeyNorm, TransformerOptions};
use serde::Deserialize;
use serde_json::Value;

/// Positions where no `config.json` tells them; loading demands one.
const UNKNOWN_POSITIONS: usize = 10_240;
/// Base of the rotary angles and ε of the norms of the published model.
const PUBLISHED_THETA: f64 = 10_000.0;
const PUBLISHED_EPS: f64 = 1e-5;
/// ε of the layer norms of queries and keys, whatever the configuration says.
const HEAD_NORM_EPS: f64 = 1e-5;

/// A `config.json` in the form of the transformers library, whose options are all computed here.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "LuminaJson")]
pub struct LuminaConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Inner width of the SwiGLU.
    pub intermediate_size: usize,
    /// Blocks.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Absent means one for every query head.
    pub num_key_value_heads: Option<usize>,
    /// Absent means `hidden_size / num_attention_heads`.
    pub head_dim: Option<usize>,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Positions of the model.
    pub max_position_embeddings: usize,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// ε of the RMS norms.
    pub rms_norm_eps: f64,
    /// Rows of the head norms' weights.
    pub model_parallel_size: usize,
    /// Whether the output head is the embedding table.
    pub tie_word_embeddings: bool,
}

/// The keys as they stand in the file. What the published file has is needed.
#[derive(Deserialize)]
struct LuminaJson {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    // Its rows are compared with the tensor's.
    #[serde(default = "default_shards")]
    model_parallel_size: usize,
    // A file without a head of its own says so by the missing tensor as well.
    #[serde(default)]
    tie_word_embeddings: bool,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
}

fn default_shards() -> usize {
    1
}

impl TryFrom<LuminaJson> for LuminaConfig {
    type Error = String;

    fn try_from(json: LuminaJson) -> Result<Self, String> {
        let LuminaJson { rope_theta, rope_scaling, rope_parameters, .. } = json;
        Ok(Self {
            hidden_size: json.hidden_size,
            intermediate_size: json.intermediate_size,
            num_hidden_layers: json.num_hidden_layers,
            num_attention_heads: json.num_attention_heads,
            num_key_value_heads: json.num_key_value_heads,
            head_dim: json.head_dim,
            vocab_size: json.vocab_size,
            max_position_embeddings: json.max_position_embeddings,
            rope_theta: RopeKeys { rope_theta, rope_scaling, rope_parameters }.theta()?,
            rms_norm_eps: json.rms_norm_eps,
            model_parallel_size: json.model_parallel_size,
            tie_word_embeddings: json.tie_word_embeddings,
        })
    }
}

impl LuminaConfig {
    /// Sizes of `config.json`; without one those of the tensors.
    ///
    /// # Errors
    /// A tensor that tells a size is missing.
    pub fn from_shapes(shapes: &TensorShapes, beside: &FolderConfig) -> Result<Self, ModelError> {
        if let Some(config) = beside.parsed()? {
            return Ok(config);
        }
        let [vocab_size, hidden_size] = shapes.axes("model.embed_tokens.weight")?;
        let [shards, head_dim] = shapes.axes("model.layers.0.self_attn.q_norm.weight")?;
        let rows = |name: &str| shapes.dimension(&format!("model.layers.0.{name}.weight"), 0);
        Ok(Self {
            hidden_size,
            intermediate_size: rows("mlp.gate_proj")?,
            num_hidden_layers: shapes.count("model.layers.", ".input_layernorm.weight"),
            num_attention_heads: rows("self_attn.q_proj")? / head_dim,
            num_key_value_heads: Some(rows("self_attn.k_proj")? / head_dim),
            head_dim: Some(head_dim),
            vocab_size,
            max_position_embeddings: UNKNOWN_POSITIONS,
            rope_theta: PUBLISHED_THETA,
            rms_norm_eps: PUBLISHED_EPS,
            model_parallel_size: shards,
            tie_word_embeddings: false,
        })
    }

    /// Options of the transformer. `has_head`: the checkpoint has an output head of its own.
    ///
    /// # Errors
    /// Heads that do not divide the width.
    pub fn options(&self, has_head: bool) -> Result<TransformerOptions, ModelError> {
        Ok(TransformerOptions {
            hidden_size: self.hidden_size,
            intermediate_size: self.intermediate_size,
            layers: self.num_hidden_layers,
            attention: AttentionShape::of_width(
                self.hidden_size,
                self.num_attention_heads,
                self.num_key_value_heads,
                self.head_dim,
            )?,
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
