//! Matrices packed for decoding: `[outputs / 32][inputs][32]`, the last panel filled up with zeros.
//!
//! One panel is one contiguous stream, so that all weights are read front to back, once. Work is
//! split over panels: every output is computed by one thread in one order, so the number of threads
//! does not show in the result.
//!
//! bf16 and 8-bit weights stand in pairs of two inputs, `[outputs / 32][inputs / 2][32][2]`, as the
//! instructions that multiply pairs want them.
//!
//! 8-bit weights have one scale per output row (largest magnitude / 127). A scale per block would be
//! a little more exact (a row's largest of 64 weights is smaller than its largest of 2048), but it
//! would end the sum every block and read 6 % more; per row, the scale is one product at the end.

use super::inputs::{InputBuffer, Inputs};
use super::isa::Isa;
use super::panel::{PANEL_ROWS, Panels, Products};
use super::step::PANEL;
use super::storage::AlignedBytes;
use crate::compute::error::ModelError;
use crate::compute::precision::{ActivationNumber, Precision};
use half::{bf16, f16};
use rayon::prelude::*;
use std::cell::RefCell;
use std::mem::MaybeUninit;

thread_local! {
    /// Prepared inputs; kept between products, so that a step allocates nothing for them.
    static INPUTS: RefCell<InputBuffer> = RefCell::default();
}

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
    activations: ActivationNumber,
    /// One per output for 8-bit weights, else empty.
    scales: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

/// Bytes of a panel.
fn panel_bytes(precision: Precision, inputs: usize) -> usize {
    let pairs = inputs.div_ceil(2) * 2;
    match precision {
        Precision::F32 => inputs * PANEL * 4,
        Precision::Bf16 => pairs * PANEL * 2,
        Precision::Int8 => pairs * PANEL,
    }
}

impl PackedMatrix {
    /// Packs a row-major matrix. Inputs of bf16 weights are multiplied as `activations`: rounded to
    /// bf16 as well, or as they are.
    ///
    /// # Errors
    /// A source of another length, or no memory.
    pub(crate) fn pack(
        source: Source<'_>,
        outputs: usize,
        inputs: usize,
        precision: Precision,
        activations: ActivationNumber,
    ) -> Result<Self, ModelError> {
        let length = match source {
            Source::F32(numbers) => numbers.len(),
            Source::Bf16(numbers) => numbers.len(),
            Source::F16(numbers) => numbers.len(),
        };
        if inputs.checked_mul(outputs) != Some(length) || length == 0 {
            return Err(ModelError::Internal("a weight does not have outputs × inputs numbers"));
        }
        let bytes = panel_bytes(precision, inputs);
        let mut storage = AlignedBytes::zeroed(bytes * outputs.div_ceil(PANEL))?;
        let panels = storage.bytes_mut();
        let scales = match source {
            Source::F32(rows) => pack_panels(rows, |w| w, inputs, precision, panels),
            Source::Bf16(rows) => pack_panels(rows, bf16::to_f32, inputs, precision, panels),
            Source::F16(rows) => pack_panels(rows, f16::to_f32, inputs, precision, panels),
        };
        Ok(Self { storage, precision, activations, scales, inputs, outputs })
    }

    /// Packs f32 numbers, for products with f32 inputs.
    ///
    /// # Errors
    /// Those of [`PackedMatrix::pack`].
    pub(crate) fn pack_f32(
        rows: &[f32],
        outputs: usize,
        inputs: usize,
    ) -> Result<Self, ModelError> {
        let (source, f32) = (Source::F32(rows), ActivationNumber::F32);
        Self::pack(source, outputs, inputs, Precision::F32, f32)
    }

    /// Outputs and inputs.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    /// Bytes that one product reads: whole panels, and the scales.
    pub(crate) fn bytes(&self) -> usize {
        self.storage.bytes().len() + size_of_val(self.scales.as_slice())
    }

    /// Writes `out[row] = W x[row] + bias` for `x` `[rows, inputs]` and `out` `[rows, outputs]`, all of it
    /// unless there is an error.
    ///
    /// # Errors
    /// Slices of other lengths.
    pub(super) fn write_product(
        &self,
        isa: Isa,
        x: &[f32],
        bias: Option<&[f32]>,
        out: &mut [MaybeUninit<f32>],
    ) -> Result<(), ModelError> {
        let rows = x.len() / self.inputs;
        if x.len() != rows * self.inputs
            || out.len() != rows * self.outputs
            || bias.is_some_and(|bias| bias.len() != self.outputs)
        {
            return Err(ModelError::Internal("a linear layer got a row of another width"));
        }
        // Taken, not borrowed: while it waits for others, this thread may be given another product.
        let mut buffer = INPUTS.take();
        let (precision, activations) = (self.precision, self.activations);
        let x = Inputs::prepare(isa, x, self.inputs, precision, activations, &mut buffer);
        self.multiply_prepared(isa, x, rows, bias, out);
        INPUTS.set(buffer);
        Ok(())
    }

