//! VQ-16 and VQ-8, the image tokenizers of LlamaGen: one token is 16×16 or 8×8 pixels, attention over
//! pixels at the lowest resolution, code vectors divided by their norm.
//!
//! Verified on miniatures with random weights (`tests/golden_class_tokenizers`): decoder stages and
//! pixels, encoder codes, single blocks with 32 groups, and the full 72 M VQ-16 with weights that follow
//! a formula. The authors' own files were not available.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::tokenizers::blocks::{
    Convolution, NormStyle, PixelAttention, ResidualBlock, ResidualStyle, Shortcut, convolution,
    downsample, downsample_convolution, upsample, weights_error,
};
use crate::tokenizers::codebook::Codebook;
use crate::tokenizers::pixels::{rgb_image, signed_byte};
use crate::tokenizers::{ImageTokenizer, TokenizerInfo, partial};
use candle_core::Tensor;
use candle_nn::{GroupNorm, Module, VarBuilder};
use image::RgbImage;
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
        let [ch, ..] = shapes.axes::<4>("encoder.conv_in.weight")?;
        let levels = shapes.count("encoder.conv_blocks.", ".res.0.conv1.weight");
        let ch_mult = (0..levels)
            .map(|level| {
                let name = format!("encoder.conv_blocks.{level}.res.0.conv1.weight");
                let [outputs, ..] = shapes.axes::<4>(&name)?;
                Ok(outputs / ch)
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            ch,
            ch_mult,
            num_res_blocks: shapes.count("encoder.conv_blocks.0.res.", ".conv1.weight"),
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

    fn residual_style(&self) -> ResidualStyle {
        let norm = NormStyle { groups: self.norm_num_groups, eps: self.norm_eps };
        ResidualStyle { norm, bias: true, shortcut: Shortcut::Input }
    }

    fn channels(&self) -> Result<Vec<usize>, ModelError> {
        if self.ch_mult.is_empty() || self.norm_num_groups == 0 {
            return Err(ModelError::Config("the image tokenizer has no levels or groups".into()));
        }
        Ok(self.ch_mult.iter().map(|multiple| multiple * self.ch).collect())
    }
}

/// Residual blocks of one resolution, each followed by attention at the lowest one, then resampling.
struct Level {
    residual: Vec<ResidualBlock>,
    attention: Vec<PixelAttention>,
    resample: Option<Convolution>,
}

impl Level {
    fn load(
        channels: (usize, usize),
        count: usize,
        lowest: bool,
        style: ResidualStyle,
        vb: &VarBuilder<'_>,
    ) -> Result<Self, ModelError> {
        let (first_inputs, outputs) = channels;
        let residual = (0..count).map(|index| {
            let inputs = if index == 0 { first_inputs } else { outputs };
            ResidualBlock::load(inputs, outputs, style, &vb.pp("res").pp(index))
        });
        let attention = (0..if lowest { count } else { 0 })
            .map(|index| PixelAttention::load(outputs, style.norm, &vb.pp("attn").pp(index)));
        Ok(Self {
            residual: residual.collect::<Result<_, _>>()?,
            attention: attention.collect::<Result<_, _>>()?,
            resample: None,
        })
    }

    fn forward(&self, mut x: Tensor) -> Result<Tensor, ModelError> {
        for (index, block) in self.residual.iter().enumerate() {
            x = block.forward(&x)?;
            if let Some(attention) = self.attention.get(index) {
                x = attention.forward(&x)?;
            }
        }
        Ok(x)
    }
}

/// Residual block, attention, residual block at the lowest resolution.
struct Middle {
    first: ResidualBlock,
    attention: PixelAttention,
    last: ResidualBlock,
}

impl Middle {
    fn load(
        channels: usize,
        style: ResidualStyle,
        vb: &VarBuilder<'_>,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            first: ResidualBlock::load(channels, channels, style, &vb.pp(0))?,
            attention: PixelAttention::load(channels, style.norm, &vb.pp(1))?,
            last: ResidualBlock::load(channels, channels, style, &vb.pp(2))?,
        })
    }

    fn forward(&self, x: &Tensor, observe: &mut dyn FnMut(&Tensor)) -> Result<Tensor, ModelError> {
        let x = self.first.forward(x)?;
        observe(&x);
        let x = self.attention.forward(&x)?;
        observe(&x);
        let x = self.last.forward(&x)?;
        observe(&x);
        Ok(x)
    }
}

/// The decoder with its codebook.
pub struct LlamagenVq {
    info: TokenizerInfo,
    codebook: Codebook,
    post_quant_conv: Convolution,
    conv_in: Convolution,
    mid: Middle,
    /// Lowest resolution first; all but the last double the size.
    levels: Vec<Level>,
    norm_out: GroupNorm,
    conv_out: Convolution,
}

