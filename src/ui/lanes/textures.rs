//! Which picture a lane shows at the cursor, its filter, and the picture of the difference of two lanes.

use crate::engine::trace::RunId;
use crate::ui::kit::texture::PixelTexture;
use crate::ui::state::run_view::LaneView;
use crate::ui::state::view::ColourMap;
use crate::ui::theme;
use egui::{Context, TextureFilter, TextureId, TextureOptions};
use image::RgbImage;
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
    map: ColourMap,
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
        map: ColourMap,
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
pub fn difference_image(a: &RgbImage, b: &RgbImage, map: ColourMap) -> RgbImage {
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
