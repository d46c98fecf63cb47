//! The layers of AliTok's decoder, by the names of its state dict.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::layers::SwiGlu;
use crate::compute::weights::Weights;
use crate::models::alitok::config::AlitokConfig;

/// The whole decoder.
pub(super) struct Layers<S: LayerSource> {
    pub(super) embeddings: S::Embedding,
    pub(super) blocks: Vec<Block<S>>,
    pub(super) norm: S::Norm,
    pub(super) output: S::Linear,
}

impl<S: LayerSource> Layers<S> {
    pub(super) fn load(source: &S, config: &AlitokConfig) -> Result<Self, ModelError> {
        let width = config.hidden_size;
        let blocks = source.pp("blocks");
        let blocks =
            (0..config.num_hidden_layers).map(|index| Block::load(&blocks.pp(index), config));
        Ok(Self {
            embeddings: source.pp("embeddings").embedding(config.entries(), width)?,
            blocks: blocks.collect::<Result<_, _>>()?,
            norm: source.pp("norm").rms_norm(width, config.rms_norm_eps)?,
            output: source.pp("output").linear_with_bias(width, config.codebook_size)?,
        })
    }
}

/// Attention and feed-forward layer, each behind a norm.
pub(super) struct Block<S: LayerSource> {
    pub(super) norm1: S::Norm,
    pub(super) qkv: S::Linear,
    pub(super) q_norm: S::Norm,
    pub(super) k_norm: S::Norm,
    pub(super) proj: S::Linear,
    pub(super) norm2: S::Norm,
    pub(super) mlp: SwiGlu<S::Linear>,
}

impl<S: LayerSource> Block<S> {
    fn load(source: &S, config: &AlitokConfig) -> Result<Self, ModelError> {
        let (width, eps) = (config.hidden_size, config.rms_norm_eps);
        let attn = source.pp("attn");
        Ok(Self {
            norm1: source.pp("norm1").rms_norm(width, eps)?,
            qkv: attn.pp("qkv").linear_with_bias(width, 3 * width)?,
            q_norm: attn.pp("q_norm").rms_norm(config.head_dim, eps)?,
            k_norm: attn.pp("k_norm").rms_norm(config.head_dim, eps)?,
            proj: attn.pp("proj").linear_with_bias(width, width)?,
            norm2: source.pp("norm2").rms_norm(width, eps)?,
            mlp: SwiGlu::load(&source.pp("mlp"), ["w1", "w3", "w2"], width, config.ffn_hidden)?,
        })
    }
}

impl AlitokConfig {
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
            block.qkv.weight_bytes() + block.proj.weight_bytes() + block.mlp.weight_bytes()
        };
        self.blocks.iter().map(block).sum::<u64>() + self.output.weight_bytes()
    }
}
