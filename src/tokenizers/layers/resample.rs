//! Layers that change the size of a map and have no weights: they repeat or average positions, or move
//! numbers between channels and positions.

use crate::compute::error::ModelError;
use crate::tokenizers::layers::feature_map::FeatureMap;
use crate::tokenizers::layers::haar::inverse_haar;

/// A change of a map's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resampling {
    /// Every position repeated in a square of this side.
    Nearest(usize),
    /// The mean of every square of this side.
    AveragePool(usize),
    /// PyTorch's `PixelShuffle`: channel `(c · f + i) · f + j` becomes channel c of pixel (i, j).
    PixelShuffle(usize),
    /// PyTorch's `PixelUnshuffle`, the inverse of [`Resampling::PixelShuffle`].
    PixelUnshuffle(usize),
    /// Channel `(i · f + j) · C + c` becomes channel c of pixel (i, j), C being the channels left.
    Patches(usize),
    /// One round of the inverse Haar transform over time, rows and columns; the last frame stays.
    InverseHaar,
}

impl Resampling {
    /// The map in its other size.
    ///
    /// # Errors
    /// Sides or channels that are no multiple of what the layer joins.
    pub fn forward(self, x: &FeatureMap) -> Result<FeatureMap, ModelError> {
        match self {
            Self::Nearest(factor) => Ok(repeat(x, factor)),
            Self::AveragePool(factor) => average(x, factor),
            Self::PixelShuffle(factor) => {
                spread(x, factor, |_, channel, pixel| channel * factor * factor + pixel)
            }
            Self::PixelUnshuffle(factor) => {
                gather(x, factor, |_, channel, pixel| channel * factor * factor + pixel)
            }
            Self::Patches(factor) => {
                spread(x, factor, |channels, channel, pixel| pixel * channels + channel)
            }
            Self::InverseHaar => inverse_haar(x),
        }
    }

    /// Channels of the output of a layer that gets `inputs`.
    pub fn channels(self, inputs: usize) -> usize {
        match self {
            Self::Nearest(_) | Self::AveragePool(_) => inputs,
            Self::PixelShuffle(factor) | Self::Patches(factor) => inputs / (factor * factor),
            Self::PixelUnshuffle(factor) => inputs * factor * factor,
            Self::InverseHaar => inputs / 8,
        }
    }
}

fn repeat(x: &FeatureMap, factor: usize) -> FeatureMap {
    let row = x.width * x.channels;
    let mut data = Vec::with_capacity(x.data.len() * factor * factor);
    for line in x.data.chunks_exact(row.max(1)) {
        let start = data.len();
        for position in line.chunks_exact(x.channels) {
            (0..factor).for_each(|_| data.extend_from_slice(position));
        }
        let end = data.len();
        (1..factor).for_each(|_| data.extend_from_within(start..end));
    }
    FeatureMap { height: x.height * factor, width: x.width * factor, channels: x.channels, data }
}

fn average(x: &FeatureMap, factor: usize) -> Result<FeatureMap, ModelError> {
    let (height, width) = divided_sides(x, factor)?;
    let share = 1.0 / (factor * factor) as f32;
    let mut data = vec![0.0; height * width * x.channels];
    for (place, position) in x.data.chunks_exact(x.channels.max(1)).enumerate() {
        let (row, column) = (place / x.width / factor, place % x.width / factor);
        let start = (row * width + column) * x.channels;
        if let Some(sums) = data.get_mut(start..start + x.channels) {
            sums.iter_mut().zip(position).for_each(|(sum, &x)| *sum += x * share);
        }
    }
    FeatureMap::new(height, width, x.channels, data)
}

/// Channels become pixels. `deep` says which channel of the input (channels of the output, channel,
/// pixel of the square) is.
fn spread(
    x: &FeatureMap,
    factor: usize,
    deep: impl Fn(usize, usize, usize) -> usize,
) -> Result<FeatureMap, ModelError> {
    let square = factor * factor;
    if square == 0 || !x.channels.is_multiple_of(square) {
        return Err(ModelError::Internal("channels that cannot become pixels"));
    }
    let (width, channels) = (x.width * factor, x.channels / square);
    let mut data = vec![0.0; x.data.len()];
    for (place, position) in data.chunks_exact_mut(channels.max(1)).enumerate() {
        let (row, column) = (place / width, place % width);
        let pixel = row % factor * factor + column % factor;
        let from = (row / factor * x.width + column / factor) * x.channels;
        for (channel, to) in position.iter_mut().enumerate() {
            *to = x.data.get(from + deep(channels, channel, pixel)).copied().unwrap_or_default();
        }
    }
    FeatureMap::new(x.height * factor, width, channels, data)
}

