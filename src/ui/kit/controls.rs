//! Controls that several panels share: a slider with its number and reset, a switch, icon buttons,
//! tooltips in two parts, messages under fields.

use crate::ui::kit::fonts;
use crate::ui::theme::{CONTROL_HEIGHT, CORNER, palette};
use egui::{
    Align, Button, Color32, ComboBox, CornerRadius, DragValue, Layout, Response, RichText, Sense,
    Slider, SliderClamping, Stroke, Ui, Widget, WidgetInfo, vec2,
};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_RESTART_ALT, ICON_WARNING};
use std::ops::RangeInclusive;
use strum::VariantArray;

/// A tooltip: what the control does, then the paper's term and equation.
#[derive(Debug, Clone, Copy)]
pub struct Hint {
    /// What it does, in one sentence.
    pub does: &'static str,
    /// The paper's term and equation; empty where there is none.
    pub term: &'static str,
}

impl Hint {
    /// A hint.
    pub const fn new(does: &'static str, term: &'static str) -> Self {
        Self { does, term }
    }

    /// Shows itself when the pointer rests on a control, and why the control is off if it is.
    pub fn on(self, response: Response) -> Response {
        let content = move |ui: &mut Ui| {
            ui.spacing_mut().item_spacing.y = 4.0;
            ui.label(self.does);
            if !self.term.is_empty() {
                ui.label(RichText::new(self.term).color(palette(ui.ctx()).secondary).small());
            }
        };
        response.on_hover_ui(content)
    }
}

/// A button that is only an icon; `name` is read by screen readers.
pub fn icon_button(ui: &mut Ui, icon: MaterialIcon, name: &str, hint: Hint) -> Response {
    let button = Button::new(icon.rich_text().size(17.0))
        .frame_when_inactive(false)
        .min_size(vec2(CONTROL_HEIGHT, CONTROL_HEIGHT));
    hint.on(narrow(ui, |ui| button.ui(ui)).accessible_name(name))
}

/// An icon that is on or off.
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
    response
        .widget_info(|| WidgetInfo::selected(egui::accesskit::Role::Switch, enabled, now, name));
    hint.on(response)
}

fn narrow<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let padding = std::mem::replace(&mut ui.spacing_mut().button_padding, vec2(4.0, 4.0));
    let inner = add(ui);
    ui.spacing_mut().button_padding = padding;
    inner
}

/// A switch with its name to the right of it.
pub fn switch(ui: &mut Ui, on: &mut bool, name: &str, hint: Hint) -> Response {
    let text = ui.painter().layout_no_wrap(
        name.to_owned(),
        egui::TextStyle::Body.resolve(ui.style()),
        palette(ui.ctx()).text,
    );
    let track = vec2(32.0, 18.0);
    let size = vec2(track.x + 8.0 + text.size().x, CONTROL_HEIGHT);
    let (rect, mut response) = ui.allocate_exact_size(size, Sense::click());
    if response.clicked() {
        *on = !*on;
        response.mark_changed();
    }
    let (now, enabled) = (*on, ui.is_enabled());
    response
        .widget_info(|| WidgetInfo::selected(egui::accesskit::Role::Switch, enabled, now, name));
    if ui.is_rect_visible(rect) {
        let colours = palette(ui.ctx());
        let place = ui.ctx().animate_bool_with_time(response.id, *on, 0.1);
        let track = egui::Rect::from_min_size(rect.left_center() - vec2(0.0, track.y / 2.0), track);
        let fill = colours.rail.lerp_to_gamma(colours.accent, place);
        let painter = ui.painter();
        painter.rect_filled(track, track.height() / 2.0, fill);
        let radius = track.height() / 2.0 - 3.0;
        let x = egui::lerp((track.left() + radius + 3.0)..=(track.right() - radius - 3.0), place);
        let knob = if *on { colours.on_accent } else { colours.text };
        painter.circle_filled(egui::pos2(x, track.center().y), radius, knob);
        if response.has_focus() {
            let stroke = Stroke::new(1.5, colours.accent);
            painter.rect_stroke(track.expand(2.0), 11.0, stroke, egui::StrokeKind::Outside);
        }
        let at = egui::pos2(track.right() + 8.0, rect.center().y - text.size().y / 2.0);
        painter.galley(at, text, colours.text);
    }
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

/// What a slider row shows.
pub struct SliderRow<'a> {
    /// Name above or beside the slider.
    pub name: &'a str,
    /// The tooltip.
    pub hint: Hint,
    /// What the slider covers; the number beside it may leave it.
    pub range: RangeInclusive<f32>,
    /// The model's value.
    pub default: f32,
    /// Digits after the point.
    pub decimals: usize,
    /// Name and slider in one line.
    pub one_line: bool,
}

