//! MaskGIT-VQGAN, the image tokenizer of RAR: one token is 16×16 pixels, no attention.
//!
//! Where a residual block changes the channels, its 1×1 shortcut is applied to the output of the second
//! convolution and the block's input is dropped; the published weights need exactly that.
//!
//! Verified on a miniature with random weights (`tests/golden_class_tokenizers`): decoder stages and
//! pixels, encoder codes. The authors' own file was not available.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::tokenizers::blocks::{
    Convolution, NormStyle, ResidualBlock, ResidualStyle, Shortcut, convolution, upsample,
    weights_error,
};
use crate::tokenizers::codebook::Codebook;
use crate::tokenizers::pixels::{rgb_image, unit_byte};
use crate::tokenizers::{ImageTokenizer, TokenizerInfo, partial};
use candle_core::Tensor;
use candle_nn::{GroupNorm, Module, VarBuilder};
use image::RgbImage;
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
        let levels = shapes.count("decoder.up.", ".block.0.conv1.weight");
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

    fn residual_style(&self) -> ResidualStyle {
        let norm = NormStyle { groups: self.num_groups, eps: self.group_norm_eps };
        ResidualStyle { norm, bias: false, shortcut: Shortcut::SecondConvolution }
    }

    fn channels(&self) -> Result<Vec<usize>, ModelError> {
        if self.channel_mult.is_empty() || self.num_groups == 0 {
            return Err(ModelError::Config("the image tokenizer has no levels or groups".into()));
        }
        Ok(self.channel_mult.iter().map(|multiple| multiple * self.hidden_channels).collect())
    }
}

fn blocks(
    first_inputs: usize,
    outputs: usize,
    config: &MaskgitVqganConfig,
    vb: &VarBuilder<'_>,
) -> Result<Vec<ResidualBlock>, ModelError> {
    (0..config.num_res_blocks)
        .map(|index| {
            let inputs = if index == 0 { first_inputs } else { outputs };
            ResidualBlock::load(inputs, outputs, config.residual_style(), &vb.pp(index))
        })
        .collect()
}

fn run(blocks: &[ResidualBlock], x: Tensor) -> Result<Tensor, ModelError> {
    blocks.iter().try_fold(x, |x, block| block.forward(&x))
}

/// The decoder with its codebook.
pub struct MaskgitVqgan {
    info: TokenizerInfo,
    codebook: Codebook,
    conv_in: Convolution,
    mid: Vec<ResidualBlock>,
    /// Lowest resolution first; all but the last double the size.
    levels: Vec<(Vec<ResidualBlock>, Option<Convolution>)>,
    norm_out: GroupNorm,
    conv_out: Convolution,
}

