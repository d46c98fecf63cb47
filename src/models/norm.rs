//! Normalisation of rows: RMS and layer norm over the last axis, in f32.

use crate::models::error::ModelError;
use candle_core::{Device, Tensor};

/// RMS norm `x / sqrt(mean(x²) + eps) · weight`, or layer norm when `bias` or `centred` is given.
#[derive(Debug, Clone)]
pub struct Norm {
    kind: NormKind,
    weight: Option<Vec<f32>>,
    bias: Option<Vec<f32>>,
    width: usize,
    eps: f64,
}

/// Which mean is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// No mean removed, divided by the root mean square.
    Rms,
    /// Mean removed, divided by the standard deviation.
    Layer,
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
        Self { kind, weight, bias, width, eps }
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
        let mut data = x.flatten_all()?.to_vec1::<f32>()?;
        for group in data.chunks_mut(self.width) {
            self.normalize(group);
        }
        Ok(Tensor::from_vec(data, (rows, columns), &Device::Cpu)?)
    }

    /// Normalises one group in place; sums run in f64, so their order does not show.
    pub fn normalize(&self, group: &mut [f32]) {
        let count = group.len() as f64;
        let mean = match self.kind {
            NormKind::Rms => 0.0,
            NormKind::Layer => group.iter().map(|&x| f64::from(x)).sum::<f64>() / count,
        };
        let variance = group.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        let inverse = 1.0 / (variance + self.eps).sqrt();
        for (index, x) in group.iter_mut().enumerate() {
            let mut y = ((f64::from(*x) - mean) * inverse) as f32;
            if let Some(weight) = &self.weight {
                y *= weight[index];
            }
            if let Some(bias) = &self.bias {
                y += bias[index];
            }
            *x = y;
        }
    }
}
