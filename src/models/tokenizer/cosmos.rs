//! The decoder of the Cosmos DV 8×16×16 image tokenizer that SimpleAR draws with, in its exact
//! two-dimensional form (reference/checkpoints/text-to-image.md A5).
//!
//! The original is a video decoder. For one frame a temporal kernel sees three copies of the frame,
//! so it is a 1×1 convolution with its taps summed, and is folded into the 3×3 convolution before it.
//! Keys are those of `decoder.jit`. Verified on a miniature with the original's key names; the
//! real file was not at hand.

use crate::models::error::ModelError;
use crate::models::layout::TokenLayout;
use crate::models::tokenizer::conv2d::Conv2d;
use crate::models::tokenizer::feature_map::FeatureMap;
use crate::models::tokenizer::fsq::FiniteScalarQuantizer;
use crate::models::tokenizer::grid::{decode_strip, swatches_of_fields};
use crate::models::tokenizer::spatial_attention::SpatialAttention;
use crate::models::tokenizer::{ImageTokenizer, TokenizerInfo};
use crate::models::weights::Weights;
use candle_core::Tensor;
use image::RgbImage;

/// Levels of the quantizer: 64 000 codes.
pub const LEVELS: [u32; 6] = [8, 8, 8, 5, 5, 5];

/// Rounds of the inverse Haar transform; each doubles the sides.
const HAAR_ROUNDS: u32 = 2;
const COLOURS: usize = 3;
const NORM_EPS: f64 = 1e-6;
/// Rows of stand-ins decoded below the drawn ones.
const ROWS_BELOW: usize = 1;

/// The decoder.
pub struct CosmosDecoder {
    info: TokenizerInfo,
    quantizer: FiniteScalarQuantizer,
    post_quant_conv: Conv2d,
    conv_in: Conv2d,
    block_1: ResidualBlock,
    attention: MidAttention,
    block_2: ResidualBlock,
    /// Coarsest first, with the number the checkpoint gives it.
    levels: Vec<(usize, Level)>,
    norm_out: FrameNorm,
    conv_out: Conv2d,
}

impl CosmosDecoder {
    /// Loads `post_quant_conv.*` and `decoder.*`; the sizes are those of the tensors.
    ///
    /// # Errors
    /// A missing tensor or one of an unexpected shape.
    pub fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let quantizer = FiniteScalarQuantizer::new(&LEVELS)?;
        let decoder = weights.pp("decoder");
        let count = (0..).take_while(|level| has_block(&decoder.pp("up").pp(level), 0)).count();
        if count == 0 {
            return Err(ModelError::Weights("a Cosmos decoder without levels".into()));
        }
        let levels = (0..count)
            .rev()
            .map(|index| Ok((index, Level::load(&decoder.pp("up").pp(index), index, count)?)))
            .collect::<Result<Vec<_>, ModelError>>()?;
        let mid = decoder.pp("mid");
        let mut decoder = Self {
            info: TokenizerInfo {
                name: "Cosmos DV 8×16×16".into(),
                codebook_size: quantizer.codebook_size() as usize,
                pixels_per_token: 1 << (count - 1 + HAAR_ROUNDS as usize),
                partial_preview: "Only the rows drawn so far are decoded; norms over the whole picture make \
                                  colours shift a little as rows are added.",
                parameters: 0,
            },
            post_quant_conv: plain(&weights.pp("post_quant_conv"))?,
            conv_in: factorized(&decoder.pp("conv_in"))?,
            block_1: ResidualBlock::load(&mid.pp("block_1"))?,
            attention: MidAttention::load(&mid.pp("attn_1"))?,
            block_2: ResidualBlock::load(&mid.pp("block_2"))?,
            levels,
            norm_out: FrameNorm::load(&decoder.pp("norm_out"))?,
            conv_out: factorized(&decoder.pp("conv_out"))?,
            quantizer,
        };
        decoder.check()?;
        decoder.info.parameters = decoder.parameters();
        Ok(decoder)
    }

    fn check(&self) -> Result<(), ModelError> {
        let expected = COLOURS << (3 * HAAR_ROUNDS);
        if self.conv_out.outputs() != expected {
            return Err(ModelError::Weights(format!(
                "the Cosmos decoder ends in {} channels, not {expected}",
                self.conv_out.outputs()
            )));
        }
        if self.post_quant_conv.inputs() != self.quantizer.channels() {
            return Err(ModelError::Weights("post_quant_conv does not take FSQ codes".into()));
        }
        Ok(())
    }

    /// Weights after folding, in numbers.
    fn parameters(&self) -> u64 {
        let convolutions = [&self.post_quant_conv, &self.conv_in, &self.conv_out];
        let levels: u64 = self.levels.iter().map(|(_, level)| level.parameters()).sum();
        convolutions.into_iter().map(Conv2d::parameters).sum::<u64>()
            + self.block_1.parameters()
            + self.attention.parameters()
            + self.block_2.parameters()
            + self.norm_out.parameters()
            + levels
    }

    /// The quantizer.
    pub fn quantizer(&self) -> &FiniteScalarQuantizer {
        &self.quantizer
    }

    /// Pixels of codes in raster order, three channels, not clamped. `visit` sees the output of each
    /// named module of the original.
    ///
    /// # Errors
    /// Codes that do not fill the grid.
    pub fn decode_codes(
        &self,
        codes: &[u32],
        rows: usize,
        columns: usize,
        visit: &mut dyn FnMut(&str, &FeatureMap),
    ) -> Result<FeatureMap, ModelError> {
        let values = codes.iter().flat_map(|&code| self.quantizer.values(code)).collect();
        let x = FeatureMap::new(rows, columns, self.quantizer.channels(), values)?;
        visit("inv_quant", &x);
        let x = self.post_quant_conv.forward(&x)?;
        visit("post_quant_conv", &x);
        let mut x = self.conv_in.forward(&x)?;
        visit("conv_in", &x);
        x = self.block_1.forward(&x)?;
        visit("mid.block_1", &x);
        self.attention.forward(&mut x)?;
        visit("mid.attn_1", &x);
        x = self.block_2.forward(&x)?;
        visit("mid.block_2", &x);
        for (index, level) in &self.levels {
            x = level.forward(x, *index, visit)?;
        }
        self.norm_out.forward(&mut x);
        visit("norm_out", &x);
        x.silu();
        let mut x = self.conv_out.forward(&x)?;
        visit("conv_out", &x);
        for _ in 0..HAAR_ROUNDS {
            x = inverse_haar(&x)?;
        }
        Ok(x)
    }
}

