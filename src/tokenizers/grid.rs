//! Grids of codes: checks, stand-ins for what is not drawn yet, and swatches.

use crate::compute::error::ModelError;
use crate::compute::layout::{StepKind, TokenLayout};
use crate::tokenizers::image_tokenizer::TokenizerInfo;
use crate::tokenizers::layers::feature_map::FeatureMap;
use crate::tokenizers::pixels::{side, token_square};
use crate::tokenizers::quantizer::{BEYOND_CODEBOOK, Quantizer};
use image::{Rgb, RgbImage};

/// The codes of a grid: those of the whole image first, then the cells in raster order, `None` where
/// not drawn yet. Forced steps are left out.
///
/// # Errors
/// A code beyond the codebook, or another number of tokens than steps.
pub fn grid_codes(
    tokens: &[Option<u32>],
    layout: &TokenLayout,
    codebook_size: usize,
) -> Result<Vec<Option<u32>>, ModelError> {
    if tokens.len() != layout.len() {
        return Err(ModelError::Internal("a grid needs one entry per step"));
    }
    let steps = tokens.iter().zip(layout.steps());
    let drawing = steps.filter(|(_, step)| !matches!(step, StepKind::RowEnd { .. }));
    let codes: Vec<Option<u32>> = drawing.map(|(token, _)| *token).collect();
    if codes.iter().flatten().any(|&code| code as usize >= codebook_size) {
        return Err(BEYOND_CODEBOOK);
    }
    Ok(codes)
}

/// What is decoded where no token has been drawn yet.
#[derive(Debug, Clone, PartialEq)]
pub enum StandIn {
    /// This code vector; the whole grid is decoded.
    Vector(Vec<f32>),
    /// The code above, so that the undrawn part continues the last row; where there is none above the
    /// one to the left, else `neutral`. Only the rows that hold something and `rows_below` more are
    /// decoded, so that the last drawn row is not decoded at a border; the rest of the image is grey.
    /// A preview costs what it shows.
    CodeAbove {
        /// The code of a grid that holds nothing.
        neutral: u32,
        /// Rows of stand-ins decoded below the drawn ones.
        rows_below: usize,
    },
}

/// The part of a grid that is decoded.
pub struct Strip {
    /// Code vectors of some rows, from the top.
    pub vectors: FeatureMap,
    /// How many of the rows are shown.
    pub shown_rows: usize,
}

impl StandIn {
    /// The code vectors of a grid with stand-ins; `None` if there is nothing to decode.
    ///
    /// # Errors
    /// Codes that do not fill rows of `columns`, or lie beyond the codebook.
    pub fn strip(
        &self,
        quantizer: &impl Quantizer,
        codes: &[Option<u32>],
        columns: usize,
    ) -> Result<Option<Strip>, ModelError> {
        let rows = codes.len() / columns.max(1);
        match self {
            Self::Vector(stand_in) => {
                let mut vectors = Vec::with_capacity(codes.len() * quantizer.width());
                for code in codes {
                    match code {
                        Some(code) => quantizer.push_vector(*code, &mut vectors)?,
                        None => vectors.extend_from_slice(stand_in),
                    }
                }
                let vectors = FeatureMap::new(rows, columns, quantizer.width(), vectors)?;
                Ok(Some(Strip { vectors, shown_rows: rows }))
            }
            Self::CodeAbove { neutral, rows_below } => {
                let Some(last) = codes.iter().rposition(Option::is_some) else { return Ok(None) };
                let shown_rows = last / columns.max(1) + 1;
                let decoded = (shown_rows + rows_below).min(rows);
                let filled = continue_downwards(codes, columns, *neutral);
                let filled = filled.get(..decoded * columns).unwrap_or(&filled);
                let vectors = quantizer.grid(filled, decoded, columns)?;
                Ok(Some(Strip { vectors, shown_rows }))
            }
        }
    }
}

/// Replaces missing codes as [`StandIn::CodeAbove`] says.
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

/// Grey of what is not decoded.
const UNDRAWN: Rgb<u8> = Rgb([128; 3]);

/// An image of `width · height` pixels: the topmost `shown` rows of pixels of a picture, grey below.
pub fn on_grey(picture: Option<(&RgbImage, usize)>, width: usize, height: usize) -> RgbImage {
    let mut image = RgbImage::from_pixel(side(width), side(height), UNDRAWN);
    if let Some((picture, shown)) = picture {
        let shown = image::imageops::crop_imm(picture, 0, 0, side(width), side(shown));
        image::imageops::replace(&mut image, &*shown, 0, 0);
    }
    image
}

/// How swatches are cut: from squares of one code each, several of which may share a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwatchGrid {
    /// Tokens on a side of the grid.
    pub grid: usize,
    /// Tokens on a side of a square.
    pub square: usize,
}

impl SwatchGrid {
    /// The picture of each code: a token from the middle of its square. `decode` gets the codes of a
    /// grid in raster order.
    ///
    /// # Errors
    /// A code beyond the codebook, or those of `decode`.
    pub fn swatches(
        self,
        info: &TokenizerInfo,
        codes: &[u32],
        decode: impl Fn(&[u32]) -> Result<RgbImage, ModelError>,
    ) -> Result<Vec<RgbImage>, ModelError> {
        if codes.iter().any(|&code| code as usize >= info.codebook_size) {
            return Err(BEYOND_CODEBOOK);
        }
        let Self { grid, square } = self;
        let per_row = (grid / square.max(1)).max(1);
        let mut swatches = Vec::with_capacity(codes.len());
        for chunk in codes.chunks(per_row * per_row) {
            let square_of = |index: usize| (index / square.max(1)).min(per_row - 1);
            let code_at = |cell: usize| {
                let square = square_of(cell / grid) * per_row + square_of(cell % grid);
                chunk.get(square).or(chunk.first()).copied().unwrap_or_default()
            };
            let image = decode(&(0..grid * grid).map(code_at).collect::<Vec<u32>>())?;
            swatches.extend((0..chunk.len()).map(|index| {
                let middle = |index: usize| index * square + square / 2;
                let (row, column) = (middle(index / per_row), middle(index % per_row));
                token_square(&image, info.pixels_per_token, row, column)
            }));
        }
        Ok(swatches)
    }
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
    fn tokens_of_the_whole_image_come_first() {
        let layout = TokenLayout::with_prefix(1, 1, 2);
        let tokens = [Some(4), Some(1), None];
        assert_eq!(grid_codes(&tokens, &layout, 10).unwrap(), tokens);
    }
}
