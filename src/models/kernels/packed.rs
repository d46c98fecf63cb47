//! Matrices packed for decoding: `[outputs / 32][inputs][32]`, the last panel filled up with zeros.
//!
//! One panel is one contiguous stream, so that all weights are read front to back, once. Work is
//! split over panels: every output is computed by one thread in one order, so the number of threads
//! does not show in the result.
//!
//! 8-bit weights have one scale per output row (largest magnitude / 127). A scale per block would be
//! a little more exact (a row's largest of 64 weights is smaller than its largest of 2048), but it
//! would end the sum every block and read 6 % more; per row, the scale is one product at the end.

use super::Kernel;
use super::panel::{PANEL_ROWS, Panel, Sums, panel_sums};
use super::storage::AlignedBytes;
use crate::models::error::ModelError;
use crate::models::linear::Precision;
use half::{bf16, f16};
use rayon::prelude::*;

/// Outputs of a panel.
pub(crate) const PANEL: usize = 32;

/// Bytes of weights below which other threads are not worth waking.
pub(crate) const PARALLEL_BYTES: usize = 256 << 10;

/// Least bytes of weights of one piece of parallel work.
const PIECE_BYTES: usize = 64 << 10;

/// Row-major source numbers of a matrix.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
}

/// A packed matrix `[outputs, inputs]`.
#[derive(Debug)]
pub(crate) struct PackedMatrix {
    storage: AlignedBytes,
    precision: Precision,
    /// One per output for 8-bit weights, else empty.
    scales: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

/// Bytes of one weight.
pub(crate) fn weight_size(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 4,
        Precision::Bf16 => 2,
        Precision::Int8 => 1,
    }
}

impl PackedMatrix {
    /// Packs a row-major matrix.
    ///
    /// # Errors
    /// A source of another length, or no memory.
    pub(crate) fn pack(
        source: Source<'_>,
        outputs: usize,
        inputs: usize,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        let length = match source {
            Source::F32(numbers) => numbers.len(),
            Source::Bf16(numbers) => numbers.len(),
            Source::F16(numbers) => numbers.len(),
        };
        if inputs.checked_mul(outputs) != Some(length) || length == 0 {
            return Err(ModelError::Internal("a weight does not have outputs × inputs numbers"));
        }
        let panel_bytes = inputs * PANEL * weight_size(precision);
        let mut storage = AlignedBytes::zeroed(panel_bytes * outputs.div_ceil(PANEL))?;
        let panels = storage.bytes_mut();
        let scales = match source {
            Source::F32(rows) => pack_panels(rows, |w| w, inputs, precision, panels),
            Source::Bf16(rows) => pack_panels(rows, bf16::to_f32, inputs, precision, panels),
            Source::F16(rows) => pack_panels(rows, f16::to_f32, inputs, precision, panels),
        };
        Ok(Self { storage, precision, scales, inputs, outputs })
    }

    /// Outputs and inputs.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    /// Bytes that one product reads: whole panels, and the scales.
    pub(crate) fn bytes(&self) -> usize {
        self.storage.bytes().len() + size_of_val(self.scales.as_slice())
    }

    /// `out[row] = W x[row] + bias` for `x` `[rows, inputs]` and `out` `[rows, outputs]`.
    ///
    /// # Errors
    /// Slices of other lengths.
    pub(crate) fn multiply(
        &self,
        kernel: Kernel,
        x: &[f32],
        bias: Option<&[f32]>,
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        let rows = x.len() / self.inputs;
        if x.len() != rows * self.inputs
            || out.len() != rows * self.outputs
            || bias.is_some_and(|bias| bias.len() != self.outputs)
        {
            return Err(ModelError::Internal("a linear layer got a row of another width"));
        }
        let panels = self.outputs.div_ceil(PANEL);
        let bytes = self.storage.bytes().len();
        let threads = rayon::current_num_threads();
        if threads == 1 || bytes * rows.div_ceil(PANEL_ROWS) < PARALLEL_BYTES {
            let mut pieces: Vec<&mut [f32]> = out.chunks_mut(self.outputs).collect();
            self.multiply_panels(kernel, 0, x, bias, &mut pieces);
            return Ok(());
        }
        // More pieces than threads: a thread that another program holds up leaves its share.
        let pieces = (threads * 4).min(bytes / PIECE_BYTES).clamp(1, panels);
        let width = panels.div_ceil(pieces) * PANEL;
        let mut work: Vec<Vec<&mut [f32]>> = Vec::new();
        work.resize_with(self.outputs.div_ceil(width), || Vec::with_capacity(rows));
        for row in out.chunks_mut(self.outputs) {
            for (piece, part) in work.iter_mut().zip(row.chunks_mut(width)) {
                piece.push(part);
            }
        }
        work.into_par_iter().with_max_len(1).enumerate().for_each(|(index, mut piece)| {
            self.multiply_panels(kernel, index * width / PANEL, x, bias, &mut piece);
        });
        Ok(())
    }

