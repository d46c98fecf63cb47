//! Two-dimensional convolutions of image tokenizers.
//!
//! Channels last makes a convolution a gather of contiguous runs and one matrix product, several
//! times quicker on the CPU than the tensor library's own convolution.

use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::packed::PackedMatrix;
use crate::compute::error::ModelError;
use crate::tokenizers::layers::feature_map::FeatureMap;
use crate::tokenizers::layers::winograd::Winograd;
use candle_core::Tensor;
use std::sync::Arc;

/// Numbers gathered at once for a convolution: a piece this large stays in the cache of a core.
const GATHER: usize = 1 << 18;
/// Largest weight, in numbers, that is kept transformed too: 16 numbers for 9.
const TRANSFORMED: usize = 1 << 22;

/// Where a kernel is applied: the steps between its places, and the zeros around the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Positions from one place of the kernel to the next.
    pub stride: usize,
    /// Rows of zeros above and columns of zeros at the left.
    pub before: usize,
    /// Rows of zeros below and columns of zeros at the right.
    pub after: usize,
}

impl Window {
    /// Half the size with a 3×3 kernel: one row of zeros below and one column at the right, stride 2.
    pub const HALVING: Self = Self { stride: 2, before: 0, after: 1 };

    /// The size stays, for an odd kernel.
    pub fn same(kernel: usize) -> Self {
        Self { stride: 1, before: kernel / 2, after: kernel / 2 }
    }

    /// Kernels side by side, without overlap.
    pub fn patches(kernel: usize) -> Self {
        Self { stride: kernel, before: 0, after: 0 }
    }
}

/// A 2-D convolution with bias and zero padding.
#[derive(Debug, Clone)]
pub struct Conv2d {
    kind: Kind,
    bias: Vec<f32>,
    kernel: usize,
    window: Window,
    inputs: usize,
    outputs: usize,
}

/// How the products are made.
#[derive(Debug, Clone)]
enum Kind {
    /// Inputs gathered, then one product with `[outputs, kernel · kernel · inputs]`.
    Gathered(Arc<PackedMatrix>),
    /// 3×3, stride 1, padding 1.
    Winograd(Winograd),
}

impl Conv2d {
    /// Packs a weight `[outputs, inputs, kernel, kernel]` and a bias `[outputs]`.
    ///
    /// # Errors
    /// Tensors of other shapes.
    pub fn new(weight: &Tensor, bias: Vec<f32>, window: Window) -> Result<Self, ModelError> {
        let (outputs, inputs, kernel, kernel_width) = weight.dims4()?;
        if kernel != kernel_width || bias.len() != outputs || window.stride == 0 {
            return Err(ModelError::Weights("a convolution of an unknown form".into()));
        }
        let kind = if kernel == 3 && window == Window::same(3) && weight.elem_count() <= TRANSFORMED
        {
            Kind::Winograd(Winograd::new(weight)?)
        } else {
            let rows = weight.permute((0, 2, 3, 1))?.contiguous()?.flatten_all()?.to_vec1()?;
            let taps = kernel * kernel * inputs;
            Kind::Gathered(Arc::new(PackedMatrix::pack_f32(&rows, outputs, taps)?))
        };
        Ok(Self { kind, bias, kernel, window, inputs, outputs })
    }

    /// Input channels.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Weights and biases, in numbers.
    pub fn parameters(&self) -> u64 {
        let weight = self.kernel * self.kernel * self.inputs * self.outputs;
        (weight + self.bias.len()) as u64
    }

    /// Convolves a map.
    ///
    /// # Errors
    /// A map with other channels, or smaller than the kernel.
    pub fn forward(&self, x: &FeatureMap) -> Result<FeatureMap, ModelError> {
        let Window { stride, before, after } = self.window;
        let span = |side: usize| (side + before + after).checked_sub(self.kernel);
        let (Some(down), Some(right)) = (span(x.height), span(x.width)) else {
            return Err(ModelError::Internal("an image smaller than a convolution's kernel"));
        };
        if x.channels != self.inputs {
            return Err(ModelError::Internal("a convolution got a map with other channels"));
        }
        let weight = match &self.kind {
            Kind::Winograd(winograd) => return winograd.forward(x, &self.bias),
            Kind::Gathered(weight) => weight,
        };
        let (height, width) = (down / stride + 1, right / stride + 1);
        let taps = self.kernel * self.kernel * self.inputs;
        let rows_at_once = (GATHER / (taps * width).max(1)).max(1);
        let isa = Isa::current();
        let mut data = vec![0.0; height * width * self.outputs];
        let pieces = data.chunks_mut((rows_at_once * width * self.outputs).max(1));
        for (piece, out) in pieces.enumerate() {
            let first = piece * rows_at_once;
            let rows = first..(first + rows_at_once).min(height);
            if self.kernel == 1 && self.window == Window::same(1) {
                let numbers = rows.start * width * taps..rows.end * width * taps;
                let positions = x.data.get(numbers).unwrap_or(&[]);
                weight.multiply(isa, positions, Some(&self.bias), out)?;
            } else {
                let gathered = self.gather(x, rows, width);
                weight.multiply(isa, &gathered, Some(&self.bias), out)?;
            }
        }
        FeatureMap::new(height, width, self.outputs, data)
    }

