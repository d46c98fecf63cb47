//! Text around controls: messages under fields, titles of groups, less important text, cards.

use crate::ui::kit::fonts;
use crate::ui::theme::{CORNER, Palette, palette};
use egui::{Align, Color32, Layout, RichText, Ui};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::ICON_WARNING;

/// The message under a field, where there is one.
pub fn field_message(ui: &mut Ui, message: Option<&str>) {
    let Some(message) = message else { return };
    let colour = palette(ui.ctx()).error;
    message_line(ui, ICON_WARNING, colour, message);
}

/// A line with an icon in a colour; wraps.
pub fn message_line(ui: &mut Ui, icon: MaterialIcon, colour: Color32, message: &str) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        ui.label(icon.rich_text().size(14.0).color(colour));
        ui.add(egui::Label::new(RichText::new(message).small().color(colour)).wrap());
    });
}

/// A group's name with room above it, and whatever stands at the right end of its line.
pub fn group_title(ui: &mut Ui, name: &str, right: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.label(fonts::group(name));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            right(ui);
        });
    });
}

/// A surface that stands out from the panel.
pub fn card(ui: &Ui) -> egui::Frame {
    let colours = palette(ui.ctx());
    egui::Frame::new().fill(colours.raised).corner_radius(CORNER).inner_margin(8)
}

/// Less important text.
pub fn secondary(text: impl Into<String>, palette: &Palette) -> RichText {
    RichText::new(text).color(palette.secondary).small()
}