impl ImageTokenizer for CosmosDecoder {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError> {
        let neutral = self.quantizer.neutral_code();
        decode_strip(&self.info, tokens, layout, neutral, ROWS_BELOW, |codes, rows, columns| {
            self.decode_codes(codes, rows, columns, &mut |_, _| {})
        })
    }

    fn swatches(&self, codes: &[u32]) -> Result<Vec<RgbImage>, ModelError> {
        swatches_of_fields(&self.info, codes, |codes, rows, columns| {
            self.decode_codes(codes, rows, columns, &mut |_, _| {})
        })
    }
}

/// One resolution, and the way up to the next finer one.
struct Level {
    blocks: Vec<ResidualBlock>,
    upsample: Option<Upsample>,
}

impl Level {
    fn load(weights: &Weights<'_>, index: usize, count: usize) -> Result<Self, ModelError> {
        let blocks = (0..)
            .take_while(|&block| has_block(weights, block))
            .map(|block| ResidualBlock::load(&weights.pp("block").pp(block)))
            .collect::<Result<Vec<_>, _>>()?;
        // The coarsest level doubles only the picture; its `conv1` is in the file but unused.
        let temporal = index + 1 < count;
        let upsample = (index > 0).then(|| Upsample::load(&weights.pp("upsample"), temporal));
        Ok(Self { blocks, upsample: upsample.transpose()? })
    }

    fn parameters(&self) -> u64 {
        let blocks: u64 = self.blocks.iter().map(ResidualBlock::parameters).sum();
        blocks + self.upsample.as_ref().map_or(0, Upsample::parameters)
    }

    fn forward(
        &self,
        mut x: FeatureMap,
        index: usize,
        visit: &mut dyn FnMut(&str, &FeatureMap),
    ) -> Result<FeatureMap, ModelError> {
        for (block_index, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x)?;
            visit(&format!("up.{index}.block.{block_index}"), &x);
        }
        if let Some(upsample) = &self.upsample {
            x = upsample.forward(x)?;
            visit(&format!("up.{index}.upsample"), &x);
        }
        Ok(x)
    }
}

