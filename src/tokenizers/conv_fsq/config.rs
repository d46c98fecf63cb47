//! Sizes of the built-in image tokenizer, from `image_tokenizer.json`.

use crate::compute::error::ModelError;
use crate::tokenizers::fsq::FiniteScalarQuantizer;
use serde::Deserialize;

pub(super) const COLOURS: usize = 3;

/// `image_tokenizer.json`.
#[derive(Debug, Clone, Deserialize)]
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
    /// Reads `image_tokenizer.json` and checks that its sizes fit each other.
    ///
    /// # Errors
    /// JSON that is damaged, another kind of tokenizer, or sizes that contradict each other.
    pub fn parse(json: &[u8]) -> Result<Self, ModelError> {
        let config: Self = serde_json::from_slice(json)
            .map_err(|error| ModelError::Config(format!("image_tokenizer.json: {error}")))?;
        let wrong = |what: &str| Err(ModelError::Config(format!("image_tokenizer.json: {what}")));
        let levels = config.channels.len();
        if config.kind != "fsq-conv" {
            return wrong("its kind is not fsq-conv");
        }
        if levels == 0
            || config.encoder_blocks.len() != levels
            || config.decoder_blocks.len() != levels
        {
            return wrong("channels and blocks name different numbers of levels");
        }
        let halvings = u32::try_from(levels - 1).ok().and_then(|n| 1usize.checked_shl(n));
        if config.patch == 0
            || halvings.and_then(|h| h.checked_mul(config.patch)) != Some(config.downsample)
        {
            return wrong("downsample is not patch · 2^(levels - 1)");
        }
        if config.channels.iter().any(|&c| c == 0 || c > 1 << 14) {
            return wrong("a level has no channels or too many");
        }
        if config.image_size == 0 || !config.image_size.is_multiple_of(config.downsample) {
            return wrong("image_size is no multiple of downsample");
        }
        Ok(config)
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

    /// Channels of a patch of pixels.
    pub(super) fn patch_channels(&self) -> usize {
        COLOURS * self.patch * self.patch
    }

    /// Channels of the finest level.
    pub(super) fn finest(&self) -> usize {
        self.channels.first().copied().unwrap_or(0)
    }

    /// Channels of the coarsest level.
    pub(super) fn deepest(&self) -> usize {
        self.channels.last().copied().unwrap_or(0)
    }
}
