//! The decoder of SBER's MoVQGAN (270M), the image tokenizer of Lumina-mGPT 2.0
//! (reference/checkpoints/text-to-image.md B4).
//!
//! Every norm is a *spatial norm*: a group norm whose scale and shift come from the code vectors at the
//! same place. Keys are those of `movqgan_270M.ckpt`.
//!
//! A partial preview shows the rows drawn so far and nothing below them: only they and one row of
//! stand-ins under them are decoded, so a picture costs what it shows. Inside the drawn rows it is not
//! yet final: group norms and the attentions of the middle and the coarsest level see the whole strip, so
//! colours shift a little as rows are added; the last drawn row changes most, because the row under it
//! is a copy. Cost at the published size: `cargo bench --bench previews`.
//!
//! Verified on a miniature (`tests/golden_movq.rs`): features after each module, pixels, both
//! containers. The real file was not at hand.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::layout::TokenLayout;
use crate::compute::weights::Weights;
use crate::tokenizers::conv2d::Conv2d;
use crate::tokenizers::feature_map::FeatureMap;
use crate::tokenizers::grid::{decode_strip, swatches_of_fields};
use crate::tokenizers::residual::{ConvolutionForm, FeatureNorm, ResidualBlock};
use crate::tokenizers::spatial_attention::SpatialAttention;
use crate::tokenizers::{ImageTokenizer, TokenizerInfo};
use image::RgbImage;

const GROUPS: usize = 32;
const NORM_EPS: f64 = 1e-6;
/// Rows of stand-ins decoded below the drawn ones.
const ROWS_BELOW: usize = 1;

const FORM: ConvolutionForm = ConvolutionForm {
    square: Conv2d::load_stored,
    point: Conv2d::load_stored,
    shortcut: "nin_shortcut.weight",
};

/// The decoder with its codebook.
pub struct MovqDecoder {
    info: TokenizerInfo,
    /// `[codes][code_channels]`.
    codebook: Vec<f32>,
    code_channels: usize,
    post_quant_conv: Conv2d,
    conv_in: Conv2d,
    block_1: ResidualBlock<SpatialNorm>,
    attention: Attention,
    block_2: ResidualBlock<SpatialNorm>,
    /// Coarsest first, with the number the checkpoint gives it.
    levels: Vec<(usize, Level)>,
    norm_out: SpatialNorm,
    conv_out: Conv2d,
}