impl SliderRow<'_> {
    /// Shows the row.
    pub fn show(self, ui: &mut Ui, value: &mut f32) -> Response {
        if self.one_line {
            ui.horizontal(|ui| {
                let label = self.hint.on(name_cell(ui, self.name));
                // Right to left: the number stands at the end, the slider takes what is left.
                let right = Layout::right_to_left(Align::Center);
                let rest = ui.with_layout(right, |ui| {
                    let number = self.number(ui, value);
                    let width = ui.available_width();
                    number | self.slider(ui, value, width)
                });
                label | rest.inner
            })
            .inner
        } else {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                let first = ui
                    .horizontal(|ui| {
                        let label = self.hint.on(ui.label(self.name));
                        let right = Layout::right_to_left(Align::Center);
                        let number = ui.with_layout(right, |ui| self.number(ui, value));
                        label | number.inner
                    })
                    .inner;
                let width = ui.available_width();
                first | self.slider(ui, value, width)
            })
            .inner
        }
    }

    /// The number and, before it, its reset; for a layout from right to left.
    fn number(&self, ui: &mut Ui, value: &mut f32) -> Response {
        ui.spacing_mut().item_spacing.x = 4.0;
        let span = f64::from(self.range.end() - self.range.start());
        let decimals = self.decimals;
        let number = DragValue::new(value)
            .speed(span / 400.0)
            .custom_formatter(move |value, _| shortest(value, decimals))
            .min_size(vec2(NUMBER_WIDTH, CONTROL_HEIGHT));
        let name = format!("{} value", self.name);
        let mut response = self.hint.on(ui.add(number).accessible_name(name));
        if reset_button(ui, *value != self.default, self.name) {
            *value = self.default;
            response.mark_changed();
        }
        response
    }

    fn slider(&self, ui: &mut Ui, value: &mut f32, width: f32) -> Response {
        let colours = palette(ui.ctx());
        let response = ui
            .scope(|ui| {
                ui.spacing_mut().slider_width = width;
                ui.spacing_mut().interact_size.y = SLIDER_HEIGHT;
                let visuals = ui.visuals_mut();
                visuals.selection.bg_fill = colours.accent;
                visuals.widgets.inactive.bg_fill = colours.rail;
                for widget in [
                    &mut visuals.widgets.inactive,
                    &mut visuals.widgets.hovered,
                    &mut visuals.widgets.active,
                ] {
                    widget.fg_stroke = Stroke::new(2.0, colours.accent);
                    widget.corner_radius = CornerRadius::same(2);
                }
                visuals.widgets.hovered.bg_fill = colours.text;
                visuals.widgets.active.bg_fill = colours.accent;
                let slider = Slider::new(value, self.range.clone())
                    .show_value(false)
                    .smart_aim(false)
                    .step_by(f64::from(10.0_f32.powi(-(self.decimals as i32))))
                    .clamping(SliderClamping::Edits);
                ui.add(slider)
            })
            .inner;
        self.hint.on(response.accessible_name(self.name))
    }
}

const NUMBER_WIDTH: f32 = 52.0;
/// Decides the size of the handle.
const SLIDER_HEIGHT: f32 = 20.0;

