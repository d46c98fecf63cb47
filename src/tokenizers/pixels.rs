//! Pixels to bytes, each tokenizer as its authors do it: some truncate, some round.

use crate::compute::error::ModelError;
use crate::tokenizers::layers::feature_map::FeatureMap;
use image::RgbImage;

/// Byte of a pixel.
pub type ByteRule = fn(f32) -> u8;

/// Byte of a pixel in 0..1: clamp, times 255, truncate.
pub fn unit_byte(x: f32) -> u8 {
    (x.clamp(0.0, 1.0) * 255.0) as u8
}

/// Byte of a pixel in -1..1: 127.5 x + 128, clamp, truncate (LlamaGen).
pub fn signed_byte(x: f32) -> u8 {
    (127.5 * x + 128.0).clamp(0.0, 255.0) as u8
}

/// Byte of a pixel in -1..1: clamp, `(x + 1) / 2 · 255`, round (the built-in tokenizer, Cosmos, MoVQGAN).
pub fn rounded_byte(x: f32) -> u8 {
    ((x.clamp(-1.0, 1.0) + 1.0) * 127.5 + 0.5) as u8
}

/// The picture of pixels with three channels.
///
/// # Errors
/// A map with another number of channels, or sides beyond 32 bits.
pub fn rgb_image(pixels: &FeatureMap, byte: ByteRule) -> Result<RgbImage, ModelError> {
    if pixels.channels != 3 {
        return Err(ModelError::Internal("a picture needs three channels"));
    }
    let bytes = pixels.data.iter().map(|&x| byte(x)).collect();
    RgbImage::from_raw(side(pixels.width), side(pixels.height), bytes)
        .ok_or(ModelError::Internal("a picture is too large"))
}

/// The square of `pixels` pixels at token (row, column) of a picture.
pub fn token_square(image: &RgbImage, pixels: usize, row: usize, column: usize) -> RgbImage {
    let (x, y, size) = (side(column * pixels), side(row * pixels), side(pixels));
    image::imageops::crop_imm(image, x, y, size, size).to_image()
}

/// A length as the image library counts; what is too long becomes a length that no picture has.
pub(super) fn side(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_truncated_and_clamped() {
        assert_eq!([-0.1, 0.0, 0.5, 0.999, 1.0, 7.0].map(unit_byte), [0, 0, 127, 254, 255, 255]);
        assert_eq!([-2.0, -1.0, 0.0, 0.99, 1.0].map(signed_byte), [0, 0, 128, 254, 255]);
    }

    #[test]
    fn pixels_are_clamped_and_rounded() {
        let pixels = vec![-2.0, 0.0, 1.0, f32::NAN, -1.0, 0.5];
        let image = rgb_image(&FeatureMap::new(2, 1, 3, pixels).unwrap(), rounded_byte).unwrap();
        assert_eq!(image.into_raw(), [0, 128, 255, 0, 0, 191]);
        let flat = FeatureMap::new(1, 2, 1, vec![0.0; 2]).unwrap();
        assert!(rgb_image(&flat, rounded_byte).is_err());
    }

    #[test]
    fn channels_become_colours_and_squares_are_cut_by_token() {
        let planes: Vec<f32> = (0..24).map(|i| i as f32 / 255.0).collect();
        let pixels = FeatureMap::from_planes(3, 2, 4, &planes).unwrap();
        let image = rgb_image(&pixels, |x| (x * 255.0).round() as u8).unwrap();
        assert_eq!(image.get_pixel(3, 1).0, [7, 15, 23]);
        let square = token_square(&image, 2, 0, 1);
        assert_eq!((square.dimensions(), square.get_pixel(1, 1).0), ((2, 2), [7, 15, 23]));
    }
}
