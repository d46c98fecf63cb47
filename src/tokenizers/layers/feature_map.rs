//! Activations of image tokenizers, channels last, with the layers that need no matrix product:
//! activation, norms, shuffles, nearest upsampling.

use crate::compute::cpu::activation::{Activation, activate};
use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::rows::normalize;
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

    /// RMS norm over the channels of each position.
    pub fn rms_norm(&mut self, weight: &[f32], eps: f64) {
        let isa = Isa::current();
        for position in self.data.chunks_exact_mut(self.channels) {
            normalize(isa, position, Some(weight), None, false, eps);
        }
    }

    /// Group norm: mean and variance over all positions and the channels of a group; weight and bias
    /// per channel. The channels must be a multiple of `groups`.
    pub fn group_norm(&mut self, groups: usize, weight: &[f32], bias: &[f32], eps: f64) {
        let members = (self.channels / groups.max(1)).max(1);
        let count = (self.height * self.width * members) as f64;
        let means: Vec<f64> = self
            .channel_sums()
            .chunks(members)
            .map(|group| group.iter().sum::<f64>() / count)
            .collect();
        let mean_of = |channel: usize| means.get(channel / members).copied().unwrap_or(0.0);
        let mut squares = vec![0.0; self.channels];
        for position in self.data.chunks_exact(self.channels) {
            for (channel, (sum, &x)) in squares.iter_mut().zip(position).enumerate() {
                *sum += (f64::from(x) - mean_of(channel)).powi(2);
            }
        }
        let inverse: Vec<f64> = squares
            .chunks(members)
            .map(|group| 1.0 / (group.iter().sum::<f64>() / count + eps).sqrt())
            .collect();
        let affine: Vec<(f32, f32)> = weight
            .iter()
            .zip(bias)
            .enumerate()
            .map(|(channel, (&weight, &bias))| {
                let inverse = inverse.get(channel / members).copied().unwrap_or(0.0);
                let scale = f64::from(weight) * inverse;
                (scale as f32, (f64::from(bias) - mean_of(channel) * scale) as f32)
            })
            .collect();
        for position in self.data.chunks_exact_mut(self.channels) {
            position
                .iter_mut()
                .zip(&affine)
                .for_each(|(x, (scale, shift))| *x = *x * scale + shift);
        }
    }

    fn channel_sums(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.channels];
        for position in self.data.chunks_exact(self.channels) {
            sums.iter_mut().zip(position).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        sums
    }

    /// PyTorch's `PixelShuffle`: channel `(c · f + i) · f + j` becomes channel c of pixel (i, j).
    ///
    /// # Errors
    /// Channels that are no multiple of f².
    pub fn pixel_shuffle(&self, factor: usize) -> Result<Self, ModelError> {
        let square = factor * factor;
        if square == 0 || !self.channels.is_multiple_of(square) {
            return Err(ModelError::Internal("channels that cannot be shuffled into pixels"));
        }
        let channels = self.channels / square;
        let mut data = vec![0.0; self.data.len()];
        self.pair_pixels(factor, channels, |deep, flat| {
            if let (Some(to), Some(&from)) = (data.get_mut(flat), self.data.get(deep)) {
                *to = from;
            }
        });
        Self::new(self.height * factor, self.width * factor, channels, data)
    }

    /// PyTorch's `PixelUnshuffle`, the inverse of [`FeatureMap::pixel_shuffle`].
    ///
    /// # Errors
    /// Sides that are no multiple of the factor.
    pub fn pixel_unshuffle(&self, factor: usize) -> Result<Self, ModelError> {
        if factor == 0 || !self.height.is_multiple_of(factor) || !self.width.is_multiple_of(factor)
        {
            return Err(ModelError::Internal("an image whose sides do not fit the tokenizer"));
        }
        let (height, width) = (self.height / factor, self.width / factor);
        let channels = self.channels * factor * factor;
        let mut deep_map = Self { height, width, channels, data: vec![0.0; self.data.len()] };
        let mut data = std::mem::take(&mut deep_map.data);
        deep_map.pair_pixels(factor, self.channels, |deep, flat| {
            if let (Some(to), Some(&from)) = (data.get_mut(deep), self.data.get(flat)) {
                *to = from;
            }
        });
        Self::new(height, width, channels, data)
    }

    /// Calls `visit` with the place of each number in this deep map and in the flat one it becomes.
    fn pair_pixels(&self, factor: usize, channels: usize, mut visit: impl FnMut(usize, usize)) {
        let mut deep = 0;
        for y in 0..self.height {
            for x in 0..self.width {
                for channel in 0..channels {
                    for i in 0..factor {
                        for j in 0..factor {
                            let pixel = (y * factor + i) * self.width * factor + x * factor + j;
                            visit(deep, pixel * channels + channel);
                            deep += 1;
                        }
                    }
                }
            }
        }
    }

    /// Repeats each position in a square of `factor` by `factor`.
    pub fn upsample_nearest(&self, factor: usize) -> Self {
        let row = self.width * self.channels;
        let mut data = Vec::with_capacity(self.data.len() * factor * factor);
        for line in self.data.chunks_exact(row.max(1)) {
            let start = data.len();
            for position in line.chunks_exact(self.channels) {
                (0..factor).for_each(|_| data.extend_from_slice(position));
            }
            let end = data.len();
            (1..factor).for_each(|_| data.extend_from_within(start..end));
        }
        let (height, width) = (self.height * factor, self.width * factor);
        Self { height, width, channels: self.channels, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0).collect()
    }

    proptest! {
        #[test]
        fn shuffling_is_undone(height in 1usize..5, width in 1usize..5, channels in 1usize..4, factor in 1usize..4) {
            let deep = channels * factor * factor;
            let map = FeatureMap::new(height, width, deep, numbers(height * width * deep, 1)).unwrap();
            let flat = map.pixel_shuffle(factor).unwrap();
            prop_assert_eq!((flat.height, flat.width, flat.channels), (height * factor, width * factor, channels));
            prop_assert_eq!(flat.pixel_unshuffle(factor).unwrap(), map);
        }
    }

    #[test]
    fn shuffling_follows_the_channel_order_of_pytorch() {
        let map = FeatureMap::new(1, 1, 8, (0..8).map(|x| x as f32).collect()).unwrap();
        let planes = map.pixel_shuffle(2).unwrap().to_planes();
        assert_eq!(planes, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn nearest_upsampling_repeats_positions() {
        let map = FeatureMap::from_planes(1, 1, 2, &[1.0, 2.0]).unwrap();
        let expected = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0];
        assert_eq!(map.upsample_nearest(2).data, expected);
    }

    #[test]
    fn group_norm_leaves_mean_and_variance_of_a_group() {
        let mut map = FeatureMap::new(3, 5, 4, numbers(60, 1)).unwrap();
        map.group_norm(2, &[1.0; 4], &[0.0; 4], 1e-6);
        let planes = map.to_planes();
        for group in planes.chunks(30) {
            let mean = group.iter().sum::<f32>() / 30.0;
            let variance = group.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / 30.0;
            assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-4, "{mean} {variance}");
        }
    }
}