fn has_block(level: &Weights<'_>, block: usize) -> bool {
    level.contains(&format!("block.{block}.conv1.0.conv3d.weight"))
}

/// `shortcut(x) + conv2(silu(norm2(conv1(silu(norm1(x))))))`.
struct ResidualBlock {
    norm1: FrameNorm,
    conv1: Conv2d,
    norm2: FrameNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl ResidualBlock {
    fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let shortcut = weights.contains("nin_shortcut.conv3d.weight");
        Ok(Self {
            norm1: FrameNorm::load(&weights.pp("norm1"))?,
            conv1: factorized(&weights.pp("conv1"))?,
            norm2: FrameNorm::load(&weights.pp("norm2"))?,
            conv2: factorized(&weights.pp("conv2"))?,
            shortcut: shortcut.then(|| plain(&weights.pp("nin_shortcut"))).transpose()?,
        })
    }

    fn parameters(&self) -> u64 {
        let convolutions = [Some(&self.conv1), Some(&self.conv2), self.shortcut.as_ref()];
        let convolutions: u64 = convolutions.into_iter().flatten().map(Conv2d::parameters).sum();
        convolutions + self.norm1.parameters() + self.norm2.parameters()
    }

    fn forward(&self, x: &FeatureMap) -> Result<FeatureMap, ModelError> {
        let mut inner = x.clone();
        self.norm1.forward(&mut inner);
        inner.silu();
        let mut inner = self.conv1.forward(&inner)?;
        self.norm2.forward(&mut inner);
        inner.silu();
        let mut out = self.conv2.forward(&inner)?;
        match &self.shortcut {
            Some(shortcut) => out.add(&shortcut.forward(x)?)?,
            None => out.add(x)?,
        }
        Ok(out)
    }
}

/// Spatial attention, then temporal attention over the single frame: a softmax over one position is
/// 1, so what is left of it is `x + proj_out(v(norm(x)))`.
struct MidAttention {
    spatial_norm: FrameNorm,
    spatial: SpatialAttention,
    temporal_norm: FrameNorm,
    temporal_value: Conv2d,
    temporal_out: Conv2d,
}

impl MidAttention {
    fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let (spatial, temporal) = (weights.pp(0), weights.pp(1));
        let conv = |name: &str| plain(&spatial.pp(name));
        Ok(Self {
            spatial_norm: FrameNorm::load(&spatial.pp("norm"))?,
            spatial: SpatialAttention::new(conv("q")?, conv("k")?, conv("v")?, conv("proj_out")?),
            temporal_norm: FrameNorm::load(&temporal.pp("norm"))?,
            temporal_value: plain(&temporal.pp("v"))?,
            temporal_out: plain(&temporal.pp("proj_out"))?,
        })
    }

    fn parameters(&self) -> u64 {
        self.spatial_norm.parameters()
            + self.spatial.parameters()
            + self.temporal_norm.parameters()
            + self.temporal_value.parameters()
            + self.temporal_out.parameters()
    }

    fn forward(&self, x: &mut FeatureMap) -> Result<(), ModelError> {
        let mut inner = x.clone();
        self.spatial_norm.forward(&mut inner);
        x.add(&self.spatial.forward(&inner)?)?;
        let mut inner = x.clone();
        self.temporal_norm.forward(&mut inner);
        x.add(&self.temporal_out.forward(&self.temporal_value.forward(&inner)?)?)
    }
}

/// `x += conv1(x)` where time is doubled too, nearest ×2, `x += conv2(x)`, `conv3(x)`.
struct Upsample {
    conv1: Option<Conv2d>,
    conv2: Conv2d,
    conv3: Conv2d,
}

impl Upsample {
    fn load(weights: &Weights<'_>, temporal: bool) -> Result<Self, ModelError> {
        Ok(Self {
            conv1: temporal.then(|| plain(&weights.pp("conv1"))).transpose()?,
            conv2: plain(&weights.pp("conv2"))?,
            conv3: plain(&weights.pp("conv3"))?,
        })
    }

    fn parameters(&self) -> u64 {
        let convolutions = [self.conv1.as_ref(), Some(&self.conv2), Some(&self.conv3)];
        convolutions.into_iter().flatten().map(Conv2d::parameters).sum()
    }

