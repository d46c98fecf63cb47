//! Pixels on the graphics card: which picture a lane shows at the cursor, and the upload of just
//! the rows that changed. The old texture stays until the new one is there, so nothing flickers.

use crate::engine::trace::RunId;
use crate::ui::app::state::LaneView;
use crate::ui::theme;
use crate::ui::theme::pixel_colour;
use egui::{ColorImage, Context, TextureFilter, TextureHandle, TextureId, TextureOptions};
use image::RgbImage;
use std::ops::Range;
use std::sync::Arc;

/// Magnification from which pixels are shown as squares.
pub const NEAREST_ABOVE: f32 = 2.0;

/// The picture that shows a lane best at `shown` tokens, and the tokens it holds: exactly that many,
/// else the next more (what comes after the cursor is covered), else the most there are.
pub fn pixels_for(lane: &LaneView, shown: usize) -> Option<(usize, &Arc<RgbImage>)> {
    let newest = lane.newest.iter().map(|(held, image)| (*held, image));
    let all = newest.chain(lane.at_cursor.iter().map(|(held, image)| (*held, image)));
    all.min_by_key(|(held, _)| match held.checked_sub(shown) {
        Some(more) => (0, more),
        None => (1, shown - held),
    })
}

/// Filter at `scale` screen pixels per image pixel: squares when large, smooth otherwise.
pub fn texture_options(scale: f32, smooth: bool) -> TextureOptions {
    if scale > NEAREST_ABOVE && !smooth {
        TextureOptions::NEAREST
    } else {
        TextureOptions { mipmap_mode: Some(TextureFilter::Linear), ..TextureOptions::LINEAR }
    }
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

/// The textures of the lanes in view.
#[derive(Default)]
pub struct LaneTextures {
    lanes: Vec<PixelTexture>,
    difference: PixelTexture,
    difference_of: Option<DifferenceKey>,
}

/// What a difference picture was made from.
#[derive(Clone)]
struct DifferenceKey {
    a: Arc<RgbImage>,
    b: Arc<RgbImage>,
    map: crate::ui::state::view::ColourMap,
    image: Arc<RgbImage>,
}

impl LaneTextures {
    /// The texture slot of a lane.
    pub fn lane(&mut self, lane: usize) -> &mut PixelTexture {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, PixelTexture::default);
        }
        &mut self.lanes[lane]
    }

    /// The texture of the pixel difference of two pictures, on a colour map whose end is the
    /// largest possible difference.
    pub fn difference(
        &mut self,
        ctx: &Context,
        a: &Arc<RgbImage>,
        b: &Arc<RgbImage>,
        map: crate::ui::state::view::ColourMap,
        options: TextureOptions,
    ) -> TextureId {
        let fresh = self
            .difference_of
            .as_ref()
            .is_some_and(|key| Arc::ptr_eq(&key.a, a) && Arc::ptr_eq(&key.b, b) && key.map == map);
        if !fresh {
            let image = Arc::new(difference_image(a, b, map));
            let (a, b) = (Arc::clone(a), Arc::clone(b));
            self.difference_of = Some(DifferenceKey { a, b, map, image });
        }
        match &self.difference_of {
            Some(key) => {
                let image = Arc::clone(&key.image);
                self.difference.update(ctx, "difference", &image, options, false)
            }
            None => TextureId::default(),
        }
    }
}

/// Mean absolute difference of the three channels, 0 to 1, on a colour map.
pub fn difference_image(
    a: &RgbImage,
    b: &RgbImage,
    map: crate::ui::state::view::ColourMap,
) -> RgbImage {
    let table: Vec<[u8; 3]> = (0..=255u8)
        .map(|value| {
            let colour = theme::map_colour(map, f32::from(value) / 255.0);
            [colour.r(), colour.g(), colour.b()]
        })
        .collect();
    RgbImage::from_fn(a.width().min(b.width()), a.height().min(b.height()), |x, y| {
        let channels = a.get_pixel(x, y).0.into_iter().zip(b.get_pixel(x, y).0);
        let sum: usize = channels.map(|(a, b)| usize::from(a.abs_diff(b))).sum();
        image::Rgb(table[sum / 3])
    })
}

/// Small pictures of codes, uploaded once each.
#[derive(Default)]
pub struct SwatchTextures {
    textures: std::collections::HashMap<u32, PixelTexture>,
}

impl SwatchTextures {
    /// Most swatches held; an inspector shows about thirty at once.
    const LIMIT: usize = 1024;

    /// The texture of a code's picture.
    pub fn get(&mut self, ctx: &Context, code: u32, image: &Arc<RgbImage>) -> TextureId {
        if self.textures.len() >= Self::LIMIT && !self.textures.contains_key(&code) {
            self.textures.clear();
        }
        let texture = self.textures.entry(code).or_default();
        texture.update(ctx, "swatch", image, TextureOptions::NEAREST, false)
    }
}

/// Identity of the pixels asked for last, so that one request is made per change.
pub fn needs_request(
    asked: &mut Vec<(RunId, usize)>,
    lane: usize,
    run: RunId,
    steps: usize,
) -> bool {
    if asked.len() <= lane {
        asked.resize(lane + 1, (RunId::MAX, usize::MAX));
    }
    let changed = asked[lane] != (run, steps);
    asked[lane] = (run, steps);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::view::ColourMap;

    fn picture(value: u8) -> Arc<RgbImage> {
        Arc::new(RgbImage::from_pixel(4, 6, image::Rgb([value; 3])))
    }

    #[test]
    fn the_closest_picture_that_holds_enough_is_shown() {
        let mut lane = LaneView { newest: Some((40, picture(1))), ..LaneView::default() };
        lane.at_cursor.insert(10, picture(2));
        lane.at_cursor.insert(20, picture(3));
        let held = |shown| pixels_for(&lane, shown).map(|(held, _)| held);
        assert_eq!(held(10), Some(10));
        assert_eq!(held(11), Some(20));
        assert_eq!(held(21), Some(40));
        assert_eq!(held(41), Some(40));
        assert_eq!(held(0), Some(10));
        assert_eq!(pixels_for(&LaneView::default(), 3), None);
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

    #[test]
    fn large_pixels_are_squares_unless_smooth() {
        assert_eq!(texture_options(2.5, false), TextureOptions::NEAREST);
        assert_eq!(texture_options(2.5, true).magnification, TextureFilter::Linear);
        assert_eq!(texture_options(1.5, false).magnification, TextureFilter::Linear);
    }

    #[test]
    fn equal_pictures_have_the_difference_zero() {
        let image = difference_image(&picture(9), &picture(9), ColourMap::Magma);
        let zero = theme::map_colour(ColourMap::Magma, 0.0);
        assert!(image.pixels().all(|pixel| pixel.0 == [zero.r(), zero.g(), zero.b()]));
        let image = difference_image(&picture(0), &picture(255), ColourMap::Magma);
        let one = theme::map_colour(ColourMap::Magma, 1.0);
        assert!(image.pixels().all(|pixel| pixel.0 == [one.r(), one.g(), one.b()]));
    }

    #[test]
    fn each_preview_is_asked_for_once() {
        let mut asked = Vec::new();
        assert!(needs_request(&mut asked, 1, 5, 30));
        assert!(!needs_request(&mut asked, 1, 5, 30));
        assert!(needs_request(&mut asked, 0, 5, 30));
        assert!(needs_request(&mut asked, 1, 5, 31));
        assert!(needs_request(&mut asked, 1, 6, 31));
    }
}
