//! The built-in image tokenizer: a small convolutional auto-encoder around finite scalar
//! quantization (assets/emoji-scenes/README.md). All sizes come from `image_tokenizer.json`.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::layout::TokenLayout;
use crate::compute::weights::Weights;
use crate::tokenizers::conv2d::Conv2d;
use crate::tokenizers::feature_map::FeatureMap;
use crate::tokenizers::fsq::FiniteScalarQuantizer;
use crate::tokenizers::grid::{decode_strip, swatches_of_fields};
use crate::tokenizers::{ImageTokenizer, TokenizerInfo};
use image::RgbImage;
use serde::Deserialize;

const COLOURS: usize = 3;
/// Rows of stand-ins decoded below the drawn ones: more change the last drawn row by less than a level.
const ROWS_BELOW: usize = 2;

/// `image_tokenizer.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct ConvFsqConfig {
    /// Must be `fsq-conv`.
    pub kind: String,
    pub fsq_levels: Vec<u32>,
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

    fn quantizer(&self) -> Result<FiniteScalarQuantizer, ModelError> {
        let quantizer = FiniteScalarQuantizer::new(&self.fsq_levels)?;
        if quantizer.codebook_size() != self.codebook_size {
            return Err(ModelError::Config(
                "image_tokenizer.json: codebook_size is not the product of fsq_levels".into(),
            ));
        }
        Ok(quantizer)
    }

    /// Channels of a patch of pixels.
    fn patch_channels(&self) -> usize {
        COLOURS * self.patch * self.patch
    }

    /// Channels of the coarsest level.
    fn deepest(&self) -> usize {
        self.channels.last().copied().unwrap_or(0)
    }
}

/// `x + conv2(silu(conv1(silu(norm(x)))))`.
struct ResidualBlock {
    norm: Vec<f32>,
    norm_eps: f64,
    conv1: Conv2d,
    conv2: Conv2d,
}

impl ResidualBlock {
    fn load(weights: &Weights<'_>, channels: usize, norm_eps: f64) -> Result<Self, ModelError> {
        Ok(Self {
            norm: weights.pp("norm").vector(channels, "weight")?,
            norm_eps,
            conv1: Conv2d::load_same(&weights.pp("conv1"), channels, channels)?,
            conv2: Conv2d::load_same(&weights.pp("conv2"), channels, channels)?,
        })
    }

    fn forward(&self, x: &mut FeatureMap) -> Result<(), ModelError> {
        let mut inner = x.clone();
        inner.rms_norm(&self.norm, self.norm_eps);
        inner.silu();
        let mut inner = self.conv1.forward(&inner)?;
        inner.silu();
        x.add(&self.conv2.forward(&inner)?)
    }

    fn parameters(&self) -> u64 {
        self.norm.len() as u64 + self.conv1.parameters() + self.conv2.parameters()
    }
}

fn load_blocks(
    weights: &Weights<'_>,
    count: usize,
    channels: usize,
    norm_eps: f64,
) -> Result<Vec<ResidualBlock>, ModelError> {
    (0..count)
        .map(|index| ResidualBlock::load(&weights.pp(format!("block{index}")), channels, norm_eps))
        .collect()
}

/// One resolution of the decoder, and the way up to the next finer one.
struct DecoderLevel {
    blocks: Vec<ResidualBlock>,
    up: Option<Conv2d>,
}

/// The decoder half: codes to pixels.
pub struct ConvFsq {
    info: TokenizerInfo,
    quantizer: FiniteScalarQuantizer,
    patch: usize,
    norm_eps: f64,
    conv_in: Conv2d,
    /// Coarsest first.
    levels: Vec<DecoderLevel>,
    norm_out: Vec<f32>,
    conv_out: Conv2d,
}

impl ConvFsq {
    /// Loads the tensors `decoder.*`.
    ///
    /// # Errors
    /// A missing tensor, or one that does not fit the configuration.
    pub fn load(config: &ConvFsqConfig, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let quantizer = config.quantizer()?;
        let weights = weights.pp("decoder");
        let eps = config.norm_eps;
        let mut levels = Vec::with_capacity(config.channels.len());
        for (index, (&channels, &blocks)) in
            config.channels.iter().zip(&config.decoder_blocks).enumerate().rev()
        {
            let weights = weights.pp(format!("level{index}"));
            let finer = index.checked_sub(1).and_then(|finer| config.channels.get(finer));
            let up = finer.map(|&finer| Conv2d::load_same(&weights.pp("up"), channels, 4 * finer));
            levels.push(DecoderLevel {
                blocks: load_blocks(&weights, blocks, channels, eps)?,
                up: up.transpose()?,
            });
        }
        let finest = config.channels.first().copied().unwrap_or(0);
        let conv_in =
            Conv2d::load_same(&weights.pp("conv_in"), quantizer.channels(), config.deepest())?;
        let conv_out = Conv2d::load_same(&weights.pp("conv_out"), finest, config.patch_channels())?;
        let norm_out = weights.pp("norm_out").vector(finest, "weight")?;
        let in_levels: u64 = levels
            .iter()
            .flat_map(|level| {
                let blocks = level.blocks.iter().map(ResidualBlock::parameters);
                blocks.chain(level.up.iter().map(Conv2d::parameters))
            })
            .sum();
        let outside = conv_in.parameters() + conv_out.parameters() + norm_out.len() as u64;
        let info = TokenizerInfo {
            name: "Convolutional FSQ".into(),
            codebook_size: quantizer.codebook_size() as usize,
            pixels_per_token: config.downsample,
            partial_preview: "Only the rows drawn so far are decoded; a token that comes later still \
                              changes pixels up to about 10 tokens around it a little.",
            parameters: in_levels + outside,
        };
        Ok(Self {
            info,
            quantizer,
            patch: config.patch,
            norm_eps: eps,
            conv_in,
            levels,
            norm_out,
            conv_out,
        })
    }

