//! The layers of RAR's decoder, by the names of its state dict.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::weights::Weights;
use crate::models::rar::config::RarConfig;

/// The whole decoder but its head's norm, which has no weights.
pub(super) struct Layers<S: LayerSource> {
    pub(super) cls_token: S::Tensor,
    pub(super) pos_embed: S::Embedding,
    pub(super) target_aware_pos_embed: S::Embedding,
    pub(super) timesteps_embeddings: S::Embedding,
    pub(super) embeddings: S::Embedding,
    pub(super) blocks: Vec<Block<S>>,
    pub(super) head_modulation: S::Linear,
    pub(super) lm_head: S::Linear,
}

impl<S: LayerSource> Layers<S> {
    pub(super) fn load(source: &S, config: &RarConfig) -> Result<Self, ModelError> {
        let width = config.hidden_size;
        let (positions, timesteps) = (config.positions(), config.timesteps());
        let blocks = source.pp("blocks");
        let blocks =
            (0..config.num_hidden_layers).map(|index| Block::load(&blocks.pp(index), config));
        Ok(Self {
            cls_token: source.tensor((1, 1, width), "cls_token")?,
            pos_embed: source.positions(positions, width, "pos_embed")?,
            target_aware_pos_embed: source.positions(positions, width, "target_aware_pos_embed")?,
            timesteps_embeddings: source.positions(timesteps, width, "timesteps_embeddings")?,
            embeddings: source.pp("embeddings").embedding(config.entries(), width)?,
            blocks: blocks.collect::<Result<_, _>>()?,
            head_modulation: source
                .pp("adaln_before_head.adaLN_modulation.1")
                .linear_with_bias(width, 2 * width)?,
            lm_head: source.pp("lm_head").linear_with_bias(width, config.codebook_size)?,
        })
    }
}

/// Attention and feed-forward layer, each behind a norm and modulated by the conditioning.
pub(super) struct Block<S: LayerSource> {
    pub(super) modulation: S::Linear,
    pub(super) norm1: S::Norm,
    pub(super) qkv: S::Linear,
    pub(super) q_norm: S::Norm,
    pub(super) k_norm: S::Norm,
    pub(super) proj: S::Linear,
    pub(super) norm2: S::Norm,
    pub(super) fc1: S::Linear,
    pub(super) fc2: S::Linear,
}

impl<S: LayerSource> Block<S> {
    fn load(source: &S, config: &RarConfig) -> Result<Self, ModelError> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let eps = config.layer_norm_eps;
        let (attn, mlp) = (source.pp("attn"), source.pp("mlp"));
        Ok(Self {
            norm1: source.pp("norm1").layer_norm(width, eps)?,
            qkv: attn.pp("qkv").linear_with_bias(width, 3 * width)?,
            q_norm: attn.pp("q_norm").layer_norm(config.head_dim, eps)?,
            k_norm: attn.pp("k_norm").layer_norm(config.head_dim, eps)?,
            proj: attn.pp("proj").linear_with_bias(width, width)?,
            norm2: source.pp("norm2").layer_norm(width, eps)?,
            fc1: mlp.pp("fc1").linear_with_bias(width, inner)?,
            fc2: mlp.pp("fc2").linear_with_bias(inner, width)?,
            modulation: source.pp("adaLN_modulation.1").linear_with_bias(width, 6 * width)?,
        })
    }
}

impl RarConfig {
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
            let linear = [&block.modulation, &block.qkv, &block.proj, &block.fc1, &block.fc2];
            linear.iter().map(|linear| linear.weight_bytes()).sum::<u64>()
        };
        self.blocks.iter().map(block).sum::<u64>()
            + self.head_modulation.weight_bytes()
            + self.lm_head.weight_bytes()
    }
}
