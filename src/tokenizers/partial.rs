//! Grids that are not complete yet, and swatches, for the convolutional tokenizers of the
//! class-conditional families.

use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::tokenizers::codebook::Codebook;
use crate::tokenizers::pixels::token_square;
use candle_core::{Device, Tensor};
use image::RgbImage;

/// [`crate::tokenizers::TokenizerInfo::partial_preview`] of these tokenizers. On average over
/// their miniatures this stand-in changed finished patches least of six
/// (`tests/preview_stand_ins.rs`); a repeated token above, the codes of a grey picture and the mean of
/// the drawn tokens came within a tenth, so on trained weights the order may be another.
pub const CONVOLUTIONAL_PREVIEW: &str = "Tokens not drawn yet are shown as the mean of the codebook; \
     finished patches may still change a little, because the decoder's norms see the whole picture.";

/// Side in tokens of the picture a swatch is cut from: one token with neighbours of its own kind.
const SWATCH_SIDE: usize = 3;

/// Code vectors `[1, width, rows, columns]` of a grid. The codebook's mean stands for tokens not drawn
/// yet.
///
/// # Errors
/// A code beyond the codebook, or tokens that do not fit the layout.
pub fn grid_vectors(
    codebook: &Codebook,
    tokens: &[Option<u32>],
    layout: &TokenLayout,
) -> Result<Tensor, ModelError> {
    if tokens.len() != layout.len() || layout.is_empty() {
        return Err(ModelError::Internal("a grid has another number of tokens than its layout"));
    }
    let (rows, columns) = (layout.rows(), layout.columns());
    let mean = Tensor::from_vec(codebook.mean(), (1, codebook.width()), &Device::Cpu)?;
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let vectors = cells
        .map(|(row, column)| {
            let token = layout.step_of_cell(row, column).and_then(|step| *tokens.get(step)?);
            token.map_or_else(|| Ok(mean.clone()), |code| codebook.vectors(&[code]))
        })
        .collect::<Result<Vec<_>, ModelError>>()?;
    to_channels(&Tensor::cat(&vectors, 0)?, rows, columns)
}

/// Rows of vectors `[rows · columns, width]` as a picture of channels `[1, width, rows, columns]`.
///
/// # Errors
/// Another number of rows.
pub fn to_channels(vectors: &Tensor, rows: usize, columns: usize) -> Result<Tensor, ModelError> {
    let width = vectors.dim(1)?;
    Ok(vectors.t()?.reshape((1, width, rows, columns))?.contiguous()?)
}

/// Pictures of single codes: the middle of a small grid of nothing but that code.
///
/// # Errors
/// A code beyond the codebook.
pub fn convolutional_swatches(
    codebook: &Codebook,
    codes: &[u32],
    pixels_per_token: usize,
    decode: impl Fn(&Tensor) -> Result<RgbImage, ModelError>,
) -> Result<Vec<RgbImage>, ModelError> {
    codes
        .iter()
        .map(|&code| {
            let vectors = codebook.vectors(&[code; SWATCH_SIDE * SWATCH_SIDE])?;
            let image = decode(&to_channels(&vectors, SWATCH_SIDE, SWATCH_SIDE)?)?;
            Ok(token_square(&image, pixels_per_token, SWATCH_SIDE / 2, SWATCH_SIDE / 2))
        })
        .collect()
}