impl MovqDecoder {
    /// Loads `quantize.embedding.weight`, `post_quant_conv.*` and `decoder.*`; the sizes are those of
    /// the tensors.
    ///
    /// # Errors
    /// A missing tensor or one of an unexpected shape.
    pub fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let codebook = weights.pp("quantize").pp("embedding").tensor_as_stored("weight")?;
        let (codes, code_channels) = codebook.dims2()?;
        let decoder = weights.pp("decoder");
        let count = (0..).take_while(|level| has_block(&decoder.pp("up").pp(level), 0)).count();
        if count == 0 || codes == 0 {
            return Err(ModelError::Weights("a MoVQGAN without levels or codes".into()));
        }
        let levels = (0..count)
            .rev()
            .map(|index| Ok((index, Level::load(&decoder.pp("up").pp(index), index)?)))
            .collect::<Result<Vec<_>, ModelError>>()?;
        let mid = decoder.pp("mid");
        let mut decoder = Self {
            info: TokenizerInfo {
                name: "MoVQGAN".into(),
                codebook_size: codes,
                pixels_per_token: 1 << (count - 1),
                partial_preview: "Only the rows drawn so far are decoded; group norms and attention over the \
                                  whole picture make colours shift a little as rows are added.",
                parameters: 0,
            },
            codebook: codebook.flatten_all()?.to_vec1()?,
            code_channels,
            post_quant_conv: Conv2d::load_stored(&weights.pp("post_quant_conv"))?,
            conv_in: Conv2d::load_stored(&decoder.pp("conv_in"))?,
            block_1: ResidualBlock::load(&mid.pp("block_1"), FORM)?,
            attention: Attention::load(&mid.pp("attn_1"))?,
            block_2: ResidualBlock::load(&mid.pp("block_2"), FORM)?,
            levels,
            norm_out: SpatialNorm::load(&decoder.pp("norm_out"))?,
            conv_out: Conv2d::load_stored(&decoder.pp("conv_out"))?,
        };
        if decoder.conv_out.outputs() != 3 || decoder.post_quant_conv.inputs() != code_channels {
            return Err(ModelError::Weights(
                "a MoVQGAN that does not turn codes into colours".into(),
            ));
        }
        decoder.info.parameters = decoder.parameters();
        Ok(decoder)
    }

    fn parameters(&self) -> u64 {
        let convolutions = [&self.post_quant_conv, &self.conv_in, &self.conv_out];
        let levels: u64 = self.levels.iter().map(|(_, level)| level.parameters()).sum();
        convolutions.into_iter().map(Conv2d::parameters).sum::<u64>()
            + self.block_1.parameters()
            + self.attention.parameters()
            + self.block_2.parameters()
            + self.norm_out.parameters()
            + self.codebook.len() as u64
            + levels
    }

    /// Pixels of codes in raster order, three channels, not clamped. `visit` sees the output of each
    /// named module of the original.
    ///
    /// # Errors
    /// Codes beyond the codebook or that do not fill the grid.
    pub fn decode_codes(
        &self,
        codes: &[u32],
        rows: usize,
        columns: usize,
        visit: &mut dyn FnMut(&str, &FeatureMap),
    ) -> Result<FeatureMap, ModelError> {
        let mut values = Vec::with_capacity(codes.len() * self.code_channels);
        for &code in codes {
            let start = code as usize * self.code_channels;
            let vector = self.codebook.get(start..start + self.code_channels);
            let beyond = ModelError::Internal("a code lies beyond the codebook");
            values.extend_from_slice(vector.ok_or(beyond)?);
        }
        // The norms see the raw code vectors, the stack those after post_quant_conv.
        let codes = FeatureMap::new(rows, columns, self.code_channels, values)?;
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
        x.silu();
        let x = self.conv_out.forward(&x)?;
        visit("conv_out", &x);
        Ok(x)
    }
}

