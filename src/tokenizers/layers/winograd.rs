//! 3×3 convolutions with 2.25 times fewer multiplications: Winograd's minimal filtering F(2×2, 3×3)
//! (Lavin and Gray, arXiv 1509.09308). Four output positions share one 4×4 patch; its transform is
//! multiplied by the transformed weights as 16 matrix products.

use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::packed::PackedMatrix;
use crate::compute::error::ModelError;
use crate::tokenizers::layers::feature_map::FeatureMap;
use candle_core::Tensor;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

/// Numbers transformed at once: a piece this large stays near the core.
const PIECE: usize = 1 << 17;

thread_local! {
    /// Kept between convolutions: fresh memory would be cleared page by page each time.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What lies between the transforms of a piece and its products.
#[derive(Default)]
struct Scratch {
    /// `[16][tiles][inputs]`.
    patches: Vec<f32>,
    /// `[16][tiles][outputs]`.
    products: Vec<f32>,
}

/// Positions of a patch.
const PATCH: usize = 16;
/// The input transform on one axis: each of four outputs is `first + sign · second`.
const INPUT: [(usize, usize, f32); 4] = [(0, 2, -1.0), (1, 2, 1.0), (2, 1, -1.0), (1, 3, -1.0)];
/// The weight transform on one axis.
const WEIGHT: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

/// Transformed weights of a convolution with stride 1 and padding 1.
#[derive(Debug, Clone)]
pub(super) struct Winograd {
    /// Of each position of a patch, `[outputs, inputs]`.
    weights: Arc<[PackedMatrix]>,
    inputs: usize,
    outputs: usize,
}

impl Winograd {
    /// Transforms a weight `[outputs, inputs, 3, 3]`.
    ///
    /// # Errors
    /// A weight of another shape.
    pub(super) fn new(weight: &Tensor) -> Result<Self, ModelError> {
        let (outputs, inputs, 3, 3) = weight.dims4()? else {
            return Err(ModelError::Internal("only 3×3 convolutions have this form"));
        };
        // Taps first, so that a transformed tap is a combination of whole planes.
        let taps = weight.permute((2, 3, 0, 1))?.contiguous()?.flatten_all()?.to_vec1::<f32>()?;
        let plane = inputs * outputs;
        let transformed = |place: usize| {
            let (rows, columns) = (WEIGHT[place / 4], WEIGHT[place % 4]);
            let mut sum = vec![0f64; plane];
            for (tap, values) in taps.chunks_exact(plane.max(1)).enumerate() {
                let factor = rows[tap / 3] * columns[tap % 3];
                sum.iter_mut().zip(values).for_each(|(sum, &x)| *sum += factor * f64::from(x));
            }
            let sum: Vec<f32> = sum.into_iter().map(|sum| sum as f32).collect();
            PackedMatrix::pack_f32(&sum, outputs, inputs)
        };
        let weights = (0..PATCH).map(transformed).collect::<Result<_, _>>()?;
        Ok(Self { weights, inputs, outputs })
    }

    /// Convolves a map, which must have the weights' input channels.
    ///
    /// # Errors
    /// A map with other channels.
    pub(super) fn forward(&self, x: &FeatureMap, bias: &[f32]) -> Result<FeatureMap, ModelError> {
        let isa = Isa::current();
        let (across, down) = (x.width.div_ceil(2), x.height.div_ceil(2));
        let rows_at_once = (PIECE / (PATCH * across * self.inputs).max(1)).clamp(1, down.max(1));
        // Taken, not borrowed: while products wait for others, this thread may be given another picture.
        let Scratch { mut patches, mut products } = SCRATCH.take();
        patches.resize(PATCH * rows_at_once * across * self.inputs, 0.0);
        products.resize(PATCH * rows_at_once * across * self.outputs, 0.0);
        let mut data = vec![0.0; x.height * x.width * self.outputs];
        for first in (0..down).step_by(rows_at_once) {
            let rows = first..(first + rows_at_once).min(down);
            let tiles = rows.len() * across;
            self.transform_patches(x, rows.clone(), across, &mut patches);
            let patches = patches.chunks_exact(tiles * self.inputs);
            let places = products.chunks_exact_mut(tiles * self.outputs);
            for ((weight, patch), products) in self.weights.iter().zip(patches).zip(places) {
                weight.multiply(isa, patch, None, products)?;
            }
            for tile in 0..tiles {
                let corner = (2 * (rows.start + tile / across), 2 * (tile % across));
                self.write_positions(&products, tile, tiles, corner, bias, x, &mut data);
            }
        }
        SCRATCH.set(Scratch { patches, products });
        FeatureMap::new(x.height, x.width, self.outputs, data)
    }

    /// Writes `[16][tiles][inputs]` of some rows of tiles.
    fn transform_patches(
        &self,
        x: &FeatureMap,
        rows: Range<usize>,
        across: usize,
        transformed: &mut [f32],
    ) {
        let (run, tiles) = (self.inputs, rows.len() * across);
        let mut patch = vec![0.0; PATCH * run];
        let mut lines = vec![0.0; PATCH * run];
        for tile in 0..tiles {
            let (row, column) = (2 * (rows.start + tile / across), 2 * (tile % across));
            gather_patch(x, row, column, &mut patch);
            for (index, &(first, second, sign)) in INPUT.iter().enumerate() {
                let line = |line: usize| &patch[line * 4 * run..(line + 1) * 4 * run];
                let out = &mut lines[index * 4 * run..(index + 1) * 4 * run];
                combine(out, line(first), line(second), sign);
            }
            for place in 0..PATCH {
                let (first, second, sign) = INPUT[place % 4];
                let part = |column: usize| {
                    let start = (place / 4 * 4 + column) * run;
                    &lines[start..start + run]
                };
                let start = (place * tiles + tile) * run;
                combine(&mut transformed[start..start + run], part(first), part(second), sign);
            }
        }
    }

    /// The output transform of one tile: on each axis `m0 + m1 + m2` and `m1 - m2 - m3`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one tile of one piece, with everything around it"
    )]
    fn write_positions(
        &self,
        products: &[f32],
        tile: usize,
        tiles: usize,
        (row, column): (usize, usize),
        bias: &[f32],
        x: &FeatureMap,
        data: &mut [f32],
    ) {
        let run = self.outputs;
        let product = |place: usize| {
            let start = (place * tiles + tile) * run;
            &products[start..start + run]
        };
        for (dy, signs_y) in OUTPUT.iter().enumerate().filter(|(dy, _)| row + dy < x.height) {
            for (dx, signs_x) in OUTPUT.iter().enumerate().filter(|(dx, _)| column + dx < x.width) {
                let start = ((row + dy) * x.width + column + dx) * run;
                let out = &mut data[start..start + run];
                out.copy_from_slice(bias);
                for place in 0..PATCH {
                    let sign = signs_y[place / 4] * signs_x[place % 4];
                    if sign != 0.0 {
                        out.iter_mut().zip(product(place)).for_each(|(out, m)| *out += sign * m);
                    }
                }
            }
        }
    }
}

/// The output transform on one axis.
const OUTPUT: [[f32; 4]; 2] = [[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, -1.0, -1.0]];

fn combine(out: &mut [f32], first: &[f32], second: &[f32], sign: f32) {
    out.iter_mut().zip(first).zip(second).for_each(|((out, a), b)| *out = a + sign * b);
}

/// The 4×4 positions from one above and left of (row, column) on, zero outside the map.
fn gather_patch(x: &FeatureMap, row: usize, column: usize, patch: &mut [f32]) {
    let run = x.channels;
    patch.fill(0.0);
    let skip = usize::from(column == 0);
    let end = 4.min(x.width + 1 - column);
    for line in 0..4 {
        let Some(y) = (row + line).checked_sub(1).filter(|&y| y < x.height) else { continue };
        let from = (y * x.width + column + skip - 1) * run;
        let length = (end - skip) * run;
        let to = (line * 4 + skip) * run;
        patch[to..to + length].copy_from_slice(&x.data[from..from + length]);
    }
}
