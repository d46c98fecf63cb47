//! The row under the images: what lies over them, its opacity and colours, how lanes are compared.

use crate::ui::commands::table;
use crate::ui::kit::controls::{Hint, icon_button, icon_toggle, secondary, segment};
use crate::ui::lanes::overlay;
use crate::ui::state::view::{ColourMap, Comparison, Overlay, ViewSettings};
use crate::ui::theme;
use egui::{Align, ComboBox, Layout, Role, Slider, Ui, WidgetInfo, vec2};
use egui_material_icons::icons::{ICON_BLUR_ON, ICON_FIT_SCREEN, ICON_TUNE};
use strum::VariantArray;

const SMOOTH: Hint = Hint::new(
    "Smooths the images when they are shown larger than twice their size; otherwise each pixel stays a square.",
    "",
);
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

/// The controls of `lanes` lanes.
pub fn show(ui: &mut Ui, view: &mut ViewSettings, lanes: usize) {
    let width = ui.available_width();
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
    let mut chosen = view.overlay;
    for &value in Overlay::VARIANTS {
        let text = value.label();
        let name = format!("Overlay {text}");
        segment(ui, &mut chosen, value, text, &name, overlay::hint(value));
    }
    view.set_overlay(chosen);
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
        let response = combo.selected_text(view.comparison.label()).show_ui(ui, |ui| {
            for &value in Comparison::VARIANTS {
                let text = value.label();
                ui.selectable_value(&mut view.comparison, value, text).on_hover_text(value.does());
            }
        });
        let response = response.response.on_hover_text(view.comparison.does());
        response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Comparison"));
    });
    icon_toggle(ui, &mut view.smooth, (ICON_BLUR_ON, ICON_BLUR_ON), "Smooth", SMOOTH);
    if icon_button(ui, ICON_FIT_SCREEN, table::FIT_IMAGES.label, table::FIT_IMAGES.hint()).clicked()
    {
        view.fit_images();
    }
}
