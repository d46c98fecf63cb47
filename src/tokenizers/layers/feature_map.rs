//! Activations of image tokenizers, channels last: the one form in which all layers take and give them.

use crate::compute::cpu::activation::{Activation, activate};
use crate::compute::cpu::isa::Isa;
use crate::compute::error::ModelError;

/// Activations of one image, `[height][width][channels]`.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureMap {
    /// Rows of positions.
    pub height: usize,
    /// Positions in a row.
    pub width: usize,
    /// Numbers at a position.
    pub channels: usize,
    /// `height · width · channels` numbers.
    pub data: Vec<f32>,
}

impl FeatureMap {
    /// A map from its numbers.
    ///
    /// # Errors
    /// Another count of numbers than the sizes say.
    pub fn new(
        height: usize,
        width: usize,
        channels: usize,
        data: Vec<f32>,
    ) -> Result<Self, ModelError> {
        if data.len() != height * width * channels {
            return Err(ModelError::Internal("a feature map of another size"));
        }
        Ok(Self { height, width, channels, data })
    }

    /// A map from `[channels][height][width]`, the order of image files and golden data.
    ///
    /// # Errors
    /// Those of [`FeatureMap::new`].
    pub fn from_planes(
        channels: usize,
        height: usize,
        width: usize,
        planes: &[f32],
    ) -> Result<Self, ModelError> {
        let positions = height * width;
        if planes.len() != channels * positions {
            return Err(ModelError::Internal("a feature map of another size"));
        }
        let mut data = vec![0.0; planes.len()];
        for (channel, plane) in planes.chunks_exact(positions.max(1)).enumerate() {
            let places = data.iter_mut().skip(channel).step_by(channels);
            places.zip(plane).for_each(|(place, value)| *place = *value);
        }
        Self::new(height, width, channels, data)
    }

    /// The numbers as `[channels][height][width]`.
    pub fn to_planes(&self) -> Vec<f32> {
        (0..self.channels)
            .flat_map(|channel| self.data.iter().skip(channel).step_by(self.channels).copied())
            .collect()
    }

    /// Adds another map of the same size.
    ///
    /// # Errors
    /// A map of another size.
    pub fn add(&mut self, other: &Self) -> Result<(), ModelError> {
        if (self.height, self.width, self.channels) != (other.height, other.width, other.channels) {
            return Err(ModelError::Internal("feature maps of different sizes cannot be added"));
        }
        self.data.iter_mut().zip(&other.data).for_each(|(x, y)| *x += y);
        Ok(())
    }

    /// `x · sigmoid(x)` everywhere.
    pub fn silu(&mut self) {
        activate(Isa::current(), Activation::Silu, &mut self.data);
    }

    /// `sigmoid(x)` everywhere.
    pub fn sigmoid(&mut self) {
        self.data.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
    }
}
