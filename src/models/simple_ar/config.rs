//! Sizes of Qwen2 decoders, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::rope_keys::RopeKeys;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::transformer::{CodeRange, TransformerOptions};
use crate::tokenizers::cosmos;
use serde::Deserialize;
use serde_json::Value;

/// Positions where no `config.json` tells them; loading demands one.
const UNKNOWN_POSITIONS: usize = 32_768;
/// Base of the rotary angles and ε of the norms of the published sizes.
const PUBLISHED_THETA: f64 = 1e6;
const PUBLISHED_EPS: f64 = 1e-6;

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

/// A `config.json` in the form of the transformers library, whose options are all computed here.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Qwen2Json")]
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
    pub rope_theta: f64,
    /// ε of the RMS norms.
    pub rms_norm_eps: f64,
    /// Whether the output head is the embedding table.
    pub tie_word_embeddings: bool,
}

/// The keys as they stand in the file. What all published files have is needed.
#[derive(Deserialize)]
struct Qwen2Json {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    vocab_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    hidden_act: String,
    // A file without a head of its own says so by the missing tensor as well.
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    use_sliding_window: bool,
    /// An integer or null; means something only with `use_sliding_window`.
    sliding_window: Option<usize>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
}

impl TryFrom<Qwen2Json> for Qwen2Config {
    type Error = String;

    fn try_from(json: Qwen2Json) -> Result<Self, String> {
        let Qwen2Json { rope_theta, rope_scaling, rope_parameters, .. } = json;
        let refuse = |key: &str, value: &str| {
            Err(format!("{key} is {value}, which is not computed here; choose a model without it"))
        };
        if json.hidden_act != "silu" {
            return refuse("hidden_act", &json.hidden_act);
        }
        if let Some(window) = json.sliding_window.filter(|_| json.use_sliding_window)
            && window < json.max_position_embeddings
        {
            return refuse("sliding_window", &window.to_string());
        }
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
            tie_word_embeddings: json.tie_word_embeddings,
        })
    }
}

impl Qwen2Config {
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
        if let Some(config) = beside.parsed()? {
            return Ok(config);
        }
        let [vocab_size, hidden_size] = shapes.axes("model.embed_tokens.weight")?;
        let num_hidden_layers = shapes.count("model.layers.", ".input_layernorm.weight");
        let rows = |name: &str| shapes.dimension(&format!("model.layers.0.{name}.weight"), 0);
        let published = PublishedSize::of(hidden_size, num_hidden_layers).map(|size| size.heads);
        let heads = published.ok_or_else(|| {
            let reason = "the number of heads is not known; put the model's config.json beside it";
            ModelError::Config(reason.into())
        })?;
        let head_dim = rows("self_attn.q_proj")? / heads;
        Ok(Self {
            hidden_size,
            intermediate_size: rows("mlp.gate_proj")?,
            num_hidden_layers,
            num_attention_heads: heads,
            num_key_value_heads: Some(rows("self_attn.k_proj")? / head_dim.max(1)),
            head_dim: Some(head_dim),
            vocab_size,
            max_position_embeddings: UNKNOWN_POSITIONS,
            rope_theta: PUBLISHED_THETA,
            rms_norm_eps: PUBLISHED_EPS,
            tie_word_embeddings: true,
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
            qkv_bias: true,
            query_key_norm: None,
            tied_head: self.tie_word_embeddings && !has_head,
        })
    }
}
