//! Attention between all positions of a picture, in both directions.

use crate::compute::error::ModelError;
use crate::tokenizers::layers::conv2d::Conv2d;
use crate::tokenizers::layers::feature_map::FeatureMap;
use candle_core::{Device, Tensor};
use candle_nn::ops::softmax_last_dim;

/// Scores held at once: a large picture's queries go in several pieces.
const SCORES: usize = 1 << 24;

/// `softmax(q kᵀ / √d) v` per head. All three are `[positions, heads · d]`, the result too.
///
/// # Errors
/// Matrices of other widths, or heads that do not divide them.
pub fn attend(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    heads: usize,
) -> Result<Tensor, ModelError> {
    let (positions, width) = keys.dims2()?;
    if heads == 0 || !width.is_multiple_of(heads) {
        return Err(ModelError::Internal("attention heads that do not fit the width"));
    }
    let head_width = width / heads;
    let at_once = (SCORES / positions.max(1)).max(1);
    let mut outputs = Vec::with_capacity(heads);
    for first_channel in (0..width).step_by(head_width) {
        let part = |matrix: &Tensor| matrix.narrow(1, first_channel, head_width);
        let queries = (part(queries)? * (1.0 / (head_width as f64).sqrt()))?;
        let (keys, values) = (part(keys)?.t()?, part(values)?);
        let mut pieces = Vec::new();
        for first in (0..positions).step_by(at_once) {
            let queries = queries.narrow(0, first, at_once.min(positions - first))?;
            pieces.push(softmax_last_dim(&queries.matmul(&keys)?)?.matmul(&values)?);
        }
        outputs.push(Tensor::cat(&pieces, 0)?);
    }
    Ok(Tensor::cat(&outputs, 1)?)
}

/// The projections of an attention with one head, 1×1 convolutions `C`.
#[derive(Debug, Clone, PartialEq)]
pub struct Attention<C> {
    /// To queries.
    pub query: C,
    /// To keys.
    pub key: C,
    /// To values.
    pub value: C,
    /// From the mixed values.
    pub output: C,
}

impl<C> Attention<C> {
    /// The four projections in the order of the fields.
    pub fn projections(&self) -> [&C; 4] {
        [&self.query, &self.key, &self.value, &self.output]
    }
}

impl Attention<Conv2d> {
    /// Attends between all positions of a map that is already normalised.
    ///
    /// # Errors
    /// A map with other channels.
    pub fn forward(&self, x: &FeatureMap) -> Result<FeatureMap, ModelError> {
        let positions = x.height * x.width;
        let matrix =
            |map: FeatureMap| Tensor::from_vec(map.data, (positions, map.channels), &Device::Cpu);
        let keys = matrix(self.key.forward(x)?)?;
        let values = matrix(self.value.forward(x)?)?;
        let queries = matrix(self.query.forward(x)?)?;
        let mixed = attend(&queries, &keys, &values, 1)?;
        let (channels, mixed) = (mixed.dim(1)?, mixed.flatten_all()?.to_vec1()?);
        self.output.forward(&FeatureMap::new(x.height, x.width, channels, mixed)?)
    }
}