impl MaskgitVqgan {
    /// Loads decoder and codebook of a checkpoint whose keys have no prefix.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn load(
        vb: &VarBuilder<'_>,
        config: &MaskgitVqganConfig,
        shapes: &TensorShapes,
    ) -> Result<Self, ModelError> {
        let channels = config.channels()?;
        let decoder = vb.pp("decoder");
        let (last, first) = (channels[channels.len() - 1], channels[0]);
        let mut inputs = last;
        let mut levels = Vec::with_capacity(channels.len());
        for (level, &outputs) in channels.iter().enumerate().rev() {
            let up = decoder.pp("up").pp(level);
            let upsample_conv = (level > 0)
                .then(|| convolution(outputs, outputs, 3, true, up.pp("upsample_conv")))
                .transpose()?;
            levels.push((blocks(inputs, outputs, config, &up.pp("block"))?, upsample_conv));
            inputs = outputs;
        }
        let shape = (config.codebook_size, config.z_channels);
        let table = vb.get(shape, "quantize.embedding.weight").map_err(weights_error)?;
        Ok(Self {
            info: TokenizerInfo {
                name: "MaskGIT-VQGAN".to_string(),
                codebook_size: config.codebook_size,
                pixels_per_token: config.pixels_per_token(),
                partial_preview: partial::CONVOLUTIONAL_PREVIEW,
                parameters: shapes.elements(|_| true),
            },
            codebook: Codebook::new(&table, false)?,
            conv_in: convolution(config.z_channels, last, 3, true, decoder.pp("conv_in"))?,
            mid: blocks(last, last, config, &decoder.pp("mid"))?,
            levels,
            norm_out: config.residual_style().norm.load(first, decoder.pp("norm_out"))?,
            conv_out: convolution(first, 3, 3, true, decoder.pp("conv_out"))?,
        })
    }

    /// The codebook.
    pub fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    /// Pixels `[batch, 3, height, width]`, nominally 0..1 and not clamped, of code vectors
    /// `[batch, z_channels, rows, columns]`. `observe` sees the first convolution, the middle blocks
    /// and every level.
    ///
    /// # Errors
    /// Vectors of another width.
    pub fn decode_vectors(
        &self,
        vectors: &Tensor,
        observe: &mut dyn FnMut(&Tensor),
    ) -> Result<Tensor, ModelError> {
        let mut x = self.conv_in.forward(vectors)?;
        observe(&x);
        x = run(&self.mid, x)?;
        observe(&x);
        for (blocks, upsample_conv) in &self.levels {
            x = run(blocks, x)?;
            if let Some(conv) = upsample_conv {
                x = upsample(&x, conv)?;
            }
            observe(&x);
        }
        Ok(self.conv_out.forward(&self.norm_out.forward(&x)?.silu()?)?)
    }

    fn picture(&self, vectors: &Tensor) -> Result<RgbImage, ModelError> {
        rgb_image(&self.decode_vectors(vectors, &mut |_| ())?.squeeze(0)?, unit_byte)
    }
}

impl ImageTokenizer for MaskgitVqgan {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError> {
        self.picture(&partial::grid_vectors(&self.codebook, tokens, layout)?)
    }

    fn swatches(&self, codes: &[u32]) -> Result<Vec<RgbImage>, ModelError> {
        let side = self.info.pixels_per_token;
        partial::convolutional_swatches(&self.codebook, codes, side, |code| self.picture(code))
    }
}

/// The encoder: pictures to codes.
pub struct MaskgitVqganEncoder {
    conv_in: Convolution,
    /// Full resolution first; all but the last halve the size.
    levels: Vec<Vec<ResidualBlock>>,
    mid: Vec<ResidualBlock>,
    norm_out: GroupNorm,
    conv_out: Convolution,
}

impl MaskgitVqganEncoder {
    /// Loads the encoder of the same checkpoint.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn load(vb: &VarBuilder<'_>, config: &MaskgitVqganConfig) -> Result<Self, ModelError> {
        let channels = config.channels()?;
        let encoder = vb.pp("encoder");
        let (last, first) = (channels[channels.len() - 1], channels[0]);
        let mut inputs = first;
        let mut levels = Vec::with_capacity(channels.len());
        for (level, &outputs) in channels.iter().enumerate() {
            let vb = encoder.pp("down").pp(level).pp("block");
            levels.push(blocks(inputs, outputs, config, &vb)?);
            inputs = outputs;
        }
        Ok(Self {
            conv_in: convolution(3, first, 3, false, encoder.pp("conv_in"))?,
            levels,
            mid: blocks(last, last, config, &encoder.pp("mid"))?,
            norm_out: config.residual_style().norm.load(last, encoder.pp("norm_out"))?,
            conv_out: convolution(last, config.z_channels, 1, true, encoder.pp("conv_out"))?,
        })
    }

    /// Vectors `[batch, z_channels, rows, columns]` of pictures `[batch, 3, height, width]` in 0..1.
    ///
    /// # Errors
    /// A picture with other channels.
    pub fn encode_vectors(&self, pictures: &Tensor) -> Result<Tensor, ModelError> {
        let mut x = self.conv_in.forward(pictures)?;
        for (index, blocks) in self.levels.iter().enumerate() {
            x = run(blocks, x)?;
            if index + 1 < self.levels.len() {
                x = x.avg_pool2d(2)?;
            }
        }
        x = run(&self.mid, x)?;
        Ok(self.conv_out.forward(&self.norm_out.forward(&x)?.silu()?)?)
    }
}
