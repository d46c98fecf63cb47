//! Rotary position tables and their application, once for all families: 1-D half-split (prompt
//! families), 1-D and 2-D interleaved (class-conditional families), and zero rows where an original has zeros.

use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::rows;
use crate::compute::device_kind::on_device;
use crate::compute::error::ModelError;
use crate::compute::gpu::DeviceRotary;
use crate::compute::host::{copied, matrix};
use crate::compute::row_ops::Pairing;
use candle_core::Tensor;

/// Cosines and sines per position, `[positions, head_dim / 2]` each.
#[derive(Debug, Clone)]
pub struct RotaryTable {
    cos: Vec<f32>,
    sin: Vec<f32>,
    pairs: usize,
    pairing: Pairing,
    device: DeviceRotary,
}

impl RotaryTable {
    /// A table from the angle of each position and pair; `None` gives cos = sin = 0, the zero rows
    /// that class-conditional families have at prefix positions (their queries and keys become zero).
    pub fn from_angles(
        positions: usize,
        head_dim: usize,
        pairing: Pairing,
        angle: impl Fn(usize, usize) -> Option<f64>,
    ) -> Self {
        let pairs = head_dim / 2;
        let mut cos = Vec::with_capacity(positions * pairs);
        let mut sin = Vec::with_capacity(positions * pairs);
        for position in 0..positions {
            for pair in 0..pairs {
                let (s, c) = angle(position, pair).map_or((0.0, 0.0), f64::sin_cos);
                cos.push(c as f32);
                sin.push(s as f32);
            }
        }
        Self { cos, sin, pairs, pairing, device: DeviceRotary::default() }
    }

    /// The usual 1-D table: angle = position · theta^(-2 pair / head_dim).
    pub fn one_dimensional(
        positions: usize,
        head_dim: usize,
        theta: f64,
        pairing: Pairing,
    ) -> Self {
        Self::from_angles(positions, head_dim, pairing, |position, pair| {
            Some(position as f64 * theta.powf(-2.0 * pair as f64 / head_dim as f64))
        })
    }

    /// Positions the table covers.
    pub fn positions(&self) -> usize {
        self.cos.len().checked_div(self.pairs).unwrap_or(0)
    }

    /// Cosines and sines of one position, `head_dim / 2` each, empty beyond the table.
    pub fn at(&self, position: usize) -> (&[f32], &[f32]) {
        let range = position * self.pairs..(position + 1) * self.pairs;
        (self.cos.get(range.clone()).unwrap_or(&[]), self.sin.get(range).unwrap_or(&[]))
    }

    /// Rotates `x` `[rows, heads * head_dim]`, each row at its own position.
    ///
    /// # Errors
    /// A position beyond the table, another number of positions than rows, or a row that is not a
    /// whole number of heads.
    pub fn rotate(&self, x: &Tensor, positions: &[usize]) -> Result<Tensor, ModelError> {
        let (rows, width) = x.dims2()?;
        let head_dim = self.pairs * 2;
        if head_dim == 0 || width % head_dim != 0 || positions.len() != rows {
            return Err(ModelError::Internal("a rotation got rows of another width or number"));
        }
        if positions.iter().any(|&position| position >= self.positions()) {
            return Err(ModelError::Internal("a position lies beyond the rotary table"));
        }
        if on_device(x) {
            return self.device.rotate(x, positions, self.pairing, |at| self.at(at));
        }
        let mut data = copied(x)?;
        let isa = Isa::current();
        for (row, &position) in data.chunks_mut(width).zip(positions) {
            let (cos, sin) = self.at(position);
            rows::rotate(isa, row, cos, sin, self.pairing == Pairing::Interleaved);
        }
        matrix(data, rows, width)
    }
}
