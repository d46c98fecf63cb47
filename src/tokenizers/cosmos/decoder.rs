//! The decoder of the Cosmos DV 8×16×16 image tokenizer that SimpleAR draws with, in its exact
//! two-dimensional form (reference/checkpoints/text-to-image.md A5).
//!
//! The original is a video decoder. For one frame a temporal kernel sees three copies of the frame,
//! so it is a 1×1 convolution with its taps summed, and is folded into the 3×3 convolution before it.
//! Keys are those of `decoder.jit`.
//!
//! A partial preview shows the rows drawn so far and nothing below them: only they and one row of
//! stand-ins under them are decoded, so a picture costs what it shows. Inside the drawn rows it is not
//! yet final: every norm runs over all channels and places of the strip, and the middle attention over
//! all its places, so colours shift a little as rows are added; the last drawn row changes most, because
//! the row under it is a copy. Cost at the published size: `cargo bench --bench previews`.
//!
//! Verified on a miniature with the original's key names (`tests/golden_cosmos.rs`): codes of the whole
//! quantizer, features after each module, pixels. The real `decoder.jit` was not at hand.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::layout::TokenLayout;
use crate::compute::weights::Weights;
use crate::tokenizers::conv2d::Conv2d;
use crate::tokenizers::feature_map::FeatureMap;
use crate::tokenizers::fsq::FiniteScalarQuantizer;
use crate::tokenizers::grid::{decode_strip, swatches_of_fields};
use crate::tokenizers::layers::haar::inverse_haar;
use crate::tokenizers::residual::{ConvolutionForm, FeatureNorm, ResidualBlock};
use crate::tokenizers::spatial_attention::SpatialAttention;
use crate::tokenizers::{ImageTokenizer, TokenizerInfo};
use candle_core::Tensor;
use image::RgbImage;

/// Levels of the quantizer.
pub const LEVELS: [u32; 6] = [8, 8, 8, 5, 5, 5];

/// Codes of the quantizer, 64 000.
pub const CODES: usize = {
    let [a, b, c, d, e, f] = LEVELS;
    (a * b * c * d * e * f) as usize
};

/// Rounds of the inverse Haar transform; each doubles the sides.
const HAAR_ROUNDS: u32 = 2;
const COLOURS: usize = 3;
const NORM_EPS: f64 = 1e-6;
/// Rows of stand-ins decoded below the drawn ones.
const ROWS_BELOW: usize = 1;

/// A convolution over the frame and one over time, folded; 1×1 ones stand alone.
const FORM: ConvolutionForm =
    ConvolutionForm { square: factorized, point: plain, shortcut: "nin_shortcut.conv3d.weight" };

/// The decoder.
pub struct CosmosDecoder {
    info: TokenizerInfo,
    quantizer: FiniteScalarQuantizer,
    post_quant_conv: Conv2d,
    conv_in: Conv2d,
    block_1: ResidualBlock<FrameNorm>,
    attention: MidAttention,
    block_2: ResidualBlock<FrameNorm>,
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
            block_1: ResidualBlock::load(&mid.pp("block_1"), FORM)?,
            attention: MidAttention::load(&mid.pp("attn_1"))?,
            block_2: ResidualBlock::load(&mid.pp("block_2"), FORM)?,
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
        let codes = FeatureMap::new(rows, columns, self.quantizer.channels(), values)?;
        visit("inv_quant", &codes);
        let x = self.post_quant_conv.forward(&codes)?;
        visit("post_quant_conv", &x);
        let mut x = self.conv_in.forward(&x)?;
        visit("conv_in", &x);
        x = self.block_1.forward(&x, &codes)?;
        visit("mid.block_1", &x);
        self.attention.forward(&mut x, &codes)?;
        visit("mid.attn_1", &x);
        x = self.block_2.forward(&x, &codes)?;
        visit("mid.block_2", &x);
        for (index, level) in &self.levels {
            x = level.forward(x, &codes, *index, visit)?;
        }
        self.norm_out.apply(&mut x, &codes)?;
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
    blocks: Vec<ResidualBlock<FrameNorm>>,
    upsample: Option<Upsample>,
}

impl Level {
    fn load(weights: &Weights<'_>, index: usize, count: usize) -> Result<Self, ModelError> {
        let blocks = (0..)
            .take_while(|&block| has_block(weights, block))
            .map(|block| ResidualBlock::load(&weights.pp("block").pp(block), FORM))
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
        codes: &FeatureMap,
        index: usize,
        visit: &mut dyn FnMut(&str, &FeatureMap),
    ) -> Result<FeatureMap, ModelError> {
        for (block_index, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x, codes)?;
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

    fn forward(&self, x: &mut FeatureMap, codes: &FeatureMap) -> Result<(), ModelError> {
        let mut inner = x.clone();
        self.spatial_norm.apply(&mut inner, codes)?;
        x.add(&self.spatial.forward(&inner)?)?;
        let mut inner = x.clone();
        self.temporal_norm.apply(&mut inner, codes)?;
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

impl FeatureNorm for FrameNorm {
    fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let weights = weights.pp("norm");
        let weight = weights.tensor_as_stored("weight")?.to_vec1::<f32>()?;
        let bias = weights.vector(weight.len(), "bias")?;
        Ok(Self { weight, bias })
    }

    fn parameters(&self) -> u64 {
        (self.weight.len() + self.bias.len()) as u64
    }

    fn apply(&self, x: &mut FeatureMap, _codes: &FeatureMap) -> Result<(), ModelError> {
        x.group_norm(1, &self.weight, &self.bias, NORM_EPS);
        Ok(())
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
