//! Sizes of Qwen2 decoders, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::transformer::{CodeRange, TransformerOptions};
use crate::tokenizers::cosmos;
use serde::Deserialize;

/// Positions where no `config.json` tells them; loading demands one.
const UNKNOWN_POSITIONS: usize = 32_768;

/// A published size.
struct PublishedSize {
    name: &'static str,
    hidden_size: usize,
    layers: usize,
    /// Query heads.
    heads: usize,
}

const PUBLISHED: [PublishedSize; 2] = [
    PublishedSize { name: "0.5B", hidden_size: 896, layers: 24, heads: 14 },
    PublishedSize { name: "1.5B", hidden_size: 1536, layers: 28, heads: 12 },
];

impl PublishedSize {
    fn of(hidden_size: usize, layers: usize) -> Option<&'static Self> {
        PUBLISHED.iter().find(|size| (size.hidden_size, size.layers) == (hidden_size, layers))
    }
}

/// `config.json` in the Hugging Face form.
#[derive(Debug, Clone, Deserialize)]
pub struct Qwen2Config {
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
    #[serde(default = "default_rope_theta")]
    pub rope_theta: f64,
    /// ε of the RMS norms.
    #[serde(default = "default_norm_eps")]
    pub rms_norm_eps: f64,
    /// Activation of the feed-forward layers; only `silu` is known.
    #[serde(default = "default_activation")]
    pub hidden_act: String,
    /// Whether the output head is the embedding table.
    #[serde(default)]
    pub tie_word_embeddings: bool,
    /// Whether attention is limited to a window.
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

    /// Sizes of `config.json`; without one those of the tensors, heads of the published sizes.
    ///
    /// # Errors
    /// A tensor that tells a size is missing, or nothing tells the number of heads.
    pub fn from_shapes(shapes: &TensorShapes, beside: &FolderConfig) -> Result<Self, ModelError> {
        if let Some(config) = beside.parsed() {
            return Ok(config);
        }
        let [vocab_size, hidden_size] = shapes.axes("model.embed_tokens.weight")?;
        let num_hidden_layers = shapes.count("model.layers.", ".input_layernorm.weight");
        let rows = |name: &str| shapes.dimension(&format!("model.layers.0.{name}.weight"), 0);
        let published = PublishedSize::of(hidden_size, num_hidden_layers).map(|size| size.heads);
        let heads = beside.size("num_attention_heads").or(published).ok_or_else(|| {
            let reason = "the number of heads is not known; put the model's config.json beside it";
            ModelError::Config(reason.into())
        })?;
        let head_dim = match beside.size("head_dim") {
            Some(head_dim) => head_dim,
            None => rows("self_attn.q_proj")? / heads,
        };
        Ok(Self {
            hidden_size,
            intermediate_size: rows("mlp.gate_proj")?,
            num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: Some(rows("self_attn.k_proj")? / head_dim.max(1)),
            head_dim: Some(head_dim),
            vocab_size,
            max_position_embeddings: UNKNOWN_POSITIONS,
            rope_theta: default_rope_theta(),
            rms_norm_eps: default_norm_eps(),
            hidden_act: default_activation(),
            tie_word_embeddings: true,
            use_sliding_window: false,
            sliding_window: None,
            rope_scaling: None,
        })
    }

    /// Published name, or "SimpleAR" with the sizes.
    pub fn name(&self, codebook_size: Option<usize>) -> String {
        let size = PublishedSize::of(self.hidden_size, self.num_hidden_layers);
        match size.filter(|_| codebook_size == Some(cosmos::CODES)) {
            Some(size) => format!("SimpleAR-{}", size.name),
            None => {
                format!("SimpleAR (width {}, {} layers)", self.hidden_size, self.num_hidden_layers)
            }
        }
    }

    /// Options of the transformer. `has_head`: the checkpoint has an output head of its own.
    ///
    /// # Errors
    /// An option that is not supported, or heads that do not divide the width.
    pub fn options(&self, has_head: bool) -> Result<TransformerOptions, ModelError> {
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