    /// The quantizer.
    pub fn quantizer(&self) -> &FiniteScalarQuantizer {
        &self.quantizer
    }

    /// Pixels of a whole grid of codes in raster order, three channels, not clamped to [-1, 1].
    ///
    /// # Errors
    /// Codes that do not fill the grid.
    pub fn decode_codes(
        &self,
        codes: &[u32],
        rows: usize,
        columns: usize,
    ) -> Result<FeatureMap, ModelError> {
        let values = codes.iter().flat_map(|&code| self.quantizer.values(code)).collect();
        let grid = FeatureMap::new(rows, columns, self.quantizer.channels(), values)?;
        let mut x = self.conv_in.forward(&grid)?;
        for level in &self.levels {
            for block in &level.blocks {
                block.forward(&mut x)?;
            }
            if let Some(up) = &level.up {
                x = up.forward(&x)?.pixel_shuffle(2)?;
            }
        }
        x.rms_norm(&self.norm_out, self.norm_eps);
        x.silu();
        self.conv_out.forward(&x)?.pixel_shuffle(self.patch)
    }
}

impl ImageTokenizer for ConvFsq {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError> {
        let neutral = self.quantizer.neutral_code();
        decode_strip(&self.info, tokens, layout, neutral, ROWS_BELOW, |codes, rows, columns| {
            self.decode_codes(codes, rows, columns)
        })
    }

    fn swatches(&self, codes: &[u32]) -> Result<Vec<RgbImage>, ModelError> {
        swatches_of_fields(&self.info, codes, |codes, rows, columns| {
            self.decode_codes(codes, rows, columns)
        })
    }
}

/// One resolution of the encoder, and the way down to the next coarser one.
struct EncoderLevel {
    blocks: Vec<ResidualBlock>,
    down: Option<Conv2d>,
}

/// The encoder half: pixels to codes. Only needed to check the tokenizer and to encode pictures.
pub struct ConvFsqEncoder {
    quantizer: FiniteScalarQuantizer,
    patch: usize,
    norm_eps: f64,
    conv_in: Conv2d,
    /// Finest first.
    levels: Vec<EncoderLevel>,
    norm_out: Vec<f32>,
    conv_out: Conv2d,
}

impl ConvFsqEncoder {
    /// Loads the tensors `encoder.*`.
    ///
    /// # Errors
    /// A missing tensor, or one that does not fit the configuration.
    pub fn load(config: &ConvFsqConfig, weights: &Weights<'_>) -> Result<Self, ModelError> {
        let quantizer = config.quantizer()?;
        let weights = weights.pp("encoder");
        let eps = config.norm_eps;
        let finest = config.channels.first().copied().unwrap_or(0);
        let mut levels = Vec::with_capacity(config.channels.len());
        for (index, (&channels, &blocks)) in
            config.channels.iter().zip(&config.encoder_blocks).enumerate()
        {
            let weights = weights.pp(format!("level{index}"));
            let coarser = config.channels.get(index + 1);
            let down = coarser
                .map(|&coarser| Conv2d::load_patches(&weights.pp("down"), channels, coarser));
            levels.push(EncoderLevel {
                blocks: load_blocks(&weights, blocks, channels, eps)?,
                down: down.transpose()?,
            });
        }
        let (deepest, channels) = (config.deepest(), quantizer.channels());
        Ok(Self {
            patch: config.patch,
            norm_eps: eps,
            conv_in: Conv2d::load_same(&weights.pp("conv_in"), config.patch_channels(), finest)?,
            levels,
            norm_out: weights.pp("norm_out").vector(deepest, "weight")?,
            conv_out: Conv2d::load_same(&weights.pp("conv_out"), deepest, channels)?,
            quantizer,
        })
    }

    /// The outputs before quantization, `[rows][columns][channels]`, and the codes in raster order, of
    /// pixels in [-1, 1].
    ///
    /// # Errors
    /// Sides that are no multiple of a token's.
    pub fn encode(&self, pixels: &FeatureMap) -> Result<(FeatureMap, Vec<u32>), ModelError> {
        let mut x = self.conv_in.forward(&pixels.pixel_unshuffle(self.patch)?)?;
        for level in &self.levels {
            for block in &level.blocks {
                block.forward(&mut x)?;
            }
            if let Some(down) = &level.down {
                x = down.forward(&x)?;
            }
        }
        x.rms_norm(&self.norm_out, self.norm_eps);
        x.silu();
        let z = self.conv_out.forward(&x)?;
        let codes = z.data.chunks(z.channels).map(|z| self.quantizer.quantize(z));
        let codes: Option<Vec<u32>> = codes.collect();
        Ok((z, codes.ok_or(ModelError::Internal("an encoder's output has other channels"))?))
    }
}
