//! Convolutional blocks that the image tokenizers share: residual block, attention over pixels,
//! resampling. All tensors are `[batch, channels, height, width]`; the arithmetic is candle's in f32 but
//! for the convolutions, which are several times quicker channels last.

use crate::compute::error::ModelError;
use crate::tokenizers::conv2d::Conv2d;
use crate::tokenizers::feature_map::FeatureMap;
use candle_core::{D, Device, Tensor};
use candle_nn::{GroupNorm, Module, VarBuilder, group_norm, ops};

/// A convolution of pictures that lie channels first.
#[derive(Debug, Clone)]
pub struct Convolution(Conv2d);

impl Module for Convolution {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let last = x.permute((0, 2, 3, 1))?.contiguous()?.flatten_all()?.to_vec1::<f32>()?;
        let picture = channels * height * width;
        let maps = last.chunks_exact(picture.max(1)).map(|data| {
            let map = FeatureMap::new(height, width, channels, data.to_vec());
            map.and_then(|map| self.0.forward(&map)).map_err(candle_core::Error::wrap)
        });
        let maps = maps.collect::<candle_core::Result<Vec<_>>>()?;
        let Some((height, width)) = maps.first().map(|map| (map.height, map.width)) else {
            candle_core::bail!("a convolution of no pictures");
        };
        let data: Vec<f32> = maps.into_iter().flat_map(|map| map.data).collect();
        let out = Tensor::from_vec(data, (batch, height, width, self.0.outputs()), &Device::Cpu)?;
        out.permute((0, 3, 1, 2))?.contiguous()
    }
}

/// Group norm as a tokenizer has it everywhere.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormStyle {
    /// Number of groups; 32 in published models, fewer in miniatures.
    pub groups: usize,
    /// ε of the norm.
    pub eps: f64,
}

impl NormStyle {
    /// The norm with `weight` and `bias` at `vb`.
    ///
    /// # Errors
    /// Weights are missing, or the groups do not divide the channels.
    pub fn load(&self, channels: usize, vb: VarBuilder<'_>) -> Result<GroupNorm, ModelError> {
        group_norm(self.groups, channels, self.eps, vb).map_err(weights_error)
    }
}

/// What a 1×1 shortcut convolution is applied to where a residual block changes the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortcut {
    /// The block's input, as usual.
    Input,
    /// The output of the second convolution, to which the result is added; the block's input is
    /// dropped. MaskGIT-VQGAN was trained so.
    SecondConvolution,
}

/// Everything that differs between the residual blocks of two tokenizers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResidualStyle {
    /// Both norms.
    pub norm: NormStyle,
    /// Whether the convolutions have a bias.
    pub bias: bool,
    /// See [`Shortcut`].
    pub shortcut: Shortcut,
}

/// A convolution with stride 1 and an odd `kernel`, padded so that the size stays.
///
/// # Errors
/// Weights are missing or have another shape.
pub fn convolution(
    inputs: usize,
    outputs: usize,
    kernel: usize,
    bias: bool,
    vb: VarBuilder<'_>,
) -> Result<Convolution, ModelError> {
    let weight = vb.get((outputs, inputs, kernel, kernel), "weight").map_err(weights_error)?;
    let bias = if bias { load_bias(&vb, outputs)? } else { vec![0.0; outputs] };
    Ok(Convolution(Conv2d::new(&weight, bias, 1, kernel / 2)?))
}

fn load_bias(vb: &VarBuilder<'_>, outputs: usize) -> Result<Vec<f32>, ModelError> {
    Ok(vb.get(outputs, "bias").map_err(weights_error)?.to_vec1()?)
}

pub(crate) fn weights_error(error: candle_core::Error) -> ModelError {
    ModelError::Weights(error.to_string())
}

/// Norm, swish, 3×3 convolution, twice, plus the input.
#[derive(Debug, Clone)]
pub struct ResidualBlock {
    norm1: GroupNorm,
    conv1: Convolution,
    norm2: GroupNorm,
    conv2: Convolution,
    nin_shortcut: Option<Convolution>,
    shortcut: Shortcut,
}

