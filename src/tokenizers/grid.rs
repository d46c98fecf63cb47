//! Between the tokens of a run and the codes of a whole grid: checks, stand-ins for what is not drawn
//! yet, pixels to 8 bits.

use crate::compute::error::ModelError;
use crate::compute::layout::{StepKind, TokenLayout};
use crate::tokenizers::TokenizerInfo;
use crate::tokenizers::feature_map::FeatureMap;
use image::{Rgb, RgbImage};

/// The codes of a grid in raster order, `None` where not drawn yet. Forced steps are left out.
///
/// # Errors
/// A code beyond the codebook, or fewer tokens than steps.
pub fn grid_codes(
    tokens: &[Option<u32>],
    layout: &TokenLayout,
    codebook_size: usize,
) -> Result<Vec<Option<u32>>, ModelError> {
    if tokens.len() != layout.len() {
        return Err(ModelError::Internal("a grid needs one entry per step"));
    }
    let mut codes = Vec::with_capacity(layout.rows() * layout.columns());
    for (token, step) in tokens.iter().zip(layout.steps()) {
        if matches!(step, StepKind::Cell { .. }) {
            if token.is_some_and(|code| code as usize >= codebook_size) {
                return Err(ModelError::Internal("a code lies beyond the codebook"));
            }
            codes.push(*token);
        }
    }
    Ok(codes)
}

/// Replaces missing codes by the one above, so that the undrawn part continues the last row; where
/// there is none above by the one to the left, else by `neutral`.
pub fn continue_downwards(codes: &[Option<u32>], columns: usize, neutral: u32) -> Vec<u32> {
    let mut filled: Vec<u32> = Vec::with_capacity(codes.len());
    for (index, code) in codes.iter().enumerate() {
        let above = index.checked_sub(columns).and_then(|above| filled.get(above));
        let left = (index % columns.max(1) != 0).then(|| filled.last()).flatten();
        let stand_in = above.or(left).copied().unwrap_or(neutral);
        filled.push(code.unwrap_or(stand_in));
    }
    filled
}

/// An image from pixels in [-1, 1], `[height][width][3]`: clamped, `(x + 1) / 2 · 255` rounded.
///
/// # Errors
/// A number of pixels that is not `width · height`.
pub fn to_image(pixels: &[f32], width: usize, height: usize) -> Result<RgbImage, ModelError> {
    let bytes = pixels.iter().map(|x| ((x.clamp(-1.0, 1.0) + 1.0) * 127.5 + 0.5) as u8).collect();
    u32::try_from(width)
        .ok()
        .zip(u32::try_from(height).ok())
        .and_then(|(width, height)| RgbImage::from_raw(width, height, bytes))
        .ok_or(ModelError::Internal("pixels do not fill the image"))
}

/// Grey of what is not decoded.
const UNDRAWN: Rgb<u8> = Rgb([128; 3]);

/// Decodes only the rows that hold something and `rows_below` rows of stand-ins, so that the last
/// drawn row is not decoded at a border; the rest of the image is grey. A preview costs what it shows.
///
/// # Errors
/// Those of [`grid_codes`] and of `decode`, which gets codes, rows and columns.
pub fn decode_strip(
    info: &TokenizerInfo,
    tokens: &[Option<u32>],
    layout: &TokenLayout,
    neutral: u32,
    rows_below: usize,
    decode: impl Fn(&[u32], usize, usize) -> Result<FeatureMap, ModelError>,
) -> Result<RgbImage, ModelError> {
    let codes = grid_codes(tokens, layout, info.codebook_size)?;
    let (rows, columns) = (layout.rows(), layout.columns());
    let side = |tokens: usize| u32::try_from(tokens * info.pixels_per_token).unwrap_or(u32::MAX);
    let mut image = RgbImage::from_pixel(side(columns), side(rows), UNDRAWN);
    let Some(last) = codes.iter().rposition(Option::is_some) else { return Ok(image) };
    let drawn = last / columns.max(1) + 1;
    let decoded = (drawn + rows_below).min(rows);
    let filled = continue_downwards(&codes, columns, neutral);
    let strip = decode(filled.get(..decoded * columns).unwrap_or(&filled), decoded, columns)?;
    let strip = to_image(&strip.data, strip.width, strip.height)?;
    let strip = image::imageops::crop_imm(&strip, 0, 0, side(columns), side(drawn));
    image::imageops::replace(&mut image, &*strip, 0, 0);
    Ok(image)
}

/// The centre of a 3×3 field of each code.
///
/// # Errors
/// A code beyond the codebook, or those of `decode`.
pub fn swatches_of_fields(
    info: &TokenizerInfo,
    codes: &[u32],
    decode: impl Fn(&[u32], usize, usize) -> Result<FeatureMap, ModelError>,
) -> Result<Vec<RgbImage>, ModelError> {
    let side = u32::try_from(info.pixels_per_token).unwrap_or(u32::MAX);
    codes
        .iter()
        .map(|&code| {
            if code as usize >= info.codebook_size {
                return Err(ModelError::Internal("a code lies beyond the codebook"));
            }
            let field = decode(&[code; 9], 3, 3)?;
            let field = to_image(&field.data, field.width, field.height)?;
            Ok(image::imageops::crop_imm(&field, side, side, side, side).to_image())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undrawn_cells_continue_the_row_above() {
        let some = Some;
        let filled = continue_downwards(&[some(5), some(6), some(7), None, None, None], 2, 9);
        assert_eq!(filled, [5, 6, 7, 6, 7, 6]);
        assert_eq!(continue_downwards(&[some(5), None, None, None], 2, 9), [5, 5, 5, 5]);
        assert_eq!(continue_downwards(&[None; 4], 2, 9), [9; 4]);
    }

    #[test]
    fn forced_steps_are_no_cells() {
        let layout = TokenLayout::with_row_ends(2, 2, 55);
        let tokens = [Some(1), Some(2), Some(55), Some(3), None, None];
        assert_eq!(grid_codes(&tokens, &layout, 10).unwrap(), [Some(1), Some(2), Some(3), None]);
        assert!(grid_codes(&tokens, &layout, 3).is_err());
        assert!(grid_codes(&tokens[1..], &layout, 10).is_err());
    }

    #[test]
    fn pixels_are_clamped_and_rounded() {
        let image = to_image(&[-2.0, 0.0, 1.0, f32::NAN, -1.0, 0.5], 1, 2).unwrap();
        assert_eq!(image.into_raw(), [0, 128, 255, 0, 0, 191]);
        assert!(to_image(&[0.0; 3], 2, 1).is_err());
    }
}
