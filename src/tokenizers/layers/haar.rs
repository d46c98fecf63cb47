//! The inverse Haar transform that ends the Cosmos decoder.

use crate::compute::error::ModelError;
use crate::tokenizers::layers::feature_map::FeatureMap;

/// One round of the inverse Haar transform for the last frame. Channel `(4 t + 2 y + x) C + c` is the
/// band (t, y, x), 0 low and 1 high, of channel c: the later frame is low - high in time, even lines
/// are low + high, odd ones low - high.
pub(in crate::tokenizers) fn inverse_haar(x: &FeatureMap) -> Result<FeatureMap, ModelError> {
    if !x.channels.is_multiple_of(8) {
        return Err(ModelError::Internal("channels that are no Haar bands"));
    }
    let channels = x.channels / 8;
    let (height, width) = (2 * x.height, 2 * x.width);
    let mut data = vec![0.0; height * width * channels];
    for (place, bands) in x.data.chunks_exact(x.channels).enumerate() {
        let (row, column) = (place / x.width, place % x.width);
        for channel in 0..channels {
            let band = |index: usize| bands[index * channels + channel];
            let frame = |y: usize, x: usize| band(2 * y + x) - band(4 + 2 * y + x);
            let (low, right) = (frame(0, 0), frame(0, 1));
            let (down, both) = (frame(1, 0), frame(1, 1));
            let pixels = [
                low + right + down + both,
                low - right + down - both,
                low + right - down - both,
                low - right - down + both,
            ];
            for (index, pixel) in pixels.into_iter().enumerate() {
                let (y, x) = (2 * row + index / 2, 2 * column + index % 2);
                data[(y * width + x) * channels + channel] = pixel;
            }
        }
    }
    FeatureMap::new(height, width, channels, data)
}
