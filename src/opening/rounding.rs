//! What a smaller precision does to a model's own weights: products with random inputs against f32,
//! with the code that packs and multiplies while decoding.
//!
//! For inputs of equal variance the figure is near the relative Frobenius norm of what rounding
//! changes, `|W' - W| / |W|`, and where inputs are rounded as well, of theirs; the tests compare it
//! with that, computed on its own.

use crate::checkpoint::manifest::TensorRole;
use crate::compute::error::ModelError;
use crate::compute::linear::Linear;
use crate::compute::precision::Precision;
use crate::opening::identify::Identified;

use crate::opening::memory::activation_number;
use crate::opening::opened::Opened;
use crate::sampling::noise::philox4x32_10;
use candle_core::{Device, Tensor};
use strum::VariantArray;

/// Matrices that are tried, spread over the layers.
const MATRICES: usize = 8;
/// Weights of each at most; its first rows, whose scales do not depend on the others.
const WEIGHTS: usize = 1 << 19;
/// Blocks beyond this many bytes that lie packed or scattered in the file are left out: they would
/// have to be read whole.
const WHOLE_BLOCK: u64 = 16 << 20;
/// Random inputs.
const INPUTS: usize = 16;
const SEED: [u32; 2] = [0x5EED, 0];

/// How far products at each precision are from those in f32.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Differences(Vec<(Precision, f64)>);

impl Differences {
    /// Relative root mean square; `None` if nothing was measured.
    pub(super) fn of(&self, precision: Precision) -> Option<f64> {
        self.0.iter().find(|(one, _)| *one == precision).map(|(_, difference)| *difference)
    }
}

/// Measures on a few linear layers of a decoder; the mean over them in the square.
///
/// # Errors
/// Weights that cannot be read.
pub(super) fn measure(decoder: &Opened) -> Result<Differences, ModelError> {
    let container = &decoder.container;
    let tensors = decoder.identified.tensors.iter().filter_map(|tensor| {
        let entry = container.entry(&tensor.name)?;
        let &[_, inputs] = entry.shape.as_slice() else { return None };
        (tensor.role == TensorRole::Linear && inputs > 0 && entry.readable_in_part(WHOLE_BLOCK))
            .then_some((tensor.name.as_str(), inputs))
    });
    let tensors: Vec<(&str, usize)> = tensors.collect();
    let every = tensors.len().div_ceil(MATRICES).max(1);
    let (mut squares, mut count) = (vec![0f64; Precision::VARIANTS.len()], 0u32);
    for &(name, inputs) in tensors.iter().step_by(every) {
        let weight = container.first_rows(name, (WEIGHTS / inputs).max(1))?;
        let differences = relative_differences(&weight, &decoder.identified)?;
        for (sum, difference) in squares.iter_mut().zip(differences) {
            *sum += difference.powi(2);
        }
        count += 1;
    }
    let mean = |sum: f64| (sum / f64::from(count)).sqrt();
    let each = Precision::VARIANTS.iter().zip(squares).filter(|_| count > 0);
    Ok(Differences(each.map(|(&precision, sum)| (precision, mean(sum))).collect()))
}

/// Root mean square of the difference of `W x` at each of [`Precision::VARIANTS`] and in f32 over that
/// of `W x` in f32, for a weight `[outputs, inputs]` of `decoder` and random `x` in -1..1.
fn relative_differences(weight: &Tensor, decoder: &Identified) -> Result<Vec<f64>, ModelError> {
    let inputs = weight.dims2()?.1;
    let x = random(INPUTS * inputs);
    let x = Tensor::from_vec(x, (INPUTS, inputs), &Device::Cpu)?;
    let product = |precision| -> Result<Vec<f32>, ModelError> {
        let layer = Linear::new(weight, None, precision, activation_number(decoder, precision))?;
        Ok(layer.forward(&x)?.flatten_all()?.to_vec1()?)
    };
    let exact = product(Precision::F32)?;
    let square = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
    let whole = square(&mut exact.iter().map(|&y| f64::from(y)));
    let difference = |&precision: &Precision| {
        let rounded = if precision == Precision::F32 { &exact } else { &product(precision)? };
        let pairs = exact.iter().zip(rounded);
        let apart = square(&mut pairs.map(|(&a, &b)| f64::from(a) - f64::from(b)));
        Ok(if whole > 0.0 { (apart / whole).sqrt() } else { 0.0 })
    };
    Precision::VARIANTS.iter().map(difference).collect()
}

/// Uniform in -1..1.
fn random(count: usize) -> Vec<f32> {
    let blocks = (0..count.div_ceil(4) as u32).flat_map(|i| philox4x32_10([i, 0, 0, 0], SEED));
    blocks.take(count).map(|bits| (bits >> 8) as f32 / (1u32 << 23) as f32 - 1.0).collect()
}
