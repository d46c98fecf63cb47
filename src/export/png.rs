//! Images as PNG, with the run's description in a text chunk, so that a picture says how it was made.

pub use crate::checkpoint::results::DESCRIPTION_KEYWORD;
use crate::engine::trace::RunRecord;
use crate::export::run_json::RunDescription;
use crate::export::{ExportError, Staged};
use image::RgbImage;
use std::io::{self, Write};
use std::path::Path;

/// Writes the image of the lane named `lane` beside `target`, ready to be committed.
///
/// # Errors
/// See [`Staged::write`].
pub fn stage_lane_image(
    target: &Path,
    image: &RgbImage,
    record: &RunRecord,
    lane: &str,
) -> Result<Staged, ExportError> {
    let description = RunDescription::of(record);
    let text = serde_json::to_string(&description).map_err(|error| ExportError::Encode {
        reason: error.to_string(),
        path: target.to_path_buf(),
    })?;
    Staged::write(target, |writer| {
        encode(writer, image, &[(DESCRIPTION_KEYWORD, &text), ("lane", lane)])
    })
}

/// Encodes an 8-bit RGB image with text chunks.
///
/// # Errors
/// The writer fails, or the image has no pixels.
pub fn encode(writer: impl Write, image: &RgbImage, texts: &[(&str, &str)]) -> io::Result<()> {
    let mut encoder = png::Encoder::new(writer, image.width(), image.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    for (keyword, text) in texts {
        encoder
            .add_itxt_chunk((*keyword).to_owned(), (*text).to_owned())
            .map_err(io::Error::other)?;
    }
    let mut writer = encoder.write_header().map_err(io::Error::other)?;
    writer.write_image_data(image.as_raw()).map_err(io::Error::other)?;
    writer.finish().map_err(io::Error::other)
}
