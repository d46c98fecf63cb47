//! Single-head attention between the positions of a feature map (Cosmos, MoVQGAN).

use crate::compute::error::ModelError;
use crate::tokenizers::conv2d::Conv2d;
use crate::tokenizers::feature_map::FeatureMap;
use candle_core::{Device, Tensor};
use candle_nn::ops::softmax_last_dim;

/// Scores held at once: a large picture's queries go in several pieces.
const SCORES: usize = 1 << 24;

/// `proj_out(softmax(q kᵀ / √C) v)`, all of them 1×1 convolutions.
pub struct SpatialAttention {
    query: Conv2d,
    key: Conv2d,
    value: Conv2d,
    output: Conv2d,
}

impl SpatialAttention {
    /// Attention from its four projections.
    pub fn new(query: Conv2d, key: Conv2d, value: Conv2d, output: Conv2d) -> Self {
        Self { query, key, value, output }
    }

    /// Weights and biases, in numbers.
    pub fn parameters(&self) -> u64 {
        [&self.query, &self.key, &self.value, &self.output]
            .into_iter()
            .map(Conv2d::parameters)
            .sum()
    }

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
        let queries = (queries * (1.0 / (keys.dim(1)? as f64).sqrt()))?;
        let keys = keys.t()?;
        let at_once = (SCORES / positions.max(1)).max(1);
        let mut attended = Vec::with_capacity(positions * values.dim(1)?);
        for first in (0..positions).step_by(at_once) {
            let queries = queries.narrow(0, first, at_once.min(positions - first))?;
            let probabilities = softmax_last_dim(&queries.matmul(&keys)?)?;
            let piece = probabilities.matmul(&values)?;
            attended.extend(piece.flatten_all()?.to_vec1::<f32>()?);
        }
        let channels = values.dim(1)?;
        self.output.forward(&FeatureMap::new(x.height, x.width, channels, attended)?)
    }
}
