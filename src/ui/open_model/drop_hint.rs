//! What a drop does, shown while files are dragged over the window.

use crate::ui::kit::fonts;
use crate::ui::theme::palette;
use egui::{Area, FontId, Id, Label, Order, Rect, RichText, Stroke, StrokeKind, vec2};
use egui_material_icons::icons::ICON_UPLOAD_FILE;

/// Covers the window while files are over it; `adds` where a drop adds to a model that lacks a file.
pub fn show(ctx: &egui::Context, adds: bool) {
    let files: Vec<String> = ctx.input(|input| {
        let hovered = input.raw.hovered_files.iter();
        let names = hovered.map(|file| {
            let name = file.path.as_deref().and_then(|path| path.file_name());
            name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        });
        names.collect()
    });
    if files.is_empty() {
        return;
    }
    let words = if adds { "Drop to add what is missing" } else { "Drop to open a model" };
    let colours = palette(ctx);
    let rect = ctx.content_rect();
    // Above the dialog, too.
    let area = Area::new(Id::unique("drop hint")).order(Order::Tooltip).fixed_pos(rect.min);
    area.interactable(false).constrain(false).show(ctx, |ui| {
        let painter = ui.painter();
        painter.rect_filled(rect, 0.0, colours.window.gamma_multiply(0.88));
        let line = Stroke::new(2.0, colours.accent);
        painter.rect_stroke(rect.shrink(16.0), 12.0, line, StrokeKind::Inside);
        let mut put = |y: f32, height: f32, text: RichText| {
            let centre = rect.center() + vec2(0.0, y);
            let line = Rect::from_center_size(centre, vec2(rect.width() - 64.0, height));
            ui.put(line, Label::new(text).selectable(false).truncate());
        };
        put(-56.0, 48.0, ICON_UPLOAD_FILE.rich_text().size(44.0).color(colours.accent));
        put(0.0, 30.0, RichText::new(words).font(FontId::new(22.0, fonts::semibold())));
        put(32.0, 20.0, RichText::new(listed(&files)).color(colours.secondary));
    });
}

/// The first names; some systems give none.
fn listed(files: &[String]) -> String {
    const SHOWN: usize = 3;
    let named: Vec<&str> =
        files.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
    let more = named.len().saturating_sub(SHOWN);
    let shown = named.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_briefly() {
        let names = |count: usize| (0..count).map(|i| format!("{i}.pt")).collect::<Vec<_>>();
        assert_eq!(listed(&names(2)), "0.pt, 1.pt");
        assert_eq!(listed(&names(5)), "0.pt, 1.pt, 2.pt and 2 more");
        assert_eq!(listed(&[String::new()]), "");
    }
}
