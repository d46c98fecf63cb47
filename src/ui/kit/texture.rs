//! One picture on the graphics card, of which only the rows that changed are uploaded again. The old
//! texture stays until the new one is there, so nothing flickers.

use crate::ui::theme::pixel_colour;
use egui::{ColorImage, Context, Rect, TextureHandle, TextureId, TextureOptions, pos2};
use image::RgbImage;
use std::ops::Range;
use std::sync::Arc;

/// The texture coordinates of a whole picture.
pub fn whole_texture() -> Rect {
    Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0))
}

/// The rows from the first to the last that differ between two pictures of one size.
pub fn changed_rows(old: &RgbImage, new: &RgbImage) -> Option<Range<usize>> {
    let stride = (new.width() as usize * 3).max(1);
    let differs = |(a, b): (&[u8], &[u8])| a != b;
    let rows = || old.as_raw().chunks(stride).zip(new.as_raw().chunks(stride));
    let first = rows().position(differs)?;
    let last = rows().rposition(differs)?;
    Some(first..last + 1)
}

/// One picture on the graphics card.
#[derive(Default)]
pub struct PixelTexture {
    handle: Option<TextureHandle>,
    source: Option<Arc<RgbImage>>,
    options: TextureOptions,
    muted: bool,
}

impl PixelTexture {
    /// Uploads what differs from the picture before; nothing if it is the same one.
    pub fn update(
        &mut self,
        ctx: &Context,
        name: &str,
        image: &Arc<RgbImage>,
        options: TextureOptions,
        muted: bool,
    ) -> TextureId {
        let same_look = self.options == options && self.muted == muted;
        if let (Some(handle), Some(source)) = (&mut self.handle, &self.source) {
            let same_size = source.dimensions() == image.dimensions();
            if same_look && Arc::ptr_eq(source, image) {
                return handle.id();
            }
            if same_look && same_size && image.width() as usize == handle.size()[0] {
                if let Some(rows) = changed_rows(source, image) {
                    let patch = colours(image, rows.clone(), muted);
                    handle.set_partial([0, rows.start], patch, options);
                }
            } else {
                handle.set(whole(ctx, image, muted), options);
            }
        } else {
            self.handle = Some(ctx.load_texture(name, whole(ctx, image, muted), options));
        }
        self.source = Some(Arc::clone(image));
        self.options = options;
        self.muted = muted;
        self.handle.as_ref().map_or_else(TextureId::default, TextureHandle::id)
    }
}

/// The whole picture, made smaller if the graphics card cannot hold it.
fn whole(ctx: &Context, image: &RgbImage, muted: bool) -> ColorImage {
    let limit = ctx.input(|input| input.max_texture_side) as u32;
    let side = image.width().max(image.height());
    if limit > 0 && side > limit {
        let shrink =
            |length: u32| ((u64::from(length) * u64::from(limit) / u64::from(side)) as u32).max(1);
        let small =
            image::imageops::thumbnail(image, shrink(image.width()), shrink(image.height()));
        return colours(&small, 0..small.height() as usize, muted);
    }
    colours(image, 0..image.height() as usize, muted)
}

fn colours(image: &RgbImage, rows: Range<usize>, muted: bool) -> ColorImage {
    let width = image.width() as usize;
    let pixels = image.pixels().skip(rows.start * width).take(rows.len() * width);
    let pixels = pixels.map(|pixel| pixel_colour(pixel.0, muted)).collect();
    ColorImage::new([width, rows.len()], pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(value: u8) -> Arc<RgbImage> {
        Arc::new(RgbImage::from_pixel(4, 6, image::Rgb([value; 3])))
    }

    #[test]
    fn only_rows_that_differ_are_uploaded() {
        let old = picture(7);
        let mut new = (*old).clone();
        assert_eq!(changed_rows(&old, &new), None);
        new.put_pixel(3, 2, image::Rgb([9; 3]));
        new.put_pixel(0, 4, image::Rgb([9; 3]));
        assert_eq!(changed_rows(&old, &new), Some(2..5));
    }
}
