//! Norms of rows on a device. The vectors of a norm are sent there once, at its first row.

use crate::compute::error::ModelError;
use crate::compute::row_ops::NormKind;
use candle_core::{DType, Device, Tensor};
use candle_nn::ops;

/// A norm over groups of as many channels as its vectors have, as [`crate::compute::norm::Norm`].
#[derive(Debug, Clone)]
pub(crate) struct DeviceNorm {
    kind: NormKind,
    weight: Tensor,
    bias: Option<Tensor>,
    width: usize,
    eps: f32,
}

impl DeviceNorm {
    /// # Errors
    /// The device has no memory left.
    pub(crate) fn new(
        kind: NormKind,
        width: usize,
        weight: Option<&[f32]>,
        bias: Option<&[f32]>,
        eps: f64,
        device: &Device,
    ) -> Result<Self, ModelError> {
        let weight = match weight {
            Some(weight) => Tensor::new(weight, device)?,
            None => Tensor::ones(width, DType::F32, device)?,
        };
        let bias = match (bias, kind) {
            (Some(bias), _) => Some(Tensor::new(bias, device)?),
            (None, NormKind::Layer) => Some(Tensor::zeros(width, DType::F32, device)?),
            (None, NormKind::Rms) => None,
        };
        Ok(Self { kind, weight, bias, width, eps: eps as f32 })
    }

    /// `x` is `[rows, n · width]`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let groups = x.contiguous()?.reshape(((), self.width))?;
        let y = match (self.kind, &self.bias) {
            (NormKind::Layer, Some(bias)) => ops::layer_norm(&groups, &self.weight, bias, self.eps),
            (_, None) => ops::rms_norm(&groups, &self.weight, self.eps),
            (NormKind::Rms, Some(bias)) => {
                ops::rms_norm(&groups, &self.weight, self.eps)?.broadcast_add(bias)
            }
        };
        Ok(y?.reshape(x.shape())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::gpu::compare::{assert_close, matrix};
    use crate::compute::norm::Norm;

    #[test]
    fn norms_agree() {
        let x = matrix(4, 3, 48);
        let (weight, bias) = (vec![0.7; 16], (0..16).map(|i| i as f32).collect::<Vec<_>>());
        let vectors = [(Some(weight), Some(bias.clone())), (None, Some(bias)), (None, None)];
        for kind in [NormKind::Rms, NormKind::Layer] {
            for (weight, bias) in &vectors {
                let host = Norm::new(kind, 16, weight.clone(), bias.clone(), 1e-5);
                let (weight, bias) = (weight.as_deref(), bias.as_deref());
                let device = DeviceNorm::new(kind, 16, weight, bias, 1e-5, x.device()).unwrap();
                assert_close(&device.forward(&x).unwrap(), &host.forward(&x).unwrap(), 1e-5);
            }
        }
    }
}
