//! The colour bar beside or below the images, and the lock of its range.

use crate::engine::settings::number;
use crate::ui::kit::controls::{Hint, NumberField, icon_toggle, secondary};
use crate::ui::lanes::overlay;
use crate::ui::state::view::ViewSettings;
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Align, Align2, Color32, FontId, Layout, Mesh, Rect, Response, RichText, Role, Sense, Shape,
    Stroke, StrokeKind, TextStyle, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{ICON_LOCK, ICON_LOCK_OPEN};

const DIFFERENCE: Hint = Hint::new("Mean absolute difference of red, green and blue.", "");
const LOCK: Hint = Hint::new(
    "Keeps the range of the colours, so that runs can be compared; otherwise it fits the run.",
    "",
);

const ENDS: Hint = Hint::new("This end of the colours.", "");

/// Where the bar stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Upright, beside the images.
    Beside,
    /// Lying, in a row below them.
    Below,
}

/// What the bar shows.
struct Scale {
    title: &'static str,
    unit: &'static str,
    hint: Hint,
    range: (f32, f32),
    decimals: usize,
}

impl Scale {
    fn of(view: &ViewSettings, range: Option<(f32, f32)>) -> Self {
        match range {
            Some(range) => Self {
                title: view.overlay.label(),
                unit: overlay::quantity(view.overlay).map_or("", |quantity| quantity.unit),
                hint: overlay::hint(view.overlay),
                range,
                decimals: overlay::decimals(view.overlay, range),
            },
            None => Self {
                title: "difference",
                unit: "of 255",
                hint: DIFFERENCE,
                range: (0.0, 255.0),
                decimals: 0,
            },
        }
    }

    /// The number at a fraction of the bar.
    fn number(&self, fraction: f32) -> String {
        let (low, high) = self.range;
        format!("{:.*}", self.decimals, low + (high - low) * fraction)
    }
}

/// Shows the colour bar with the overlay's range, or of the pixel difference where `range` is `None`.
pub fn show(ui: &mut Ui, view: &mut ViewSettings, range: Option<(f32, f32)>, place: Place) {
    let scale = Scale::of(view, range);
    let size = match place {
        Place::Beside => {
            let reserved = if range.is_some() { 74.0 } else { 42.0 };
            vec2(12.0, (ui.available_height() - reserved).clamp(40.0, 180.0))
        }
        Place::Below => vec2((ui.available_width() - 300.0).clamp(80.0, 240.0), 12.0),
    };
    let overlay = range.map(|_| view.overlay);
    let map = view.colour_map;
    let colour = move |at: f32| match overlay {
        Some(overlay) => overlay::shade(overlay, map, at),
        None => theme::map_colour(map, at),
    };
    match place {
        Place::Beside => {
            ui.spacing_mut().item_spacing = vec2(2.0, 4.0);
            upright(ui, &scale, size, colour);
            if range.is_some() {
                ui.horizontal(|ui| lock(ui, view, &scale, place));
            }
        }
        Place::Below => {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.spacing_mut().item_spacing = vec2(6.0, 4.0);
                lying(ui, &scale, size, colour);
                if range.is_some() {
                    lock(ui, view, &scale, place);
                }
            });
        }
    }
}

fn upright(ui: &mut Ui, scale: &Scale, size: Vec2, colour: impl Fn(f32) -> Color32) {
    let palette = theme::palette(ui.ctx());
    scale.hint.on(ui.label(RichText::new(scale.title).small()));
    let whole = vec2(ui.available_width(), size.y);
    let (rect, response) = ui.allocate_exact_size(whole, Sense::hover());
    let bar = Rect::from_min_size(rect.min, size);
    paint_bar(ui, bar, Place::Beside, colour, palette);
    for fraction in [0.0, 0.5, 1.0f32] {
        let y = bar.bottom() - fraction * (bar.height() - 12.0) - 6.0;
        let at = pos2(bar.right() + 5.0, y);
        let font = number_font(ui);
        ui.painter().text(at, Align2::LEFT_CENTER, scale.number(fraction), font, palette.text);
    }
    describe(&response, scale);
    ui.label(secondary(scale.unit, palette));
}

