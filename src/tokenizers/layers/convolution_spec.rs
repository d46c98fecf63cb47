//! Convolutions as checkpoints hold them, and how each form becomes a 2-D convolution.

use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::layers::conv2d::{Conv2d, Window};
use candle_core::Tensor;

/// How a checkpoint holds a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvolutionForm {
    /// `weight` `[outputs, inputs, kernel, kernel]` and perhaps `bias`.
    Plane {
        /// Whether there is a bias.
        bias: bool,
    },
    /// A causal convolution of a video decoder, `conv3d.weight` `[outputs, inputs, taps, kernel,
    /// kernel]` and `conv3d.bias`. For a single frame the kernel sees `taps` copies of it, so the taps are
    /// summed.
    Frame {
        /// Frames under the kernel.
        taps: usize,
    },
    /// A [`ConvolutionForm::Frame`] of one tap called `0`, then one of three taps and a 1×1 kernel
    /// called `1`: P, then K. They are folded into one, `W = K P`, `b = K b_P + b_K`.
    FramePair,
}

/// A convolution at a place of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvolutionSpec {
    /// Name of the module in the checkpoint.
    pub place: String,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Where the kernel is applied.
    pub window: Window,
    /// How the checkpoint holds it.
    pub form: ConvolutionForm,
}

/// A weight and perhaps a bias that a convolution is made of.
pub struct ConvolutionTensors {
    /// Name of the module that holds them.
    pub place: String,
    /// Shape of the weight; the bias has one number per output, the first axis.
    pub shape: Vec<usize>,
    /// Whether there is a bias.
    pub bias: bool,
}

impl ConvolutionSpec {
    /// A convolution with bias that keeps the size, for an odd kernel.
    pub fn plane(place: impl Into<String>, inputs: usize, outputs: usize, kernel: usize) -> Self {
        let (window, form) = (Window::same(kernel), ConvolutionForm::Plane { bias: true });
        Self { place: place.into(), inputs, outputs, kernel, window, form }
    }

    /// What the convolution has in the checkpoint, in the order in which it is applied.
    pub fn tensors(&self) -> Vec<ConvolutionTensors> {
        let Self { place, inputs, outputs, kernel, .. } = self;
        let frame = |place: &str, inputs: usize, taps: usize, kernel: usize| ConvolutionTensors {
            place: format!("{place}.conv3d"),
            shape: vec![*outputs, inputs, taps, kernel, kernel],
            bias: true,
        };
        match self.form {
            ConvolutionForm::Plane { bias } => vec![ConvolutionTensors {
                place: place.clone(),
                shape: vec![*outputs, *inputs, *kernel, *kernel],
                bias,
            }],
            ConvolutionForm::Frame { taps } => vec![frame(place, *inputs, taps, *kernel)],
            ConvolutionForm::FramePair => vec![
                frame(&format!("{place}.0"), *inputs, 1, *kernel),
                frame(&format!("{place}.1"), *outputs, 3, 1),
            ],
        }
    }

    /// Loads and packs the convolution.
    ///
    /// # Errors
    /// A missing tensor or one of another shape.
    pub fn load(&self, weights: &Weights<'_>) -> Result<Conv2d, ModelError> {
        let mut folded: Option<(Tensor, Tensor)> = None;
        for tensors in self.tensors() {
            let next = tensors.load(weights)?;
            folded = Some(match folded {
                None => next,
                Some(first) => fold(first, next)?,
            });
        }
        let (weight, bias) = folded.ok_or(ModelError::Internal("a convolution has no tensors"))?;
        Conv2d::new(&weight, bias.to_vec1()?, self.window)
    }
}

impl ConvolutionTensors {
    /// `[outputs, inputs, kernel, kernel]` and `[outputs]`; a missing bias is 0.
    fn load(&self, weights: &Weights<'_>) -> Result<(Tensor, Tensor), ModelError> {
        let at = weights.pp(&self.place);
        let weight = at.tensor(self.shape.as_slice(), "weight")?;
        let weight = if weight.rank() == 5 { weight.sum(2)? } else { weight };
        let outputs = weight.dim(0)?;
        let bias = if self.bias {
            at.tensor(outputs, "bias")?
        } else {
            Tensor::zeros(outputs, weight.dtype(), weight.device())?
        };
        Ok((weight, bias))
    }
}

/// One convolution for two, of which the second has a 1×1 kernel.
fn fold(
    (first, first_bias): (Tensor, Tensor),
    (second, second_bias): (Tensor, Tensor),
) -> Result<(Tensor, Tensor), ModelError> {
    let (middle, inputs, kernel, _) = first.dims4()?;
    let outputs = second.dim(0)?;
    let second = second.reshape((outputs, middle))?;
    let weight = second.matmul(&first.reshape((middle, inputs * kernel * kernel))?)?;
    let bias = second.matmul(&first_bias.reshape((middle, 1))?)?.reshape(outputs)?;
    Ok((weight.reshape((outputs, inputs, kernel, kernel))?, (bias + second_bias)?))
}
