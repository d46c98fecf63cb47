//! Sizes of a Cosmos decoder, from the shapes of a checkpoint.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::tokenizers::levels::checked_levels;

/// Levels of the quantizer.
pub const LEVELS: [u32; 6] = [8, 8, 8, 5, 5, 5];

/// Codes of the quantizer, 64 000.
pub const CODES: usize = {
    let [a, b, c, d, e, f] = LEVELS;
    (a * b * c * d * e * f) as usize
};

/// Sizes of the decoder of a Cosmos tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosmosConfig {
    /// Channels between quantizer and decoder.
    pub z_channels: usize,
    /// Channels at the lowest resolution, before its blocks.
    pub deepest: usize,
    /// Levels, full resolution first; each doubles the size but the first.
    pub levels: Vec<CosmosLevel>,
}

/// One resolution of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosmosLevel {
    /// Channels.
    pub channels: usize,
    /// Residual blocks.
    pub blocks: usize,
}

/// Rounds of the inverse Haar transform; each doubles the sides.
pub(super) const HAAR_ROUNDS: u32 = 2;

impl CosmosConfig {
    /// Sizes from the shapes of a checkpoint.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes) -> Result<Self, ModelError> {
        let [z_channels, ..] = shapes.axes::<5>("post_quant_conv.conv3d.weight")?;
        let [deepest, ..] = shapes.axes::<5>("decoder.conv_in.0.conv3d.weight")?;
        let count = shapes.count("decoder.up.", ".block.0.conv1.0.conv3d.weight");
        let count = checked_levels(count)?;
        let level = |index: usize| {
            let blocks = format!("decoder.up.{index}.block.");
            let [channels, ..] = shapes.axes::<5>(&format!("{blocks}0.conv1.0.conv3d.weight"))?;
            Ok(CosmosLevel { channels, blocks: shapes.count(&blocks, ".conv1.0.conv3d.weight") })
        };
        let levels = (0..count).map(level).collect::<Result<_, ModelError>>()?;
        Ok(Self { z_channels, deepest, levels })
    }

    /// Side of the square of pixels of one token.
    pub fn pixels_per_token(&self) -> usize {
        1 << (self.levels.len().saturating_sub(1) + HAAR_ROUNDS as usize)
    }
}