/// Pixels become channels, the inverse of [`spread`].
fn gather(
    x: &FeatureMap,
    factor: usize,
    deep: impl Fn(usize, usize, usize) -> usize,
) -> Result<FeatureMap, ModelError> {
    let (height, width) = divided_sides(x, factor)?;
    let channels = x.channels * factor * factor;
    let mut data = vec![0.0; x.data.len()];
    for (place, position) in x.data.chunks_exact(x.channels.max(1)).enumerate() {
        let (row, column) = (place / x.width, place % x.width);
        let pixel = row % factor * factor + column % factor;
        let start = (row / factor * width + column / factor) * channels;
        for (channel, &from) in position.iter().enumerate() {
            if let Some(to) = data.get_mut(start + deep(x.channels, channel, pixel)) {
                *to = from;
            }
        }
    }
    FeatureMap::new(height, width, channels, data)
}

fn divided_sides(x: &FeatureMap, factor: usize) -> Result<(usize, usize), ModelError> {
    if factor == 0 || !x.height.is_multiple_of(factor) || !x.width.is_multiple_of(factor) {
        return Err(ModelError::Internal("an image whose sides do not fit the tokenizer"));
    }
    Ok((x.height / factor, x.width / factor))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, IndexOp, Tensor};
    use proptest::prelude::*;

    fn map(height: usize, width: usize, channels: usize) -> FeatureMap {
        let count = height * width * channels;
        let data = (0..count).map(|i| ((i * 7919 + 104_729) % 1000) as f32 / 500.0 - 1.0).collect();
        FeatureMap::new(height, width, channels, data).unwrap()
    }

    proptest! {
        #[test]
        fn shuffling_is_undone(height in 1usize..5, width in 1usize..5, channels in 1usize..4, factor in 1usize..4) {
            let map = map(height, width, channels * factor * factor);
            let flat = Resampling::PixelShuffle(factor).forward(&map).unwrap();
            prop_assert_eq!((flat.height, flat.width, flat.channels), (height * factor, width * factor, channels));
            prop_assert_eq!(Resampling::PixelUnshuffle(factor).forward(&flat).unwrap(), map);
        }

        #[test]
        fn pooling_agrees_with_the_tensor_library(height in 1usize..4, width in 1usize..4, factor in 1usize..4) {
            let map = map(height * factor, width * factor, 3);
            let shape = (1, 3, map.height, map.width);
            let expected = Tensor::from_vec(map.to_planes(), shape, &Device::Cpu)?.avg_pool2d(factor)?;
            let expected = expected.i(0)?.flatten_all()?.to_vec1::<f32>()?;
            let pooled = Resampling::AveragePool(factor).forward(&map).unwrap().to_planes();
            prop_assert!(pooled.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn shuffling_follows_the_channel_order_of_pytorch() {
        let map = FeatureMap::new(1, 1, 8, (0..8).map(|x| x as f32).collect()).unwrap();
        let planes = Resampling::PixelShuffle(2).forward(&map).unwrap().to_planes();
        assert_eq!(planes, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    }

    #[test]
    fn patches_hold_their_pixels_one_after_the_other() {
        let map = FeatureMap::new(1, 1, 8, (0..8).map(|x| x as f32).collect()).unwrap();
        let pixels = Resampling::Patches(2).forward(&map).unwrap();
        assert_eq!((pixels.height, pixels.width, pixels.channels), (2, 2, 2));
        assert_eq!(pixels.data, map.data);
    }

    #[test]
    fn nearest_upsampling_repeats_positions() {
        let map = FeatureMap::from_planes(1, 1, 2, &[1.0, 2.0]).unwrap();
        let expected = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0];
        assert_eq!(Resampling::Nearest(2).forward(&map).unwrap().data, expected);
    }
}
