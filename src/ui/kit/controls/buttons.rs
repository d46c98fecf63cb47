//! Buttons: an icon, an icon that is on or off, one of several words, a reset. All are
//! [`CONTROL_HEIGHT`] high, and flat until the pointer is on them or they are on.

use crate::ui::kit::controls::hint::Hint;
use crate::ui::theme::{CONTROL_HEIGHT, palette};
use egui::accesskit::Role;
use egui::{Button, Response, Sense, Ui, Widget, WidgetInfo, vec2};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::ICON_RESTART_ALT;

/// A button that is only an icon; `name` is read by screen readers.
pub fn icon_button(ui: &mut Ui, icon: MaterialIcon, name: &str, hint: Hint) -> Response {
    let button = Button::new(icon.rich_text().size(17.0))
        .frame_when_inactive(false)
        .min_size(vec2(CONTROL_HEIGHT, CONTROL_HEIGHT));
    hint.on(narrow(ui, |ui| button.ui(ui)).accessible_name(name))
}

/// An icon that is on or off; `icons` are those of on and off.
pub fn icon_toggle(
    ui: &mut Ui,
    on: &mut bool,
    icons: (MaterialIcon, MaterialIcon),
    name: &str,
    hint: Hint,
) -> Response {
    let icon = if *on { icons.0 } else { icons.1 };
    let button = Button::new(icon.rich_text().size(17.0))
        .selected(*on)
        .frame_when_inactive(*on)
        .min_size(vec2(CONTROL_HEIGHT, CONTROL_HEIGHT));
    let mut response = narrow(ui, |ui| button.ui(ui));
    if response.clicked() {
        *on = !*on;
        response.mark_changed();
    }
    let (now, enabled) = (*on, ui.is_enabled());
    response.widget_info(|| WidgetInfo::selected(Role::Switch, enabled, now, name));
    hint.on(response)
}

fn narrow<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let padding = std::mem::replace(&mut ui.spacing_mut().button_padding, vec2(4.0, 4.0));
    let inner = add(ui);
    ui.spacing_mut().button_padding = padding;
    inner
}

/// One of several words of which one is chosen, for a row of them.
pub fn segment<T: PartialEq>(
    ui: &mut Ui,
    current: &mut T,
    value: T,
    text: &str,
    name: &str,
    hint: Hint,
) -> Response {
    let selected = *current == value;
    let button = Button::selectable(selected, text).min_size(vec2(0.0, CONTROL_HEIGHT));
    let mut response = ui.add(button);
    if response.clicked() && !selected {
        *current = value;
        response.mark_changed();
    }
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, enabled, selected, name));
    hint.on(response)
}

/// Puts a value back to the model's; takes its room also where there is nothing to put back, so
/// that nothing moves. Returns whether it was pressed.
pub fn reset_button(ui: &mut Ui, changed: bool, name: &str) -> bool {
    let size = vec2(20.0, CONTROL_HEIGHT);
    if !changed {
        ui.allocate_exact_size(size, Sense::hover());
        return false;
    }
    let colour = palette(ui.ctx()).secondary;
    let button = Button::new(ICON_RESTART_ALT.rich_text().size(15.0).color(colour))
        .frame_when_inactive(false)
        .min_size(size);
    let padding = std::mem::replace(&mut ui.spacing_mut().button_padding, vec2(2.0, 2.0));
    let response = button.ui(ui);
    ui.spacing_mut().button_padding = padding;
    response
        .on_hover_text(format!("Puts {name} back to the model's default."))
        .accessible_name(format!("Reset {name}"))
        .clicked()
}
