//! Normalisation of rows: RMS and layer norm over the last axis, in f32.

use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::rows;
use crate::compute::device_kind::on_device;
use crate::compute::error::ModelError;
use crate::compute::gpu::DeviceNorm;
use crate::compute::host::{copied, matrix};
use crate::compute::row_ops::NormKind;
use candle_core::{Device, Tensor};
use std::sync::OnceLock;

/// RMS norm `x / sqrt(mean(x²) + eps) · weight`, or layer norm when `bias` or `centred` is given.
#[derive(Debug, Clone)]
pub struct Norm {
    kind: NormKind,
    weight: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    width: usize,
    eps: f64,
    /// Set by the first row on a device.
    device: OnceLock<DeviceNorm>,
}

impl Norm {
    /// A norm over groups of `width` channels. `weight` and `bias` have `width` entries.
    pub fn new(
        kind: NormKind,
        width: usize,
        weight: Option<Vec<f32>>,
        bias: Option<Vec<f32>>,
        eps: f64,
    ) -> Self {
        Self { kind, weight, bias, width, eps, device: OnceLock::new() }
    }

    /// Normalises each group of `width` channels of `x` `[rows, n · width]`: whole rows, or heads.
    ///
    /// # Errors
    /// A row that is not a whole number of groups.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (rows, columns) = x.dims2()?;
        if self.width == 0 || columns % self.width != 0 {
            return Err(ModelError::Internal("a norm got a row of another width"));
        }
        if on_device(x) {
            return self.on_device(x.device())?.forward(x);
        }
        let mut data = copied(x)?;
        for group in data.chunks_mut(self.width) {
            self.normalize(group);
        }
        matrix(data, rows, columns)
    }

    fn on_device(&self, device: &Device) -> Result<&DeviceNorm, ModelError> {
        if let Some(norm) = self.device.get() {
            return Ok(norm);
        }
        let (weight, bias) = (self.weight.as_deref(), self.bias.as_deref());
        let norm = DeviceNorm::new(self.kind, self.width, weight, bias, self.eps, device)?;
        Ok(self.device.get_or_init(|| norm))
    }

    /// Normalises one group in place. Sums run over 16 lanes in f32, always in the same order.
    pub fn normalize(&self, group: &mut [f32]) {
        let centred = self.kind == NormKind::Layer;
        let (weight, bias) = (self.weight.as_deref(), self.bias.as_deref());
        rows::normalize(Isa::current(), group, weight, bias, centred, self.eps);
    }
}
