//! Writes what the window saves, by way of [`crate::export`]: every file whole or not at all.

use crate::compute::layout::TokenLayout;
use crate::engine::trace::RunRecord;
use crate::export::{ExportError, Staged, png, trace};
use crate::ui::app::saving::{ImageJob, OverlayCells, Writers};
use crate::ui::theme;
use image::{Rgb, RgbImage};
use std::io::Write;
use std::path::Path;

/// The writers of the program.
pub struct ExportWriters;

impl Writers for ExportWriters {
    fn image(&self, job: &ImageJob, file: &Path) -> Result<(), String> {
        let ImageJob { record, lane, image, steps, overlay } = job;
        let Some(spec) = record.lanes().get(*lane) else {
            return Err("This run has no such lane. Choose another.".into());
        };
        let drawn = match overlay {
            Some(cells) => with_overlay(image, &record.layout, cells, *steps),
            None => (**image).clone(),
        };
        finish(png::stage_lane_image(file, &drawn, record, &spec.name))
    }

    fn trace(&self, record: &RunRecord, file: &Path) -> Result<(), String> {
        finish(trace::stage(file, record))
    }

    fn text(&self, text: &str, file: &Path) -> Result<(), String> {
        finish(Staged::write(file, |writer| writer.write_all(text.as_bytes())))
    }

    fn picture(&self, image: &RgbImage, file: &Path) -> Result<(), String> {
        finish(Staged::write(file, |writer| png::encode(writer, image, &[])))
    }
}

fn finish(staged: Result<Staged, ExportError>) -> Result<(), String> {
    staged.and_then(Staged::commit).map_err(|error| error.to_string())
}

/// Draws an overlay over an image as the lanes show it: one flat cell a token.
fn with_overlay(
    image: &RgbImage,
    layout: &TokenLayout,
    cells: &OverlayCells,
    steps: usize,
) -> RgbImage {
    let mut drawn = image.clone();
    let (rows, columns) = (layout.rows().max(1) as u32, layout.columns().max(1) as u32);
    let opacity = cells.opacity.clamp(0.0, 1.0);
    for (x, y, pixel) in drawn.enumerate_pixels_mut() {
        let (row, column) = (y * rows / image.height(), x * columns / image.width());
        let step = layout.step_of_cell(row as usize, column as usize);
        let colour = step.filter(|step| *step < steps).and_then(|step| *cells.colours.get(step)?);
        let Some(colour) = colour else { continue };
        let under = theme::pixel_colour(pixel.0, true);
        let mixed = under.blend(colour.gamma_multiply(opacity));
        *pixel = Rgb([mixed.r(), mixed.g(), mixed.b()]);
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui::Color32;

    #[test]
    fn an_overlay_covers_its_cells_and_leaves_the_rest() {
        let image = RgbImage::from_pixel(8, 8, Rgb([10, 200, 90]));
        let layout = TokenLayout::raster(2, 2);
        let red = Color32::from_rgb(255, 0, 0);
        let colours = vec![Some(red), None, Some(red), Some(red)];
        let cells = OverlayCells { colours, opacity: 1.0 };
        let drawn = with_overlay(&image, &layout, &cells, 3);
        assert_eq!(drawn.get_pixel(3, 3).0, [255, 0, 0]);
        assert_eq!(drawn.get_pixel(4, 0).0, [10, 200, 90]);
        assert_eq!(drawn.get_pixel(0, 4).0, [255, 0, 0]);
        // The last token is not drawn yet.
        assert_eq!(drawn.get_pixel(7, 7).0, [10, 200, 90]);
    }
}