impl ImageTokenizer for MovqDecoder {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError> {
        decode_strip(&self.info, tokens, layout, 0, ROWS_BELOW, |codes, rows, columns| {
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
    blocks: Vec<(ResidualBlock<SpatialNorm>, Option<Attention>)>,
    upsample: Option<Conv2d>,
}

impl Level {
    fn load(weights: &Weights<'_>, index: usize) -> Result<Self, ModelError> {
        let blocks = (0..)
            .take_while(|&block| has_block(weights, block))
            .map(|block| {
                let attention = weights.contains(&format!("attn.{block}.q.weight"));
                let attention = attention
                    .then(|| Attention::load(&weights.pp("attn").pp(block)))
                    .transpose()?;
                Ok((ResidualBlock::load(&weights.pp("block").pp(block), FORM)?, attention))
            })
            .collect::<Result<Vec<_>, ModelError>>()?;
        let upsample = weights.pp("upsample").pp("conv");
        let upsample = (index > 0).then(|| Conv2d::load_stored(&upsample)).transpose()?;
        Ok(Self { blocks, upsample })
    }

    fn parameters(&self) -> u64 {
        let blocks = self.blocks.iter().map(|(block, attention)| {
            block.parameters() + attention.as_ref().map_or(0, Attention::parameters)
        });
        blocks.sum::<u64>() + self.upsample.as_ref().map_or(0, Conv2d::parameters)
    }

    fn forward(
        &self,
        mut x: FeatureMap,
        codes: &FeatureMap,
        index: usize,
        visit: &mut dyn FnMut(&str, &FeatureMap),
    ) -> Result<FeatureMap, ModelError> {
        for (number, (block, attention)) in self.blocks.iter().enumerate() {
            x = block.forward(&x, codes)?;
            visit(&format!("up.{index}.block.{number}"), &x);
            if let Some(attention) = attention {
                attention.forward(&mut x, codes)?;
                visit(&format!("up.{index}.attn.{number}"), &x);
            }
        }
        if let Some(conv) = &self.upsample {
            x = conv.forward(&x.upsample_nearest(2))?;
            visit(&format!("up.{index}.upsample"), &x);
        }
        Ok(x)
    }
}

fn has_block(level: &Weights<'_>, block: usize) -> bool {
    level.contains(&format!("block.{block}.conv1.weight"))
}

/// `x + attention(norm(x))`.
struct Attention {
    norm: SpatialNorm,
    inner: SpatialAttention,
}

impl Attention {
    fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let conv = |name: &str| Conv2d::load_stored(&weights.pp(name));
        Ok(Self {
            norm: SpatialNorm::load(&weights.pp("norm"))?,
            inner: SpatialAttention::new(conv("q")?, conv("k")?, conv("v")?, conv("proj_out")?),
        })
    }

    fn parameters(&self) -> u64 {
        self.norm.parameters() + self.inner.parameters()
    }

    fn forward(&self, x: &mut FeatureMap, codes: &FeatureMap) -> Result<(), ModelError> {
        let mut inner = x.clone();
        self.norm.apply(&mut inner, codes)?;
        x.add(&self.inner.forward(&inner)?)
    }
}

/// `group_norm(x) · conv_y(codes) + conv_b(codes)`, the codes resized to the map by repeating. A 1×1
/// convolution and repeating commute, so both run at the size of the grid.
struct SpatialNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    scale: Conv2d,
    shift: Conv2d,
}

impl FeatureNorm for SpatialNorm {
    fn load(weights: &Weights<'_>) -> Result<Self, ModelError> {
        let norm = weights.pp("norm_layer");
        let weight = norm.tensor_as_stored("weight")?.to_vec1::<f32>()?;
        let channels = weight.len();
        if channels == 0 || channels % GROUPS != 0 {
            return Err(ModelError::Weights(format!("{channels} channels are no {GROUPS} groups")));
        }
        Ok(Self {
            bias: norm.vector(channels, "bias")?,
            weight,
            scale: Conv2d::load_stored(&weights.pp("conv_y"))?,
            shift: Conv2d::load_stored(&weights.pp("conv_b"))?,
        })
    }

    fn parameters(&self) -> u64 {
        (self.weight.len() + self.bias.len()) as u64
            + self.scale.parameters()
            + self.shift.parameters()
    }

    fn apply(&self, x: &mut FeatureMap, codes: &FeatureMap) -> Result<(), ModelError> {
        let (scale, shift) = (self.scale.forward(codes)?, self.shift.forward(codes)?);
        if scale.channels != x.channels || shift.channels != x.channels {
            return Err(ModelError::Internal("a spatial norm of another width"));
        }
        x.group_norm(GROUPS, &self.weight, &self.bias, NORM_EPS);
        let (width, channels) = (x.width, x.channels);
        let factor = (x.width / codes.width).max(1);
        for (place, position) in x.data.chunks_exact_mut(channels).enumerate() {
            let (row, column) = (place / width / factor, place % width / factor);
            let from = (row * codes.width + column) * channels;
            let (Some(scale), Some(shift)) =
                (scale.data.get(from..from + channels), shift.data.get(from..from + channels))
            else {
                return Err(ModelError::Internal("a spatial norm of another size"));
            };
            for ((x, scale), shift) in position.iter_mut().zip(scale).zip(shift) {
                *x = *x * scale + shift;
            }
        }
        Ok(())
    }
}