    fn multiply_prepared(
        &self,
        isa: Isa,
        x: Inputs<'_>,
        rows: usize,
        bias: Option<&[f32]>,
        out: &mut [MaybeUninit<f32>],
    ) {
        let panels = self.outputs.div_ceil(PANEL);
        let bytes = self.storage.bytes().len();
        let threads = rayon::current_num_threads();
        if threads == 1 || bytes * rows.div_ceil(PANEL_ROWS) < PARALLEL_BYTES {
            let mut pieces: Vec<_> = out.chunks_mut(self.outputs).collect();
            return self.multiply_panels(isa, 0, x, bias, &mut pieces);
        }
        // More pieces than threads: a thread that another program holds up leaves its share.
        let pieces = (threads * 4).min(bytes / PIECE_BYTES).clamp(1, panels);
        let width = panels.div_ceil(pieces) * PANEL;
        let mut work: Vec<Vec<_>> = Vec::new();
        work.resize_with(self.outputs.div_ceil(width), || Vec::with_capacity(rows));
        for row in out.chunks_mut(self.outputs) {
            for (piece, part) in work.iter_mut().zip(row.chunks_mut(width)) {
                piece.push(part);
            }
        }
        work.into_par_iter().with_max_len(1).enumerate().for_each(|(index, mut piece)| {
            self.multiply_panels(isa, index * width / PANEL, x, bias, &mut piece);
        });
    }

    /// Panels from `first` on, as many as the rows of `out` are wide.
    fn multiply_panels<'o>(
        &self,
        isa: Isa,
        first: usize,
        x: Inputs<'_>,
        bias: Option<&[f32]>,
        out: &'o mut [&'o mut [MaybeUninit<f32>]],
    ) {
        let width = out.first().map_or(0, |row| row.len());
        let outputs = first * PANEL..first * PANEL + width;
        let bytes = panel_bytes(self.precision, self.inputs);
        let bytes = &self.storage.bytes()[first * bytes..(first + width.div_ceil(PANEL)) * bytes];
        let panels = match self.precision {
            Precision::F32 => Panels::F32(bytemuck::cast_slice(bytes)),
            Precision::Bf16 => Panels::Bf16(bytemuck::cast_slice(bytes)),
            Precision::Int8 => Panels::Int8(bytemuck::cast_slice(bytes)),
        };
        let scales = self.scales.get(outputs.clone()).unwrap_or(&[]);
        let bias = bias.map_or(&[] as &[f32], |bias| &bias[outputs]);
        Products { panels, x, scales, bias, out }.write(isa);
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
    let bytes = panel_bytes(precision, inputs);
    let scales: Vec<Vec<f32>> = panels
        .par_chunks_mut(bytes)
        .zip(numbers.par_chunks(inputs * PANEL))
        .map(|(panel, rows)| {
            let rows: Vec<&[T]> = rows.chunks(inputs).collect();
            let at = |output: usize, k: usize| {
                rows.get(output).and_then(|row| row.get(k)).map_or(0.0, |&w| to_f32(w))
            };
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
                    for (pair, step) in panel.chunks_mut(PANEL).enumerate() {
                        step.iter_mut().enumerate().for_each(|(n, w)| {
                            *w = bits(n, 2 * pair) << 16 | bits(n, 2 * pair + 1)
                        });
                    }
                    Vec::new()
                }
                Precision::Int8 => {
                    let scales: Vec<f32> =
                        rows.iter().map(|row| row_scale(row.iter().map(|&w| to_f32(w)))).collect();
                    let panel: &mut [[i8; 2]] = bytemuck::cast_slice_mut(panel);
                    for (pair, step) in panel.chunks_mut(PANEL).enumerate() {
                        for (n, (w, &scale)) in step.iter_mut().zip(&scales).enumerate() {
                            *w = [2 * pair, 2 * pair + 1].map(|k| quantize(at(n, k), scale));
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
