//! Small pictures of codes: those that have arrived, and their textures.

use crate::ui::kit::texture::{PixelTexture, whole_texture};
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Context, Rect, Role, Sense, Stroke, StrokeKind, TextureId, TextureOptions, Ui, WidgetInfo, vec2,
};
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;

/// Small pictures of codes, uploaded once each.
#[derive(Default)]
pub struct SwatchTextures {
    textures: HashMap<u32, PixelTexture>,
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

/// Pictures of codes.
pub struct Swatches<'a> {
    /// Those that have arrived.
    pub images: &'a HashMap<u32, Arc<RgbImage>>,
    /// Their textures.
    pub textures: &'a mut SwatchTextures,
}

impl Swatches<'_> {
    /// Shows a code's picture, or its empty frame until it arrives.
    pub fn show(&mut self, ui: &mut Ui, code: u32, side: f32, palette: &Palette) {
        let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
        self.paint(ui, code, rect, palette);
        let name = format!("picture of code {code}");
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    }

    /// Paints the picture into a rectangle.
    pub fn paint(&mut self, ui: &Ui, code: u32, rect: Rect, palette: &Palette) {
        if let Some(image) = self.images.get(&code) {
            let texture = self.textures.get(ui.ctx(), code, image);
            ui.painter().image(texture, rect, whole_texture(), theme::UNTINTED);
        }
        let border = Stroke::new(1.0, palette.border);
        ui.painter().rect_stroke(rect, 1.0, border, StrokeKind::Inside);
    }
}