    /// Panels from `first` on, as many as the rows of `out` are wide.
    fn multiply_panels(
        &self,
        kernel: Kernel,
        first: usize,
        x: &[f32],
        bias: Option<&[f32]>,
        out: &mut [&mut [f32]],
    ) {
        let width = out.first().map_or(0, |row| row.len());
        let mut sums: Sums = [[0.0; PANEL]; PANEL_ROWS];
        for panel in 0..width.div_ceil(PANEL) {
            let from = panel * PANEL;
            let to = width.min(from + PANEL);
            let output = first * PANEL + from;
            let weights = self.panel(first + panel);
            let groups = out.chunks_mut(PANEL_ROWS).zip(x.chunks(PANEL_ROWS * self.inputs));
            for (rows, x) in groups {
                panel_sums(kernel, weights, x, rows.len(), self.inputs, &mut sums);
                for (row, sums) in rows.iter_mut().zip(&sums) {
                    let row = &mut row[from..to];
                    row.copy_from_slice(&sums[..to - from]);
                    if let Some(scales) = self.scales.get(output..output + row.len()) {
                        row.iter_mut().zip(scales).for_each(|(y, scale)| *y *= scale);
                    }
                    if let Some(bias) = bias {
                        row.iter_mut().zip(&bias[output..]).for_each(|(y, bias)| *y += bias);
                    }
                }
            }
        }
    }

    fn panel(&self, index: usize) -> Panel<'_> {
        let bytes = self.inputs * PANEL * weight_size(self.precision);
        let bytes = &self.storage.bytes()[index * bytes..(index + 1) * bytes];
        match self.precision {
            Precision::F32 => Panel::F32(bytemuck::cast_slice(bytes)),
            Precision::Bf16 => Panel::Bf16(bytemuck::cast_slice(bytes)),
            Precision::Int8 => Panel::Int8(bytemuck::cast_slice(bytes)),
        }
    }
}

/// Fills all panels, and returns the scales of 8-bit weights.
fn pack_panels<T: Copy + Sync>(
    numbers: &[T],
    to_f32: impl Fn(T) -> f32 + Sync,
    inputs: usize,
    precision: Precision,
    panels: &mut [u8],
) -> Vec<f32> {
    let bytes = inputs * PANEL * weight_size(precision);
    let scales: Vec<Vec<f32>> = panels
        .par_chunks_mut(bytes)
        .zip(numbers.par_chunks(inputs * PANEL))
        .map(|(panel, rows)| {
            let rows: Vec<&[T]> = rows.chunks(inputs).collect();
            let at = |output: usize, k: usize| rows.get(output).map_or(0.0, |row| to_f32(row[k]));
            match precision {
                Precision::F32 => {
                    let panel: &mut [f32] = bytemuck::cast_slice_mut(panel);
                    for (k, step) in panel.chunks_mut(PANEL).enumerate() {
                        step.iter_mut().enumerate().for_each(|(n, w)| *w = at(n, k));
                    }
                    Vec::new()
                }
                Precision::Bf16 => {
                    let panel: &mut [u32] = bytemuck::cast_slice_mut(panel);
                    let bits = |n, k| u32::from(bf16::from_f32(at(n, k)).to_bits());
                    for (k, step) in panel.chunks_mut(PANEL / 2).enumerate() {
                        step.iter_mut()
                            .enumerate()
                            .for_each(|(n, w)| *w = bits(n, k) | bits(n + PANEL / 2, k) << 16);
                    }
                    Vec::new()
                }
                Precision::Int8 => {
                    let scales: Vec<f32> =
                        rows.iter().map(|row| row_scale(row.iter().map(|&w| to_f32(w)))).collect();
                    let panel: &mut [i8] = bytemuck::cast_slice_mut(panel);
                    for (k, step) in panel.chunks_mut(PANEL).enumerate() {
                        for (n, (w, &scale)) in step.iter_mut().zip(&scales).enumerate() {
                            *w = quantize(at(n, k), scale);
                        }
                    }
                    scales
                }
            }
        })
        .collect();
    scales.concat()
}

/// Largest magnitude / 127; NaN where a weight is not finite, so that the output shows it.
fn row_scale(weights: impl Iterator<Item = f32>) -> f32 {
    let mut largest = 0f32;
    for weight in weights {
        if !weight.is_finite() {
            return f32::NAN;
        }
        largest = largest.max(weight.abs());
    }
    largest / 127.0
}

fn quantize(weight: f32, scale: f32) -> i8 {
    // The cast saturates, and gives 0 for NaN: a row of zeros has scale 0.
    (weight / scale).round_ties_even().clamp(-127.0, 127.0) as i8
}