impl ResidualBlock {
    /// Loads `norm1`, `conv1`, `norm2`, `conv2` and, where the channels change, `nin_shortcut`.
    ///
    /// # Errors
    /// Weights are missing or have another shape.
    pub fn load(
        inputs: usize,
        outputs: usize,
        style: ResidualStyle,
        vb: &VarBuilder<'_>,
    ) -> Result<Self, ModelError> {
        let shortcut_inputs = match style.shortcut {
            Shortcut::Input => inputs,
            Shortcut::SecondConvolution => outputs,
        };
        let nin_shortcut = (inputs != outputs)
            .then(|| convolution(shortcut_inputs, outputs, 1, style.bias, vb.pp("nin_shortcut")))
            .transpose()?;
        Ok(Self {
            norm1: style.norm.load(inputs, vb.pp("norm1"))?,
            conv1: convolution(inputs, outputs, 3, style.bias, vb.pp("conv1"))?,
            norm2: style.norm.load(outputs, vb.pp("norm2"))?,
            conv2: convolution(outputs, outputs, 3, style.bias, vb.pp("conv2"))?,
            nin_shortcut,
            shortcut: style.shortcut,
        })
    }

    /// # Errors
    /// An input with other channels.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let h = self.conv1.forward(&self.norm1.forward(x)?.silu()?)?;
        let h = self.conv2.forward(&self.norm2.forward(&h)?.silu()?)?;
        Ok(match (&self.nin_shortcut, self.shortcut) {
            (None, _) => (x + h)?,
            (Some(shortcut), Shortcut::Input) => (shortcut.forward(x)? + h)?,
            (Some(shortcut), Shortcut::SecondConvolution) => (shortcut.forward(&h)? + h)?,
        })
    }
}

/// Attention of one head over all pixels, with four 1×1 convolutions and a residual sum.
#[derive(Debug, Clone)]
pub struct PixelAttention {
    norm: GroupNorm,
    q: Convolution,
    k: Convolution,
    v: Convolution,
    proj_out: Convolution,
}

impl PixelAttention {
    /// Loads `norm`, `q`, `k`, `v` and `proj_out`.
    ///
    /// # Errors
    /// Weights are missing or have another shape.
    pub fn load(channels: usize, norm: NormStyle, vb: &VarBuilder<'_>) -> Result<Self, ModelError> {
        let projection = |name: &str| convolution(channels, channels, 1, true, vb.pp(name));
        Ok(Self {
            norm: norm.load(channels, vb.pp("norm"))?,
            q: projection("q")?,
            k: projection("k")?,
            v: projection("v")?,
            proj_out: projection("proj_out")?,
        })
    }

    /// # Errors
    /// An input with other channels.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (batch, channels, height, width) = x.dims4()?;
        let h = self.norm.forward(x)?;
        let flat = |conv: &Convolution| -> Result<Tensor, ModelError> {
            Ok(conv.forward(&h)?.reshape((batch, channels, height * width))?)
        };
        let queries = flat(&self.q)?.transpose(1, 2)?.contiguous()?;
        let scores = (queries.matmul(&flat(&self.k)?)? / (channels as f64).sqrt())?;
        let attention = ops::softmax(&scores, D::Minus1)?;
        let values = flat(&self.v)?.transpose(1, 2)?.contiguous()?;
        let mixed = attention.matmul(&values)?.transpose(1, 2)?.contiguous()?;
        Ok((x + self.proj_out.forward(&mixed.reshape((batch, channels, height, width))?)?)?)
    }
}

/// Twice the size: every pixel repeated, then a 3×3 convolution.
///
/// # Errors
/// An input with other channels.
pub fn upsample(x: &Tensor, conv: &Convolution) -> Result<Tensor, ModelError> {
    let (_, _, height, width) = x.dims4()?;
    Ok(conv.forward(&x.upsample_nearest2d(height * 2, width * 2)?)?)
}

/// Half the size: one zero row below and one zero column at the right, then a 3×3 convolution with
/// stride 2 and no other padding.
///
/// # Errors
/// An input with other channels.
pub fn downsample(x: &Tensor, conv: &Convolution) -> Result<Tensor, ModelError> {
    let padded = x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)?;
    Ok(conv.forward(&padded)?)
}

/// The convolution of [`downsample`], with `weight` and `bias` at `vb`.
///
/// # Errors
/// Weights are missing or have another shape.
pub fn downsample_convolution(
    channels: usize,
    vb: VarBuilder<'_>,
) -> Result<Convolution, ModelError> {
    let weight = vb.get((channels, channels, 3, 3), "weight").map_err(weights_error)?;
    Ok(Convolution(Conv2d::new(&weight, load_bias(&vb, channels)?, 2, 0)?))
}