    fn forward(&self, mut x: FeatureMap) -> Result<FeatureMap, ModelError> {
        if let Some(conv1) = &self.conv1 {
            x.add(&conv1.forward(&x)?)?;
        }
        let mut x = x.upsample_nearest(2);
        x.add(&self.conv2.forward(&x)?)?;
        self.conv3.forward(&x)
    }
}

/// Group norm with a single group: over all channels and positions of the frame.
struct FrameNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl FrameNorm {
    fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let weights = weights.pp("norm");
        let weight = weights.tensor_as_stored("weight")?.to_vec1::<f32>()?;
        let bias = weights.vector(weight.len(), "bias")?;
        Ok(Self { weight, bias })
    }

    fn parameters(&self) -> u64 {
        (self.weight.len() + self.bias.len()) as u64
    }

    fn forward(&self, x: &mut FeatureMap) {
        x.group_norm(1, &self.weight, &self.bias, NORM_EPS);
    }
}

/// A convolution over one frame: `[out, in, time, k, k]` with the taps over time summed.
fn one_frame(weights: &Weights<'_>) -> Result<(Tensor, Tensor), ModelError> {
    let weights = weights.pp("conv3d");
    let weight = weights.tensor_as_stored("weight")?;
    if weight.rank() != 5 {
        return Err(ModelError::Weights(
            "a Cosmos convolution that is not three-dimensional".into(),
        ));
    }
    let weight = weight.sum(2)?;
    let bias = weights.tensor(weight.dim(0)?, "bias")?;
    Ok((weight, bias))
}

fn plain(weights: &Weights<'_>) -> Result<Conv2d, ModelError> {
    let (weight, bias) = one_frame(weights)?;
    let padding = weight.dim(2)? / 2;
    Conv2d::new(&weight, bias.to_vec1()?, 1, padding)
}

/// A 3×3 convolution P and the 1×1 one K after it, folded: `W = K P`, `b = K b_P + b_K`.
fn factorized(weights: &Weights<'_>) -> Result<Conv2d, ModelError> {
    let (spatial, spatial_bias) = one_frame(&weights.pp(0))?;
    let (temporal, temporal_bias) = one_frame(&weights.pp(1))?;
    let (middle, inputs, kernel, _) = spatial.dims4()?;
    let (outputs, taps) = (temporal.dim(0)?, temporal.elem_count());
    if taps != outputs * middle {
        return Err(ModelError::Weights("a Cosmos convolution pair that does not fit".into()));
    }
    let temporal = temporal.reshape((outputs, middle))?;
    let weight = temporal.matmul(&spatial.reshape((middle, inputs * kernel * kernel))?)?;
    let bias = temporal.matmul(&spatial_bias.reshape((middle, 1))?)?.reshape(outputs)?;
    let bias = (bias + temporal_bias)?;
    let weight = weight.reshape((outputs, inputs, kernel, kernel))?;
    Conv2d::new(&weight, bias.to_vec1()?, 1, kernel / 2)
}

/// One round of the inverse Haar transform for the last frame. Channel `(4 t + 2 y + x) C + c` is the
/// band (t, y, x), 0 low and 1 high, of channel c: the later frame is low - high in time, even lines
/// are low + high, odd ones low - high.
fn inverse_haar(x: &FeatureMap) -> Result<FeatureMap, ModelError> {
    if !x.channels.is_multiple_of(8) {
        return Err(ModelError::Internal("channels that are no Haar bands"));
    }
    let channels = x.channels / 8;
    let (height, width) = (2 * x.height, 2 * x.width);
    let mut data = vec![0.0; height * width * channels];
    for (place, bands) in x.data.chunks_exact(x.channels).enumerate() {
        let (row, column) = (place / x.width, place % x.width);
        for channel in 0..channels {
            let band = |index: usize| bands[index * channels + channel];
            let frame = |y: usize, x: usize| band(2 * y + x) - band(4 + 2 * y + x);
            let (low, right) = (frame(0, 0), frame(0, 1));
            let (down, both) = (frame(1, 0), frame(1, 1));
            let pixels = [
                low + right + down + both,
                low - right + down - both,
                low + right - down - both,
                low - right - down + both,
            ];
            for (index, pixel) in pixels.into_iter().enumerate() {
                let (y, x) = (2 * row + index / 2, 2 * column + index % 2);
                data[(y * width + x) * channels + channel] = pixel;
            }
        }
    }
    FeatureMap::new(height, width, channels, data)
}
