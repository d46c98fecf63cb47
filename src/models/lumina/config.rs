//! Sizes of Lumina-mGPT 2.0 decoders, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::transformer::{QueryKeyNorm, TransformerOptions};
use serde::Deserialize;

/// Positions where no `config.json` tells them; loading demands one.
const UNKNOWN_POSITIONS: usize = 10_240;
/// ε of the layer norms of queries and keys, whatever the configuration says.
const HEAD_NORM_EPS: f64 = 1e-5;

/// `config.json` in the Hugging Face form.
#[derive(Debug, Clone, Deserialize)]
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
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Positions of the model.
    pub max_position_embeddings: usize,
    /// Base of the rotary angles.
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    /// ε of the RMS norms.
    #[serde(default = "default_norm_eps")]
    pub rms_norm_eps: f64,
    /// Rows of the head norms' weights.
    #[serde(default = "default_shards")]
    pub model_parallel_size: usize,
    /// Whether the output head is the embedding table.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Norms after the layers instead of before them; such models are refused.
    #[serde(default)]
    pub swin_norm: bool,
    /// Biases of the attention projections; such models are refused.
    #[serde(default)]
    pub attention_bias: bool,
    /// Biases of the feed-forward layers; such models are refused.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Scaling of the rotary angles; such models are refused.
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

    /// Sizes of `config.json`; without one those of the tensors.
    ///
    /// # Errors
    /// A tensor that tells a size is missing.
    pub fn from_shapes(shapes: &TensorShapes, beside: &FolderConfig) -> Result<Self, ModelError> {
        if let Some(config) = beside.parsed() {
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
            vocab_size,
            max_position_embeddings: UNKNOWN_POSITIONS,
            rope_theta: default_rope_theta(),
            rms_norm_eps: default_norm_eps(),
            model_parallel_size: shards,
            tie_word_embeddings: false,
            swin_norm: false,
            attention_bias: false,
            mlp_bias: false,
            rope_scaling: None,
        })
    }

    /// Options of the transformer. `has_head`: the checkpoint has an output head of its own.
    ///
    /// # Errors
    /// An option that is not supported, or heads that do not divide the width.
    pub fn options(&self, has_head: bool) -> Result<TransformerOptions, ModelError> {
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
