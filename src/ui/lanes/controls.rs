//! The row under the images: what lies over them, its opacity and colours, how lanes are compared;
//! and the colour bar beside them.

use crate::ui::lanes::comparison;
use crate::ui::lanes::overlay;
use crate::ui::kit::lane;
use crate::ui::kit::lane::{icon_button, icon_toggle, secondary};
use crate::ui::app::state::State;
use crate::ui::state::view::{ColourMap, Comparison, Overlay, ViewSettings};
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Align, Align2, Color32, ComboBox, DragValue, FontId, Layout, Mesh, Rect, Role, Sense, Shape,
    Slider, Stroke, StrokeKind, TextStyle, Ui, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{
    ICON_BLUR_ON, ICON_FIT_SCREEN, ICON_LOCK, ICON_LOCK_OPEN, ICON_TUNE,
};
use strum::VariantArray;

/// Height of one row of controls.
const ROW: f32 = 32.0;
/// Width from which everything fits in one row.
const ONE_ROW: f32 = 745.0;
/// Width from which opacity and colours are in the row rather than in a menu.
const INLINE: f32 = 560.0;

/// Height the controls take in a width.
pub fn height(width: f32) -> f32 {
    if width >= ONE_ROW { ROW } else { 2.0 * ROW }
}

/// The controls.
pub fn show(ui: &mut Ui, state: &mut State) {
    let width = ui.available_width();
    let lanes = match state.shown_run() {
        Some(run) => run.lanes.len(),
        None => state.settings.lanes.len(),
    };
    let view = &mut state.view;
    ui.spacing_mut().item_spacing.x = 4.0;
    ui.allocate_ui_with_layout(vec2(width, ROW), Layout::left_to_right(Align::Center), |ui| {
        // The difference view shows pixels' difference in the place of an overlay.
        let overlaid = view.comparison != Comparison::Difference || lanes < 2;
        ui.add_enabled_ui(overlaid, |ui| overlay_choice(ui, view));
        if width >= INLINE {
            ui.add_space(4.0);
            overlay_look(ui, view);
        } else {
            look_menu(ui, view);
        }
        if width >= ONE_ROW {
            comparison_choice(ui, view, lanes);
        }
    });
    if width < ONE_ROW {
        ui.allocate_ui_with_layout(vec2(width, ROW), Layout::left_to_right(Align::Center), |ui| {
            comparison_choice(ui, view, lanes);
        });
    }
}

fn overlay_choice(ui: &mut Ui, view: &mut ViewSettings) {
    let palette = theme::palette(ui.ctx());
    ui.label(secondary("Overlay", palette));
    let before = view.overlay;
    for &value in Overlay::VARIANTS {
        let text = overlay::label(value);
        let name = format!("Overlay {text}");
        centre::choice(ui, &mut view.overlay, value, text, &name, overlay::explanation(value));
    }
    if view.overlay != before {
        // A locked range belongs to its quantity.
        view.locked_range = None;
    }
}

fn overlay_look(ui: &mut Ui, view: &mut ViewSettings) {
    let opaque = view.comparison == Comparison::Difference;
    ui.add_enabled_ui(view.overlay != Overlay::Off && !opaque, |ui| {
        ui.spacing_mut().slider_width = 64.0;
        let response = ui.add(Slider::new(&mut view.opacity, 0.0..=1.0).show_value(false));
        let percent = format!("{:.0} %", view.opacity * 100.0);
        response
            .widget_info(|| WidgetInfo::slider(true, f64::from(view.opacity), "Overlay opacity"));
        response.on_hover_text(format!("Opacity of the overlay, now {percent}."));
    });
    colour_map_choice(ui, view);
}

fn look_menu(ui: &mut Ui, view: &mut ViewSettings) {
    let menu = ui.menu_button(ICON_TUNE.rich_text().size(16.0), |ui| overlay_look(ui, view));
    menu.response.widget_info(|| WidgetInfo::labeled(Role::Button, true, "Overlay look"));
    menu.response.on_hover_text("Opacity and colours of the overlay.");
}

fn colour_map_choice(ui: &mut Ui, view: &mut ViewSettings) {
    let name = |map: ColourMap| format!("{map:?}");
    let combo = ComboBox::from_id_salt("colour map").selected_text(name(view.colour_map));
    let response = combo.width(76.0).show_ui(ui, |ui| {
        for &map in ColourMap::VARIANTS {
            ui.selectable_value(&mut view.colour_map, map, name(map));
        }
    });
    let response = response.response.on_hover_text(
        "Colours of the overlay and of the pixel difference. All are perceptually uniform and can be told apart with colour blindness.",
    );
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Colour map"));
}

fn comparison_choice(ui: &mut Ui, view: &mut ViewSettings, lanes: usize) {
    let palette = theme::palette(ui.ctx());
    ui.add_space(8.0);
    ui.add_enabled_ui(lanes >= 2, |ui| {
        ui.label(secondary("Compare", palette));
        let combo = ComboBox::from_id_salt("comparison").width(92.0);
        let response = combo.selected_text(comparison::label(view.comparison)).show_ui(ui, |ui| {
            for &value in Comparison::VARIANTS {
                let text = comparison::label(value);
                ui.selectable_value(&mut view.comparison, value, text)
                    .on_hover_text(comparison::explanation(value));
            }
        });
        let response = response.response.on_hover_text(comparison::explanation(view.comparison));
        response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Comparison"));
    });
    icon_toggle(
        ui,
        ICON_BLUR_ON,
        &mut view.smooth,
        "Smooth",
        "Smooths the images when they are shown larger than twice their size; otherwise each pixel stays a square.",
    );
    let fit = icon_button(
        ui,
        ICON_FIT_SCREEN,
        "Fit images",
        "Shows the whole images again. The wheel zooms at the pointer, dragging moves, a double click fits.",
    );
    if fit.clicked() {
        (view.zoom, view.centre) = (1.0, (0.5, 0.5));
    }
}

/// The colour bar with the overlay's range, or of the pixel difference where `range` is `None`.
pub fn colour_bar(ui: &mut Ui, view: &mut ViewSettings, range: Option<(f32, f32)>) {
    let palette = theme::palette(ui.ctx());
    ui.spacing_mut().item_spacing = vec2(2.0, 4.0);
    let (title, unit) = match range {
        Some(_) => overlay::title_and_unit(view.overlay),
        None => ("difference", "of 255"),
    };
    ui.label(egui::RichText::new(title).small()).on_hover_text(match range {
        Some(_) => overlay::explanation(view.overlay),
        None => "Mean absolute difference of red, green and blue.",
    });
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
        let icon = if locked { ICON_LOCK } else { ICON_LOCK_OPEN };
        let changed = icon_toggle(
            ui,
            icon,
            &mut locked,
            "Lock range",
            "Keeps the range of the colours, so that runs can be compared; otherwise it fits the run.",
        );
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
