//! Sizes of a MaskGIT-VQGAN, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::tokenizers::sizes::checked_levels;
use serde::Deserialize;

/// Sizes of a MaskGIT-VQGAN; from a `config.json` or from the shapes of a checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MaskgitVqganConfig {
    /// Groups of every norm.
    pub num_groups: usize,
    /// Channels at full resolution.
    pub hidden_channels: usize,
    /// Channels of each level as multiples, full resolution first.
    pub channel_mult: Vec<usize>,
    /// Residual blocks a level.
    pub num_res_blocks: usize,
    /// Width of a code's vector.
    pub z_channels: usize,
    /// Number of codes.
    pub codebook_size: usize,
    /// ε of every norm.
    #[serde(default = "norm_eps")]
    pub group_norm_eps: f64,
}

fn norm_eps() -> f64 {
    1e-6
}

impl MaskgitVqganConfig {
    /// Sizes from the shapes of a checkpoint; the norms have 32 groups as published.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes) -> Result<Self, ModelError> {
        let [codebook_size, z_channels] = shapes.axes("quantize.embedding.weight")?;
        let [hidden_channels] = shapes.axes("decoder.norm_out.weight")?;
        let levels = checked_levels(shapes.count("decoder.up.", ".block.0.conv1.weight"))?;
        let channel_mult = (0..levels)
            .map(|level| {
                let name = format!("decoder.up.{level}.block.0.conv1.weight");
                let [outputs, ..] = shapes.axes::<4>(&name)?;
                Ok(outputs / hidden_channels)
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            num_groups: 32,
            hidden_channels,
            channel_mult,
            num_res_blocks: shapes.count("decoder.up.0.block.", ".conv1.weight"),
            z_channels,
            codebook_size,
            group_norm_eps: norm_eps(),
        })
    }

    /// Side of the square of pixels of one token.
    pub fn pixels_per_token(&self) -> usize {
        1 << self.channel_mult.len().saturating_sub(1)
    }

    /// Channels of each level, full resolution first.
    ///
    /// # Errors
    /// Sizes without levels or groups.
    pub fn channels(&self) -> Result<Vec<usize>, ModelError> {
        checked_levels(self.channel_mult.len())?;
        if self.num_groups == 0 {
            return Err(ModelError::Config(
                "the norms of the image tokenizer have no groups".into(),
            ));
        }
        Ok(self.channel_mult.iter().map(|multiple| multiple * self.hidden_channels).collect())
    }
}
