//! Rotations of rows on a device. The angles of a step are sent there once, at its first layer.

use crate::compute::error::ModelError;
use crate::compute::row_ops::Pairing;
use candle_core::{Device, Tensor};
use candle_nn::rotary_emb;
use std::sync::{Arc, Mutex, PoisonError};

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
    use crate::compute::rotary::RotaryTable;

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
