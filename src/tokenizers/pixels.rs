//! Pixels to bytes the way the models' authors do it (truncating, not rounding), and squares of one
//! token for the swatches.

use crate::compute::error::ModelError;
use candle_core::Tensor;
use image::RgbImage;

/// Byte of a pixel in 0..1: clamp, times 255, truncate (AliTok, RAR).
pub fn unit_byte(x: f32) -> u8 {
    (x.clamp(0.0, 1.0) * 255.0) as u8
}

/// Byte of a pixel in -1..1: 127.5 x + 128, clamp, truncate (LlamaGen).
pub fn signed_byte(x: f32) -> u8 {
    (127.5 * x + 128.0).clamp(0.0, 255.0) as u8
}

/// The picture of `pixels` `[3, height, width]`.
///
/// # Errors
/// A tensor with another number of channels.
pub fn rgb_image(pixels: &Tensor, byte: impl Fn(f32) -> u8) -> Result<RgbImage, ModelError> {
    let (channels, height, width) = pixels.dims3()?;
    if channels != 3 {
        return Err(ModelError::Internal("a picture needs three channels"));
    }
    let bytes: Vec<u8> =
        pixels.permute((1, 2, 0))?.flatten_all()?.to_vec1::<f32>()?.into_iter().map(byte).collect();
    let size = |axis: usize| u32::try_from(axis).ok();
    size(width)
        .zip(size(height))
        .and_then(|(width, height)| RgbImage::from_raw(width, height, bytes))
        .ok_or(ModelError::Internal("a picture is too large"))
}

/// The square of `side` pixels at token (row, column) of a picture.
pub fn token_square(image: &RgbImage, side: usize, row: usize, column: usize) -> RgbImage {
    let at = |index: usize| u32::try_from(index * side).unwrap_or(u32::MAX);
    let size = u32::try_from(side).unwrap_or(u32::MAX);
    image::imageops::crop_imm(image, at(column), at(row), size, size).to_image()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn bytes_are_truncated_and_clamped() {
        assert_eq!([-0.1, 0.0, 0.5, 0.999, 1.0, 7.0].map(unit_byte), [0, 0, 127, 254, 255, 255]);
        assert_eq!([-2.0, -1.0, 0.0, 0.99, 1.0].map(signed_byte), [0, 0, 128, 254, 255]);
    }

    #[test]
    fn channels_become_colours_and_squares_are_cut_by_token() {
        let pixels = Tensor::arange(0f32, 24.0, &Device::Cpu).unwrap();
        let pixels = (pixels.reshape((3, 2, 4)).unwrap() / 255.0).unwrap();
        let image = rgb_image(&pixels, |x| (x * 255.0).round() as u8).unwrap();
        assert_eq!(image.get_pixel(3, 1).0, [7, 15, 23]);
        let square = token_square(&image, 2, 0, 1);
        assert_eq!((square.dimensions(), square.get_pixel(1, 1).0), ((2, 2), [7, 15, 23]));
    }
}