/// A name at the beginning of a row, as wide as all of them.
pub fn name_cell(ui: &mut Ui, name: &str) -> Response {
    let width = (ui.available_width() * 0.32).clamp(80.0, 120.0);
    let left = Layout::left_to_right(Align::Center);
    let cell = ui.allocate_ui_with_layout(vec2(width, CONTROL_HEIGHT), left, |ui| {
        ui.set_min_width(width);
        ui.add(egui::Label::new(name).truncate())
    });
    cell.inner
}

/// A choice of an enumeration in one line: name, list, reset.
pub fn choice<T>(
    ui: &mut Ui,
    name: &str,
    hint: Hint,
    value: &mut T,
    label: fn(T) -> &'static str,
) -> Response
where
    T: VariantArray + Copy + PartialEq + Default,
{
    ui.horizontal(|ui| {
        let named = hint.on(name_cell(ui, name));
        ui.spacing_mut().item_spacing.x = 4.0;
        // The reset keeps its room; a label that is too long for the rest is cut.
        let width = ui.available_width() - 24.0;
        let response = ui
            .scope(|ui| {
                ui.set_max_width(width);
                let combo = ComboBox::from_id_salt(name)
                    .selected_text(label(*value))
                    .width(width)
                    .truncate();
                let combo = combo.show_ui(ui, |ui| {
                    for one in T::VARIANTS {
                        ui.selectable_value(value, *one, label(*one));
                    }
                });
                combo.response
            })
            .inner;
        let response = hint.on(response.labelled_by(named.id));
        if reset_button(ui, *value != T::default(), name) {
            *value = T::default();
        }
        response
    })
    .inner
}

/// A number with at least `decimals` digits after the point, and up to three where it has them.
fn shortest(value: f64, decimals: usize) -> String {
    (decimals..3)
        .map(|digits| format!("{value:.digits$}"))
        .find(|text| text.parse().is_ok_and(|shown: f64| (shown - value).abs() < 5e-5))
        .unwrap_or_else(|| format!("{value:.3}"))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_show_what_they_are_and_no_more() {
        let shown = |value: f32, decimals| shortest(f64::from(value), decimals);
        assert_eq!(shown(4.0, 1), "4.0");
        assert_eq!(shown(1.4, 1), "1.4");
        assert_eq!(shown(2.25, 1), "2.25");
        assert_eq!(shown(0.333_33, 1), "0.333");
        assert_eq!(shown(1.0, 2), "1.00");
        assert_eq!(shown(f32::NAN, 1), "NaN");
    }

    #[test]
    fn rows_do_not_widen_what_holds_them() {
        for one_line in [true, false] {
            let mut value = 123.456;
            let ctx = egui::Context::default();
            let mut widths = Vec::new();
            for _ in 0..3 {
                let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
                    ui.set_max_width(228.0);
                    let hint = Hint::new("A number.", "");
                    let row = SliderRow {
                        name: "A long name of a number",
                        hint,
                        range: 0.0..=1.0,
                        default: 0.5,
                        decimals: 2,
                        one_line,
                    };
                    row.show(ui, &mut value);
                    widths.push(ui.min_rect().width());
                });
                output.textures_delta.clear();
            }
            assert!(widths.iter().all(|width| *width <= 228.0), "{widths:?}");
        }
    }

    #[test]
    fn a_long_choice_does_not_widen_the_panel() {
        let ctx = egui::Context::default();
        let mut value = crate::guidance::Confidence::default();
        for _ in 0..3 {
            let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
                ui.set_max_width(228.0);
                choice(
                    ui,
                    "Confidence",
                    Hint::new("A choice.", ""),
                    &mut value,
                    |_| "A name that is much longer than the panel is wide",
                );
                assert!(ui.min_rect().width() <= 228.0, "{}", ui.min_rect().width());
            });
            output.textures_delta.clear();
        }
    }
}