impl LlamagenVq {
    /// Loads decoder and codebook of a checkpoint whose keys have no prefix.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn load(
        vb: &VarBuilder<'_>,
        config: &LlamagenVqConfig,
        shapes: &TensorShapes,
    ) -> Result<Self, ModelError> {
        let (channels, style) = (config.channels()?, config.residual_style());
        let decoder = vb.pp("decoder");
        let (last, first) = (channels[channels.len() - 1], channels[0]);
        let mut inputs = last;
        let mut levels = Vec::with_capacity(channels.len());
        for (index, &outputs) in channels.iter().rev().enumerate() {
            let vb = decoder.pp("conv_blocks").pp(index);
            let count = config.num_res_blocks + 1;
            let mut level = Level::load((inputs, outputs), count, index == 0, style, &vb)?;
            if index + 1 < channels.len() {
                let conv = convolution(outputs, outputs, 3, true, vb.pp("upsample").pp("conv"))?;
                level.resample = Some(conv);
            }
            levels.push(level);
            inputs = outputs;
        }
        let shape = (config.codebook_size, config.codebook_embed_dim);
        let table = vb.get(shape, "quantize.embedding.weight").map_err(weights_error)?;
        let (code, z) = (config.codebook_embed_dim, config.z_channels);
        let pixels_per_token = config.pixels_per_token();
        Ok(Self {
            info: TokenizerInfo {
                name: format!("VQ-{pixels_per_token}"),
                codebook_size: config.codebook_size,
                pixels_per_token,
                partial_preview: partial::CONVOLUTIONAL_PREVIEW,
                // A statistic of the training stands in the file as well.
                parameters: shapes.elements(|name| name != "quantize.codebook_used"),
            },
            codebook: Codebook::new(&table, config.codebook_l2_norm)?,
            post_quant_conv: convolution(code, z, 1, true, vb.pp("post_quant_conv"))?,
            conv_in: convolution(z, last, 3, true, decoder.pp("conv_in"))?,
            mid: Middle::load(last, style, &decoder.pp("mid"))?,
            levels,
            norm_out: style.norm.load(first, decoder.pp("norm_out"))?,
            conv_out: convolution(first, 3, 3, true, decoder.pp("conv_out"))?,
        })
    }

    /// The codebook.
    pub fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    /// Pixels `[batch, 3, height, width]`, nominally -1..1 and not clamped, of code vectors
    /// `[batch, codebook_embed_dim, rows, columns]`. `observe` sees in turn: the 1×1 convolution, the
    /// first convolution, the three middle blocks, then each level before and after its resampling.
    ///
    /// # Errors
    /// Vectors of another width.
    pub fn decode_vectors(
        &self,
        vectors: &Tensor,
        observe: &mut dyn FnMut(&Tensor),
    ) -> Result<Tensor, ModelError> {
        let x = self.post_quant_conv.forward(vectors)?;
        observe(&x);
        let x = self.conv_in.forward(&x)?;
        observe(&x);
        let mut x = self.mid.forward(&x, observe)?;
        for level in &self.levels {
            x = level.forward(x)?;
            observe(&x);
            if let Some(conv) = &level.resample {
                x = upsample(&x, conv)?;
                observe(&x);
            }
        }
        Ok(self.conv_out.forward(&self.norm_out.forward(&x)?.silu()?)?)
    }

    fn picture(&self, vectors: &Tensor) -> Result<RgbImage, ModelError> {
        rgb_image(&self.decode_vectors(vectors, &mut |_| ())?.squeeze(0)?, signed_byte)
    }
}

impl ImageTokenizer for LlamagenVq {
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

/// The encoder: pictures to code vectors.
pub struct LlamagenVqEncoder {
    conv_in: Convolution,
    /// Full resolution first; all but the last halve the size.
    levels: Vec<Level>,
    mid: Middle,
    norm_out: GroupNorm,
    conv_out: Convolution,
    quant_conv: Convolution,
}

impl LlamagenVqEncoder {
    /// Loads the encoder of the same checkpoint.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn load(vb: &VarBuilder<'_>, config: &LlamagenVqConfig) -> Result<Self, ModelError> {
        let (channels, style) = (config.channels()?, config.residual_style());
        let encoder = vb.pp("encoder");
        let (last, first) = (channels[channels.len() - 1], channels[0]);
        let mut inputs = first;
        let mut levels = Vec::with_capacity(channels.len());
        for (index, &outputs) in channels.iter().enumerate() {
            let vb = encoder.pp("conv_blocks").pp(index);
            let lowest = index + 1 == channels.len();
            let mut level =
                Level::load((inputs, outputs), config.num_res_blocks, lowest, style, &vb)?;
            if !lowest {
                let vb = vb.pp("downsample").pp("conv");
                level.resample = Some(downsample_convolution(outputs, vb)?);
            }
            levels.push(level);
            inputs = outputs;
        }
        let (code, z) = (config.codebook_embed_dim, config.z_channels);
        Ok(Self {
            conv_in: convolution(3, first, 3, true, encoder.pp("conv_in"))?,
            levels,
            mid: Middle::load(last, style, &encoder.pp("mid"))?,
            norm_out: style.norm.load(last, encoder.pp("norm_out"))?,
            conv_out: convolution(last, z, 3, true, encoder.pp("conv_out"))?,
            quant_conv: convolution(z, code, 1, true, vb.pp("quant_conv"))?,
        })
    }

    /// Vectors `[batch, codebook_embed_dim, rows, columns]`, not normalised, of pictures
    /// `[batch, 3, height, width]` in -1..1. `observe` sees the first convolution and the encoder's
    /// output before the 1×1 convolution.
    ///
    /// # Errors
    /// A picture with other channels.
    pub fn encode_vectors(
        &self,
        pictures: &Tensor,
        observe: &mut dyn FnMut(&Tensor),
    ) -> Result<Tensor, ModelError> {
        let mut x = self.conv_in.forward(pictures)?;
        observe(&x);
        for level in &self.levels {
            x = level.forward(x)?;
            if let Some(conv) = &level.resample {
                x = downsample(&x, conv)?;
            }
        }
        x = self.mid.forward(&x, &mut |_| ())?;
        x = self.conv_out.forward(&self.norm_out.forward(&x)?.silu()?)?;
        observe(&x);
        Ok(self.quant_conv.forward(&x)?)
    }
}
