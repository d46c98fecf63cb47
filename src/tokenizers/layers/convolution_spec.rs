//! Convolutions as checkpoints hold them, and how each form becomes a 2-D convolution.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
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

/// A weight `[outputs, inputs, …]` and perhaps a bias `[outputs]`.
pub type WeightAndBias<T> = (T, Option<T>);

impl ConvolutionSpec {
    /// A convolution with bias that keeps the size, for an odd kernel.
    pub fn plane(place: impl Into<String>, inputs: usize, outputs: usize, kernel: usize) -> Self {
        let (window, form) = (Window::same(kernel), ConvolutionForm::Plane { bias: true });
        Self { place: place.into(), inputs, outputs, kernel, window, form }
    }

    /// The convolutions that the checkpoint holds, in the order in which they are applied.
    ///
    /// # Errors
    /// A missing tensor or one of another shape.
    pub fn read<S: LayerSource>(
        &self,
        source: &S,
    ) -> Result<Vec<WeightAndBias<S::Tensor>>, ModelError> {
        let (place, inputs, outputs, kernel) =
            (&self.place, self.inputs, self.outputs, self.kernel);
        let read = |place: &str, shape: &[usize], bias: bool| -> Result<_, ModelError> {
            let at = source.pp(place);
            let weight = at.tensor(shape, "weight")?;
            Ok((weight, bias.then(|| at.tensor(outputs, "bias")).transpose()?))
        };
        let frame = |place: &str, inputs: usize, taps: usize, kernel: usize| {
            read(&format!("{place}.conv3d"), &[outputs, inputs, taps, kernel, kernel], true)
        };
        match self.form {
            ConvolutionForm::Plane { bias } => {
                Ok(vec![read(place, &[outputs, inputs, kernel, kernel], bias)?])
            }
            ConvolutionForm::Frame { taps } => Ok(vec![frame(place, inputs, taps, kernel)?]),
            ConvolutionForm::FramePair => Ok(vec![
                frame(&format!("{place}.0"), inputs, 1, kernel)?,
                frame(&format!("{place}.1"), outputs, 3, 1)?,
            ]),
        }
    }

    /// Loads and packs the convolution.
    ///
    /// # Errors
    /// A missing tensor or one of another shape.
    pub fn load(&self, weights: &Weights<'_>) -> Result<Conv2d, ModelError> {
        let mut folded: Option<(Tensor, Tensor)> = None;
        for stored in self.read(weights)? {
            let next = single_frame(stored)?;
            folded = Some(match folded {
                None => next,
                Some(first) => fold(first, next)?,
            });
        }
        let (weight, bias) = folded.ok_or(ModelError::Internal("a convolution has no tensors"))?;
        Conv2d::new(&weight, bias.to_vec1()?, self.window)
    }
}

/// A weight over a plane, `[outputs, inputs, kernel, kernel]`, with taps over time summed, and its
/// bias; a missing one is 0.
fn single_frame((weight, bias): WeightAndBias<Tensor>) -> Result<(Tensor, Tensor), ModelError> {
    let weight = if weight.rank() == 5 { weight.sum(2)? } else { weight };
    let bias = match bias {
        Some(bias) => bias,
        None => Tensor::zeros(weight.dim(0)?, weight.dtype(), weight.device())?,
    };
    Ok((weight, bias))
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
