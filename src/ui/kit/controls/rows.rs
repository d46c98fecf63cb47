//! Rows of a panel: a slider with its number and reset, a choice from a list.

use crate::ui::kit::controls::buttons::reset_button;
use crate::ui::kit::controls::hint::Hint;
use crate::ui::kit::controls::number::{NumberField, Shown};
use crate::ui::kit::token_text;
use crate::ui::theme::{CONTROL_HEIGHT, palette};
use egui::{
    Align, ComboBox, CornerRadius, Layout, Response, Slider, SliderClamping, Stroke, Ui, vec2,
};
use std::ops::RangeInclusive;

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
    /// Reads what is typed into the number; what is wrong with it, and what would be right.
    pub read: &'a dyn Fn(&str) -> Result<f32, String>,
}

impl SliderRow<'_> {
    /// Shows the row, and under it what is wrong with what is typed.
    pub fn show(self, ui: &mut Ui, value: &mut f32) {
        let number = if self.one_line {
            ui.horizontal(|ui| {
                self.hint.on(name_cell(ui, self.name));
                // Right to left: the number stands at the end, the slider takes what is left.
                let right = Layout::right_to_left(Align::Center);
                ui.with_layout(right, |ui| {
                    let number = self.number(ui, value);
                    let width = ui.available_width();
                    self.slider(ui, value, width);
                    number
                })
                .inner
            })
            .inner
        } else {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                let number = ui.horizontal(|ui| {
                    self.hint.on(ui.label(self.name));
                    let right = Layout::right_to_left(Align::Center);
                    ui.with_layout(right, |ui| self.number(ui, value)).inner
                });
                let width = ui.available_width();
                self.slider(ui, value, width);
                number.inner
            })
            .inner
        };
        number.message(ui);
    }

    /// The number and, before it, its reset; for a layout from right to left.
    fn number(&self, ui: &mut Ui, value: &mut f32) -> Shown {
        ui.spacing_mut().item_spacing.x = 4.0;
        let span = f64::from(self.range.end() - self.range.start());
        let number = NumberField {
            name: &format!("{} value", self.name),
            hint: self.hint,
            read: self.read,
            write: &|value| shortest(f64::from(value), self.decimals),
            suffix: "",
            range: f32::MIN..=f32::MAX,
            speed: span / 400.0,
            width: NUMBER_WIDTH,
        };
        let shown = number.show(ui, value);
        if reset_button(ui, *value != self.default, self.name) {
            *value = self.default;
        }
        shown
    }

    fn slider(&self, ui: &mut Ui, value: &mut f32, width: f32) {
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
        self.hint.on(response.accessible_name(self.name));
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

/// A choice of several options in one line: name, list, reset to `usual`.
pub fn choice<'a, T: Copy + PartialEq>(
    ui: &mut Ui,
    name: &str,
    hint: Hint,
    value: &mut T,
    usual: T,
    options: impl Iterator<Item = (T, &'a str)> + Clone,
) -> Response {
    let label = options.clone().find(|(one, _)| one == value).map_or("", |(_, label)| label);
    ui.horizontal(|ui| {
        let named = hint.on(name_cell(ui, name));
        ui.spacing_mut().item_spacing.x = 4.0;
        // The reset keeps its room; a label that is too long for the rest is cut.
        let width = ui.available_width() - 24.0;
        let response = ui
            .scope(|ui| {
                ui.set_max_width(width);
                let combo =
                    ComboBox::from_id_salt(name).selected_text(label).width(width).truncate();
                let combo = combo.show_ui(ui, |ui| {
                    for (one, label) in options {
                        ui.selectable_value(value, one, label);
                    }
                });
                combo.response
            })
            .inner;
        let response = hint.on(response.labelled_by(named.id));
        if reset_button(ui, *value != usual, name) {
            *value = usual;
        }
        response
    })
    .inner
}

/// A number with at least `decimals` digits after the point, and up to three where it has them; with a power
/// of ten where it would be longer than a field.
fn shortest(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e5 {
        return token_text::number(Some(value as f32), decimals);
    }
    (decimals..3)
        .map(|digits| format!("{value:.digits$}"))
        .find(|text| text.parse().is_ok_and(|shown: f64| (shown - value).abs() < 5e-5))
        .unwrap_or_else(|| format!("{value:.3}"))
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
        assert_eq!(shown(1e30, 1), "1.0e30");
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
                        read: &|text| text.parse().map_err(|_| "not a number".to_owned()),
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
        let mut value = 0;
        for _ in 0..3 {
            let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
                ui.set_max_width(228.0);
                let options =
                    (0..5).map(|one| (one, "A name that is much longer than the panel is wide"));
                choice(ui, "Confidence", Hint::new("A choice.", ""), &mut value, 0, options);
                assert!(ui.min_rect().width() <= 228.0, "{}", ui.min_rect().width());
            });
            output.textures_delta.clear();
        }
    }
}
