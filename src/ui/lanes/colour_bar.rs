//! The colour bar beside the images, and the lock of its range.

use crate::ui::kit::controls::{Hint, icon_toggle, secondary};
use crate::ui::lanes::overlay;
use crate::ui::state::view::ViewSettings;
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Align2, Color32, DragValue, FontId, Mesh, Rect, Role, Sense, Shape, Stroke, StrokeKind,
    TextStyle, Ui, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{ICON_LOCK, ICON_LOCK_OPEN};

const DIFFERENCE: Hint = Hint::new("Mean absolute difference of red, green and blue.", "");
const LOCK: Hint = Hint::new(
    "Keeps the range of the colours, so that runs can be compared; otherwise it fits the run.",
    "",
);

/// Shows the colour bar with the overlay's range, or of the pixel difference where `range` is `None`.
pub fn show(ui: &mut Ui, view: &mut ViewSettings, range: Option<(f32, f32)>) {
    let palette = theme::palette(ui.ctx());
    ui.spacing_mut().item_spacing = vec2(2.0, 4.0);
    let (title, unit) = match range {
        Some(_) => {
            let unit = overlay::quantity(view.overlay).map_or("", |quantity| quantity.unit);
            (view.overlay.label(), unit)
        }
        None => ("difference", "of 255"),
    };
    let hint = if range.is_some() { overlay::hint(view.overlay) } else { DIFFERENCE };
    hint.on(ui.label(egui::RichText::new(title).small()));
    let decimals = range.map_or(0, |range| overlay::decimals(view.overlay, range));
    let (low, high) = range.unwrap_or((0.0, 255.0));
    let reserved = if range.is_some() { 52.0 } else { 20.0 };
    let height = (ui.available_height() - reserved).clamp(40.0, 180.0);
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let bar = Rect::from_min_size(rect.min, vec2(12.0, rect.height()));
    let colour = |at: f32| match range {
        Some(_) => overlay::shade(view.overlay, view.colour_map, at),
        None => theme::map_colour(view.colour_map, at),
    };
    paint_bar(ui, bar, colour, palette);
    for fraction in [0.0, 0.5, 1.0f32] {
        let value = low + (high - low) * fraction;
        let y = bar.bottom() - fraction * (bar.height() - 12.0) - 6.0;
        let text = format!("{value:.decimals$}");
        let font = FontId::new(11.0, TextStyle::Monospace.resolve(ui.style()).family);
        let at = pos2(bar.right() + 5.0, y);
        ui.painter().text(at, Align2::LEFT_CENTER, text, font, palette.text);
    }
    let described = format!("Colour bar: {title} from {low:.decimals$} to {high:.decimals$}");
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &described));
    ui.label(secondary(unit, palette));
    let Some(range) = range else { return };
    lock(ui, view, range, decimals);
}

fn lock(ui: &mut Ui, view: &mut ViewSettings, range: (f32, f32), decimals: usize) {
    let mut locked = view.locked_range.is_some();
    ui.horizontal(|ui| {
        let changed = icon_toggle(ui, &mut locked, (ICON_LOCK, ICON_LOCK_OPEN), "Lock range", LOCK);
        if changed.changed() {
            view.locked_range = locked.then_some(range);
        }
        if let Some((low, high)) = &mut view.locked_range {
            let speed = ((*high - *low).abs() * 0.005).max(1e-5);
            ui.vertical(|ui| {
                ui.spacing_mut().interact_size.x = 34.0;
                let edit = |ui: &mut Ui, value: &mut f32, name: &str| {
                    let drag = DragValue::new(value).speed(speed).max_decimals(decimals);
                    let response = ui.add(drag.update_while_editing(false));
                    response.widget_info(|| WidgetInfo::labeled(Role::SpinButton, true, name));
                    response.on_hover_text(format!("{name} of the colours."));
                };
                edit(ui, high, "Upper end");
                edit(ui, low, "Lower end");
            });
        }
    });
}

fn paint_bar(ui: &Ui, bar: Rect, colour: impl Fn(f32) -> Color32, palette: &Palette) {
    const BANDS: usize = 48;
    let mut mesh = Mesh::default();
    for band in 0..=BANDS {
        let fraction = band as f32 / BANDS as f32;
        let y = bar.bottom() - fraction * bar.height();
        let colour = colour(fraction);
        let first = mesh.vertices.len() as u32;
        mesh.colored_vertex(pos2(bar.left(), y), colour);
        mesh.colored_vertex(pos2(bar.right(), y), colour);
        if band > 0 {
            mesh.add_triangle(first - 2, first - 1, first);
            mesh.add_triangle(first - 1, first, first + 1);
        }
    }
    ui.painter().add(Shape::mesh(mesh));
    let stroke = Stroke::new(1.0, palette.border);
    ui.painter().rect_stroke(bar, 0.0, stroke, StrokeKind::Outside);
}
