//! Sizes of a Cosmos decoder, from the shapes of a checkpoint.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::tokenizers::sizes::checked_levels;

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
    /// Width of a code's vector.
    pub code_width: usize,
    /// Channels between quantizer and decoder.
    pub z_channels: usize,
    /// Channels at the lowest resolution, before its blocks.
    pub deepest: usize,
    /// Levels, full resolution first; each doubles the size but the first.
    pub levels: Vec<CosmosLevel>,
    /// Rounds of the inverse Haar transform that ends the decoder; each doubles the sides.
    pub haar_rounds: u32,
}

/// One resolution of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CosmosLevel {
    /// Channels.
    pub channels: usize,
    /// Residual blocks.
    pub blocks: usize,
}

impl CosmosConfig {
    /// Sizes from the shapes of a checkpoint.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes) -> Result<Self, ModelError> {
        let [z_channels, code_width, ..] = shapes.axes::<5>("post_quant_conv.conv3d.weight")?;
        let [deepest, ..] = shapes.axes::<5>("decoder.conv_in.0.conv3d.weight")?;
        let count = shapes.count("decoder.up.", ".block.0.conv1.0.conv3d.weight");
        let count = checked_levels(count)?;
        let level = |index: usize| {
            let blocks = format!("decoder.up.{index}.block.");
            let [channels, ..] = shapes.axes::<5>(&format!("{blocks}0.conv1.0.conv3d.weight"))?;
            Ok(CosmosLevel { channels, blocks: shapes.count(&blocks, ".conv1.0.conv3d.weight") })
        };
        let levels = (0..count).map(level).collect::<Result<_, ModelError>>()?;
        let [outputs, ..] = shapes.axes::<5>("decoder.conv_out.0.conv3d.weight")?;
        let haar_rounds = (0..=3).find(|&rounds| outputs_of(rounds) == outputs);
        let haar_rounds = haar_rounds.ok_or_else(|| {
            ModelError::Weights(format!("{outputs} outputs are no cube of coloured pixels"))
        })?;
        Ok(Self { code_width, z_channels, deepest, levels, haar_rounds })
    }

    /// Side of the square of pixels of one token.
    pub fn pixels_per_token(&self) -> usize {
        1 << (self.levels.len().saturating_sub(1) + self.haar_rounds as usize)
    }
}

/// Channels of a decoder's last convolution: colours of the pixels over time, height and width that as
/// many rounds of the inverse Haar transform take apart.
pub(super) fn outputs_of(haar_rounds: u32) -> usize {
    3 << (3 * haar_rounds)
}
