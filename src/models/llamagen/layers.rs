//! The layers of LlamaGen's decoder, by the names of its state dict.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::layers::SwiGlu;
use crate::compute::weights::Weights;
use crate::models::llamagen::config::LlamagenConfig;

/// The whole decoder.
pub(super) struct Layers<S: LayerSource> {
    pub(super) condition: ConditionLayers<S>,
    pub(super) tok_embeddings: S::Embedding,
    pub(super) blocks: Vec<Block<S>>,
    pub(super) norm: S::Norm,
    pub(super) output: S::Linear,
}

/// What the prefix is made of.
pub(super) enum ConditionLayers<S: LayerSource> {
    /// One row a class.
    Class(S::Embedding),
    /// The projection of caption rows, and the null caption `[cls_token_num, caption_dim]`.
    Caption { fc1: S::Linear, fc2: S::Linear, null: S::Tensor },
}

impl<S: LayerSource> Layers<S> {
    pub(super) fn load(source: &S, config: &LlamagenConfig) -> Result<Self, ModelError> {
        let dim = config.dim;
        let blocks = source.pp("layers");
        let blocks = (0..config.n_layer).map(|index| Block::load(&blocks.pp(index), config));
        Ok(Self {
            condition: ConditionLayers::load(&source.pp("cls_embedding"), config)?,
            tok_embeddings: source.pp("tok_embeddings").embedding(config.vocab_size, dim)?,
            blocks: blocks.collect::<Result<_, _>>()?,
            norm: source.pp("norm").rms_norm(dim, config.norm_eps)?,
            output: source.pp("output").linear(dim, config.vocab_size)?,
        })
    }
}

impl<S: LayerSource> ConditionLayers<S> {
    fn load(source: &S, config: &LlamagenConfig) -> Result<Self, ModelError> {
        let dim = config.dim;
        let Some(width) = config.caption_dim else {
            let table = source.pp("embedding_table").embedding(config.num_classes + 1, dim)?;
            return Ok(Self::Class(table));
        };
        let projection = source.pp("cap_proj");
        Ok(Self::Caption {
            null: source.tensor((config.cls_token_num, width), "uncond_embedding")?,
            fc1: projection.pp("fc1").linear(width, dim)?,
            fc2: projection.pp("fc2").linear(dim, dim)?,
        })
    }
}

/// Attention and feed-forward layer, each behind a norm.
pub(super) struct Block<S: LayerSource> {
    pub(super) attention_norm: S::Norm,
    pub(super) wqkv: S::Linear,
    pub(super) wo: S::Linear,
    pub(super) ffn_norm: S::Norm,
    pub(super) feed_forward: SwiGlu<S::Linear>,
}

impl<S: LayerSource> Block<S> {
    fn load(source: &S, config: &LlamagenConfig) -> Result<Self, ModelError> {
        let (dim, inner) = (config.dim, config.ffn_hidden);
        let attention = source.pp("attention");
        let packed = dim + 2 * config.n_kv_head * config.head_dim();
        Ok(Self {
            attention_norm: source.pp("attention_norm").rms_norm(dim, config.norm_eps)?,
            wqkv: attention.pp("wqkv").linear(dim, packed)?,
            wo: attention.pp("wo").linear(dim, dim)?,
            ffn_norm: source.pp("ffn_norm").rms_norm(dim, config.norm_eps)?,
            feed_forward: SwiGlu::load(&source.pp("feed_forward"), ["w1", "w3", "w2"], dim, inner)?,
        })
    }
}

impl LlamagenConfig {
    /// Every tensor that a decoder of these sizes loads.
    ///
    /// # Errors
    /// None: listing makes no layers.
    pub fn tensors(&self) -> Result<Vec<ExpectedTensor>, ModelError> {
        Listing::of(|source| Layers::load(source, self))
    }
}

impl Layers<Weights<'static>> {
    /// Bytes of weights that one step reads.
    pub(super) fn step_weight_bytes(&self) -> u64 {
        let block = |block: &Block<Weights<'static>>| {
            block.wqkv.weight_bytes() + block.wo.weight_bytes() + block.feed_forward.weight_bytes()
        };
        self.blocks.iter().map(block).sum::<u64>() + self.output.weight_bytes()
    }
}
