//! Sizes of the built-in image tokenizer, from `image_tokenizer.json`.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::tokenizers::fsq::FiniteScalarQuantizer;
use crate::tokenizers::quantizer::Quantizer;
use crate::tokenizers::sizes::{checked_levels, patch_side};
use serde::Deserialize;

pub(super) const COLOURS: usize = 3;

/// `image_tokenizer.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvFsqConfig {
    /// Must be `fsq-conv`.
    pub kind: String,
    /// Levels of each channel of a code.
    pub fsq_levels: Vec<u32>,
    /// Number of codes, the product of the levels.
    pub codebook_size: u32,
    /// Channels of each level, finest first.
    pub channels: Vec<usize>,
    /// Residual blocks of each level of the encoder.
    pub encoder_blocks: Vec<usize>,
    /// Residual blocks of each level of the decoder.
    pub decoder_blocks: Vec<usize>,
    /// Pixels on a side that become channels before the first convolution.
    pub patch: usize,
    /// Pixels on a side of one token.
    pub downsample: usize,
    /// Pixels on a side of the images it was trained for.
    pub image_size: usize,
    /// ε of every norm.
    pub norm_eps: f64,
}

impl ConvFsqConfig {
    /// Whether the sizes fit each other.
    ///
    /// # Errors
    /// Another kind of tokenizer, or sizes that contradict each other.
    pub fn check(&self) -> Result<(), ModelError> {
        let wrong = |what: &str| Err(ModelError::Config(format!("image_tokenizer.json: {what}")));
        let levels = self.channels.len();
        if self.kind != "fsq-conv" {
            return wrong("its kind is not fsq-conv");
        }
        if levels == 0 || self.encoder_blocks.len() != levels || self.decoder_blocks.len() != levels
        {
            return wrong("channels and blocks name different numbers of levels");
        }
        let halvings = u32::try_from(levels - 1).ok().and_then(|n| 1usize.checked_shl(n));
        if self.patch == 0
            || halvings.and_then(|h| h.checked_mul(self.patch)) != Some(self.downsample)
        {
            return wrong("downsample is not patch · 2^(levels - 1)");
        }
        if self.channels.iter().any(|&c| c == 0 || c > 1 << 14) {
            return wrong("a level has no channels or too many");
        }
        if self.image_size == 0 || !self.image_size.is_multiple_of(self.downsample) {
            return wrong("image_size is no multiple of downsample");
        }
        Ok(())
    }

    /// Tokens on a side of the images it was trained for.
    pub fn grid_side(&self) -> usize {
        self.image_size / self.downsample
    }

    /// The quantizer of the levels.
    ///
    /// # Errors
    /// Levels that make no codebook, or one of another size.
    pub fn quantizer(&self) -> Result<FiniteScalarQuantizer, ModelError> {
        let quantizer = FiniteScalarQuantizer::new(&self.fsq_levels)?;
        if quantizer.codebook_size() != self.codebook_size {
            return Err(ModelError::Config(
                "image_tokenizer.json: codebook_size is not the product of fsq_levels".into(),
            ));
        }
        Ok(quantizer)
    }

    /// What the tensors of the decoder follow from.
    ///
    /// # Errors
    /// Those of [`ConvFsqConfig::quantizer`].
    pub fn decoder_sizes(&self) -> Result<DecoderSizes, ModelError> {
        Ok(DecoderSizes {
            code_width: self.quantizer()?.width(),
            channels: self.channels.clone(),
            blocks: self.decoder_blocks.clone(),
            patch: self.patch,
            norm_eps: self.norm_eps,
        })
    }

    /// Channels of the finest level.
    pub(super) fn finest(&self) -> usize {
        self.channels.first().copied().unwrap_or(0)
    }
}

/// Sizes of the decoder, from `image_tokenizer.json` or from the shapes of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderSizes {
    /// Channels of a code.
    pub code_width: usize,
    /// Channels of each level, finest first.
    pub channels: Vec<usize>,
    /// Residual blocks of each level, finest first.
    pub blocks: Vec<usize>,
    /// Pixels on a side that the last convolution puts out as channels.
    pub patch: usize,
    /// ε of every norm.
    pub norm_eps: f64,
}

impl DecoderSizes {
    /// Sizes from the shapes of a checkpoint, which do not tell ε: it is 0.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes) -> Result<Self, ModelError> {
        let [_, code_width, ..] = shapes.axes::<4>("decoder.conv_in.weight")?;
        let [outputs, ..] = shapes.axes::<4>("decoder.conv_out.weight")?;
        let patch = patch_side(outputs)?;
        let levels = checked_levels(shapes.count("decoder.level", ".block0.conv1.weight"))?;
        let level = |index: usize| {
            let blocks = format!("decoder.level{index}.block");
            let [channels, ..] = shapes.axes::<4>(&format!("{blocks}0.conv1.weight"))?;
            Ok((channels, shapes.count(&blocks, ".conv1.weight")))
        };
        let levels = (0..levels).map(level).collect::<Result<Vec<_>, ModelError>>()?;
        let (channels, blocks) = levels.into_iter().unzip();
        Ok(Self { code_width, channels, blocks, patch, norm_eps: 0.0 })
    }

    /// Pixels on a side of one token.
    pub fn pixels_per_token(&self) -> usize {
        self.patch << self.channels.len().saturating_sub(1)
    }
}
