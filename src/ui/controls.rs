//! Controls that several panels share: a slider with its number and reset, a switch, icon buttons,
//! tooltips in two parts, messages under fields.

use crate::ui::fonts;
use crate::ui::theme::{CONTROL_HEIGHT, CORNER, palette};
use egui::{
    Align, Button, Color32, CornerRadius, DragValue, Layout, Response, RichText, Sense, Slider,
    SliderClamping, Stroke, Ui, Widget, WidgetInfo, vec2,
};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{ICON_RESTART_ALT, ICON_WARNING};
use std::ops::RangeInclusive;

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
                let width = ui.available_width();
                let label = ui.add_sized(
                    vec2((width * 0.32).max(72.0), CONTROL_HEIGHT),
                    egui::Label::new(self.name).halign(Align::LEFT).truncate(),
                );
                let label = self.hint.on(label);
                let rest = ui.available_width() - NUMBER_WIDTH - 20.0 - 16.0;
                let slider = self.slider(ui, value, rest.max(40.0));
                let number = self.number(ui, value);
                label | slider | number
            })
            .inner
        } else {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                let first = ui
                    .horizontal(|ui| {
                        let label = self.hint.on(ui.label(self.name));
                        let number = ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                            // Right to left: the reset stands outermost.
                            let reset = reset_button(ui, *value != self.default, self.name);
                            let mut number = self.drag_value(ui, value);
                            if reset {
                                *value = self.default;
                                number.mark_changed();
                            }
                            number
                        });
                        label | number.inner
                    })
                    .inner;
                let width = ui.available_width();
                first | self.slider(ui, value, width)
            })
            .inner
        }
    }

    fn number(&self, ui: &mut Ui, value: &mut f32) -> Response {
        let mut number = self.drag_value(ui, value);
        if reset_button(ui, *value != self.default, self.name) {
            *value = self.default;
            number.mark_changed();
        }
        number
    }

    fn drag_value(&self, ui: &mut Ui, value: &mut f32) -> Response {
        let span = f64::from(self.range.end() - self.range.start());
        let number = DragValue::new(value)
            .speed(span / 400.0)
            .min_decimals(self.decimals)
            .max_decimals(self.decimals.max(3))
            .min_size(vec2(NUMBER_WIDTH, CONTROL_HEIGHT));
        let name = format!("{} value", self.name);
        self.hint.on(ui.add(number).accessible_name(name))
    }

    fn slider(&self, ui: &mut Ui, value: &mut f32, width: f32) -> Response {
        let colours = palette(ui.ctx());
        let response = ui
            .scope(|ui| {
                ui.spacing_mut().slider_width = width;
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

const NUMBER_WIDTH: f32 = 48.0;

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