fn lying(ui: &mut Ui, scale: &Scale, size: Vec2, colour: impl Fn(f32) -> Color32) {
    let palette = theme::palette(ui.ctx());
    let number = |ui: &mut Ui, fraction| {
        let text = RichText::new(scale.number(fraction)).font(number_font(ui)).color(palette.text);
        ui.label(text);
    };
    scale.hint.on(ui.label(RichText::new(scale.title).small()));
    number(ui, 0.0);
    let (bar, response) = ui.allocate_exact_size(size, Sense::hover());
    paint_bar(ui, bar, Place::Below, colour, palette);
    describe(&response, scale);
    number(ui, 1.0);
    ui.label(secondary(scale.unit, palette));
}

fn number_font(ui: &Ui) -> FontId {
    FontId::new(11.0, TextStyle::Monospace.resolve(ui.style()).family)
}

fn describe(response: &Response, scale: &Scale) {
    let (low, high) = (scale.number(0.0), scale.number(1.0));
    let described = format!("Colour bar: {} from {low} to {high}", scale.title);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &described));
}

fn lock(ui: &mut Ui, view: &mut ViewSettings, scale: &Scale, place: Place) {
    let mut locked = view.locked_range.is_some();
    let icons = (ICON_LOCK, ICON_LOCK_OPEN);
    if icon_toggle(ui, &mut locked, icons, "Lock range", LOCK).changed() {
        view.locked_range = locked.then_some(scale.range);
    }
    let Some((low, high)) = &mut view.locked_range else { return };
    let speed = ((*high - *low).abs() * 0.005).max(1e-5);
    let edit = |ui: &mut Ui, value: &mut f32, name: &str| {
        let number = NumberField {
            name,
            hint: ENDS,
            read: &|text| {
                let problem = |error| format!("“{text}” {error}; use a number like 0.5");
                number::real(text).map_err(problem)
            },
            write: &|value: f32| format!("{value:.*}", scale.decimals),
            suffix: "",
            range: f32::MIN..=f32::MAX,
            speed: speed.into(),
            width: 34.0,
        };
        // There is no room for a message: the field's colour and tooltip say what is wrong.
        number.show(ui, value);
    };
    match place {
        Place::Beside => {
            ui.vertical(|ui| {
                edit(ui, high, "Upper end");
                edit(ui, low, "Lower end");
            });
        }
        Place::Below => {
            edit(ui, low, "Lower end");
            edit(ui, high, "Upper end");
        }
    }
}

fn paint_bar(ui: &Ui, bar: Rect, place: Place, colour: impl Fn(f32) -> Color32, palette: &Palette) {
    const BANDS: usize = 48;
    let mut mesh = Mesh::default();
    for band in 0..=BANDS {
        let fraction = band as f32 / BANDS as f32;
        let ends = match place {
            Place::Beside => {
                let y = bar.bottom() - fraction * bar.height();
                [pos2(bar.left(), y), pos2(bar.right(), y)]
            }
            Place::Below => {
                let x = bar.left() + fraction * bar.width();
                [pos2(x, bar.top()), pos2(x, bar.bottom())]
            }
        };
        let first = mesh.vertices.len() as u32;
        for end in ends {
            mesh.colored_vertex(end, colour(fraction));
        }
        if band > 0 {
            mesh.add_triangle(first - 2, first - 1, first);
            mesh.add_triangle(first - 1, first, first + 1);
        }
    }
    ui.painter().add(Shape::mesh(mesh));
    let stroke = Stroke::new(1.0, palette.border);
    ui.painter().rect_stroke(bar, 0.0, stroke, StrokeKind::Outside);
}
