//! Sizes of a MoVQGAN, from the shapes of a checkpoint.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::tokenizers::codebook::TABLE;
use crate::tokenizers::sizes::checked_levels;

/// Sizes of the decoder of a MoVQGAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovqConfig {
    /// Number of codes.
    pub codebook_size: usize,
    /// Width of a code's vector.
    pub code_width: usize,
    /// Channels at the lowest resolution, before its blocks.
    pub deepest: usize,
    /// Levels, full resolution first; each doubles the size but the first.
    pub levels: Vec<MovqLevel>,
}

/// One resolution of the decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovqLevel {
    /// Channels.
    pub channels: usize,
    /// Residual blocks.
    pub blocks: usize,
    /// Whether attention follows each of them.
    pub attention: bool,
}

impl MovqConfig {
    /// Sizes from the shapes of a checkpoint.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes) -> Result<Self, ModelError> {
        let [codebook_size, code_width] = shapes.axes(TABLE)?;
        let [deepest, ..] = shapes.axes::<4>("decoder.conv_in.weight")?;
        let count = checked_levels(shapes.count("decoder.up.", ".block.0.conv1.weight"))?;
        let level = |index: usize| {
            let place = format!("decoder.up.{index}");
            let [channels, ..] = shapes.axes::<4>(&format!("{place}.block.0.conv1.weight"))?;
            Ok(MovqLevel {
                channels,
                blocks: shapes.count(&format!("{place}.block."), ".conv1.weight"),
                attention: shapes.contains(&format!("{place}.attn.0.q.weight")),
            })
        };
        let levels = (0..count).map(level).collect::<Result<_, ModelError>>()?;
        Ok(Self { codebook_size, code_width, deepest, levels })
    }

    /// Side of the square of pixels of one token.
    pub fn pixels_per_token(&self) -> usize {
        1 << self.levels.len().saturating_sub(1)
    }
}