    /// The inputs of each output position of some rows, `[positions][kernel][kernel][inputs]`.
    fn gather(&self, x: &FeatureMap, rows: std::ops::Range<usize>, width: usize) -> Vec<f32> {
        let Window { stride, before, .. } = self.window;
        let run = self.kernel * self.inputs;
        let mut gathered = vec![0.0; rows.len() * width * self.kernel * run];
        let places = rows.flat_map(|row| (0..width).map(move |column| (row, column)));
        for (taps, (row, column)) in gathered.chunks_exact_mut(self.kernel * run).zip(places) {
            // The part of the kernel's columns that lies inside the image.
            let left = column * stride;
            let skip = before.saturating_sub(left);
            let end = self.kernel.min((x.width + before).saturating_sub(left));
            for (line, taps) in taps.chunks_exact_mut(run).enumerate() {
                let y = (row * stride + line).checked_sub(before);
                let Some(y) = y.filter(|&y| y < x.height) else { continue };
                let from = (y * x.width + left + skip - before) * self.inputs;
                let length = end.saturating_sub(skip) * self.inputs;
                let to = taps.get_mut(skip * self.inputs..skip * self.inputs + length);
                if let (Some(to), Some(from)) = (to, x.data.get(from..from + length)) {
                    to.copy_from_slice(from);
                }
            }
        }
        gathered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, IndexOp};
    use proptest::prelude::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0).collect()
    }

    proptest! {
        #[test]
        fn convolution_agrees_with_the_tensor_library(
            height in 1usize..9, width in 1usize..40, inputs in 1usize..5, outputs in 1usize..5,
            form in prop::sample::select(vec![(3, 1, 1), (1, 1, 0), (2, 2, 0), (3, 2, 1), (5, 1, 2)]),
        ) {
            let (kernel, stride, padding) = form;
            prop_assume!(height + 2 * padding >= kernel && width + 2 * padding >= kernel);
            let planes = numbers(inputs * height * width, 1);
            let weight = numbers(outputs * inputs * kernel * kernel, 2);
            let weight = Tensor::from_vec(weight, (outputs, inputs, kernel, kernel), &Device::Cpu)?;
            let x = Tensor::from_vec(planes.clone(), (1, inputs, height, width), &Device::Cpu)?;
            let expected = x.conv2d(&weight, padding, stride, 1, 1)?.i(0)?;
            let bias = numbers(outputs, 3);
            let window = Window { stride, before: padding, after: padding };
            let conv = Conv2d::new(&weight, bias.clone(), window).unwrap();
            let x = FeatureMap::from_planes(inputs, height, width, &planes).unwrap();
            let y = conv.forward(&x).unwrap();
            prop_assert_eq!((y.channels, y.height, y.width), expected.dims3()?);
            let expected = expected.flatten_all()?.to_vec1::<f32>()?;
            let positions = y.height * y.width;
            for (i, (found, expected)) in y.to_planes().iter().zip(expected).enumerate() {
                prop_assert!((found - expected - bias[i / positions]).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn halving_pads_below_and_at_the_right() {
        let weight = Tensor::from_vec(numbers(36, 2), (2, 2, 3, 3), &Device::Cpu).unwrap();
        let conv = Conv2d::new(&weight, vec![0.0; 2], Window::HALVING).unwrap();
        let planes = numbers(2 * 8 * 6, 1);
        let x = Tensor::from_vec(planes.clone(), (1, 2, 8, 6), &Device::Cpu).unwrap();
        let x = x.pad_with_zeros(2, 0, 1).unwrap().pad_with_zeros(3, 0, 1).unwrap();
        let expected = x.conv2d(&weight, 0, 2, 1, 1).unwrap().i(0).unwrap();
        let y = conv.forward(&FeatureMap::from_planes(2, 8, 6, &planes).unwrap()).unwrap();
        assert_eq!((y.channels, y.height, y.width), expected.dims3().unwrap());
        let expected = expected.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(y.to_planes().iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
    }
}
