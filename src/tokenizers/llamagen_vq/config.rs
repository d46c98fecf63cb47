//! Sizes of LlamaGen's image tokenizers, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::tokenizers::sizes::checked_levels;
use serde::Deserialize;

/// Sizes of a LlamaGen tokenizer; from a `config.json` or from the shapes of a checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LlamagenVqConfig {
    /// Channels at full resolution.
    pub ch: usize,
    /// Channels of each level as multiples, full resolution first.
    pub ch_mult: Vec<usize>,
    /// Residual blocks a level of the encoder; the decoder has one more.
    pub num_res_blocks: usize,
    /// Channels between encoder and quantizer.
    pub z_channels: usize,
    /// Groups of every norm.
    pub norm_num_groups: usize,
    /// ε of every norm.
    #[serde(default = "norm_eps")]
    pub norm_eps: f64,
    /// Number of codes.
    pub codebook_size: usize,
    /// Width of a code's vector.
    pub codebook_embed_dim: usize,
    /// Whether vectors are divided by their norm.
    #[serde(default = "l2_norm")]
    pub codebook_l2_norm: bool,
}

fn norm_eps() -> f64 {
    1e-6
}

fn l2_norm() -> bool {
    true
}

impl LlamagenVqConfig {
    /// Sizes from the shapes of a checkpoint; the norms have 32 groups as published.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes) -> Result<Self, ModelError> {
        let [codebook_size, codebook_embed_dim] = shapes.axes("quantize.embedding.weight")?;
        let [z_channels, ..] = shapes.axes::<4>("post_quant_conv.weight")?;
        let [ch] = shapes.axes("decoder.norm_out.weight")?;
        let levels = checked_levels(shapes.count("decoder.conv_blocks.", ".res.0.conv1.weight"))?;
        let ch_mult = (0..levels)
            .rev()
            .map(|level| {
                let name = format!("decoder.conv_blocks.{level}.res.0.conv1.weight");
                let [outputs, ..] = shapes.axes::<4>(&name)?;
                Ok(outputs / ch)
            })
            .collect::<Result<_, ModelError>>()?;
        let blocks = shapes.count("decoder.conv_blocks.0.res.", ".conv1.weight");
        Ok(Self {
            ch,
            ch_mult,
            num_res_blocks: blocks.saturating_sub(1),
            z_channels,
            norm_num_groups: 32,
            norm_eps: norm_eps(),
            codebook_size,
            codebook_embed_dim,
            codebook_l2_norm: l2_norm(),
        })
    }

    /// Side of the square of pixels of one token.
    pub fn pixels_per_token(&self) -> usize {
        1 << self.ch_mult.len().saturating_sub(1)
    }

    /// Channels of each level, full resolution first.
    ///
    /// # Errors
    /// Sizes without levels or groups.
    pub fn channels(&self) -> Result<Vec<usize>, ModelError> {
        checked_levels(self.ch_mult.len())?;
        if self.norm_num_groups == 0 {
            return Err(ModelError::Config(
                "the norms of the image tokenizer have no groups".into(),
            ));
        }
        Ok(self.ch_mult.iter().map(|multiple| multiple * self.ch).collect())
    }
}
