//! Small pictures of runs on the graphics card.

use crate::engine::trace::RunId;
use crate::ui::state::run_view::RunView;
use egui::{ColorImage, TextureHandle, TextureOptions};
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;

/// Height of a small picture's texture, in pixels; sharp up to twice the strip's scale.
const TEXTURE_HEIGHT: u32 = 128;

/// Small pictures by run and lane, and how many tokens each held when it was made.
#[derive(Default)]
pub struct Thumbnails {
    textures: HashMap<(RunId, usize), (usize, TextureHandle)>,
}

impl Thumbnails {
    /// Forgets the pictures of a run.
    pub fn forget(&mut self, run: RunId) {
        self.textures.retain(|(of, _), _| *of != run);
    }

    /// The picture of a lane's newest pixels, and how many tokens it holds.
    pub fn texture(
        &mut self,
        ctx: &egui::Context,
        run: &RunView,
        lane: usize,
    ) -> Option<(usize, TextureHandle)> {
        let (steps, image) = run.lanes.get(lane)?.newest.as_ref()?;
        let key = (run.record.id, lane);
        if let Some((made, texture)) = self.textures.get_mut(&key) {
            if made != steps {
                texture.set(small(image), TextureOptions::LINEAR);
                *made = *steps;
            }
            return Some((*steps, texture.clone()));
        }
        let name = format!("run {} lane {lane}", run.record.id);
        let texture = ctx.load_texture(name, small(image), TextureOptions::LINEAR);
        self.textures.insert(key, (*steps, texture.clone()));
        Some((*steps, texture))
    }
}

fn small(image: &Arc<RgbImage>) -> ColorImage {
    let (width, height) = image.dimensions();
    let of = |image: &RgbImage| {
        ColorImage::from_rgb([image.width() as usize, image.height() as usize], image.as_raw())
    };
    if height <= TEXTURE_HEIGHT {
        return of(image);
    }
    let width = (u64::from(width) * u64::from(TEXTURE_HEIGHT) / u64::from(height)).max(1) as u32;
    of(&image::imageops::thumbnail(&**image, width, TEXTURE_HEIGHT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_become_small_pictures_of_the_same_shape() {
        let image = Arc::new(RgbImage::new(1024, 512));
        assert_eq!(small(&image).size, [256, 128]);
        assert_eq!(small(&Arc::new(RgbImage::new(128, 128))).size, [128, 128]);
    }
}
