//! Norms and rotations of rows on a device. What they multiply rows by is sent there once: the
//! vectors of a norm at its first row, the angles of a step at its first layer.

use crate::compute::error::ModelError;
use crate::compute::norm::NormKind;
use crate::compute::rotary::Pairing;
use candle_core::{DType, Device, Tensor};
use candle_nn::{ops, rotary_emb};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Cosines and sines of the positions that a table was asked for last: all layers of a step ask for
/// the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeviceRotary {
    last: Arc<Mutex<Option<Angles>>>,
}

#[derive(Debug, Clone)]
struct Angles {
    positions: Vec<usize>,
    /// `[rows, 1, pairs]` each, as candle takes rows that stand at positions of their own.
    cos: Tensor,
    sin: Tensor,
}

impl DeviceRotary {
    /// Rotation of each row by its own angles, as [`crate::compute::rotary::RotaryTable`].
    /// `angles_at` gives the cosines and sines of a position.
    ///
    /// # Errors
    /// A row that is no whole number of heads, or the device has no memory left.
    pub(crate) fn rotate<'t>(
        &self,
        x: &Tensor,
        positions: &[usize],
        pairing: Pairing,
        angles_at: impl Fn(usize) -> (&'t [f32], &'t [f32]),
    ) -> Result<Tensor, ModelError> {
        let Angles { cos, sin, .. } = self.angles(positions, angles_at, x.device())?;
        let (rows, head_dim) = (positions.len(), 2 * cos.dim(2)?);
        let heads = x.dim(1)?.checked_div(head_dim).unwrap_or(0);
        let heads = x.contiguous()?.reshape((rows, heads, 1, head_dim))?;
        let turned = match pairing {
            Pairing::HalfSplit => rotary_emb::rope(&heads, &cos, &sin)?,
            Pairing::Interleaved => rotary_emb::rope_i(&heads, &cos, &sin)?,
        };
        Ok(turned.reshape(x.shape())?)
    }

    fn angles<'t>(
        &self,
        positions: &[usize],
        angles_at: impl Fn(usize) -> (&'t [f32], &'t [f32]),
        device: &Device,
    ) -> Result<Angles, ModelError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |angles: &&Angles| {
            angles.positions == positions && angles.cos.device().same_device(device)
        };
        if let Some(angles) = last.as_ref().filter(known) {
            return Ok(angles.clone());
        }
        let (cos, sin): (Vec<_>, Vec<_>) = positions.iter().map(|&at| angles_at(at)).unzip();
        let table = |rows: Vec<&[f32]>| {
            let shape = (rows.len(), 1, rows.first().map_or(0, |row| row.len()));
            Tensor::from_vec(rows.concat(), shape, device)
        };
        let angles = Angles { positions: positions.to_vec(), cos: table(cos)?, sin: table(sin)? };
        *last = Some(angles.clone());
        Ok(angles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::gpu::compare::{assert_close, matrix};
    use crate::compute::norm::Norm;
    use crate::compute::rotary::RotaryTable;

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

    #[test]
    fn rotations_agree_whatever_was_asked_for_before() {
        for pairing in [Pairing::HalfSplit, Pairing::Interleaved] {
            let table = RotaryTable::one_dimensional(10, 16, 100.0, pairing);
            let device = DeviceRotary::default();
            for (seed, positions) in [(5, [4, 0, 9]), (6, [4, 0, 9]), (7, [5, 1, 3])] {
                let x = matrix(seed, 3, 48);
                let turned = device.rotate(&x, &positions, pairing, |at| table.at(at)).unwrap();
                assert_close(&turned, &table.rotate(&x, &positions).unwrap(), 1e-6);
            }
        }
    }
}
