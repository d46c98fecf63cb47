//! The bar of the step cursor: the rows of the image, the steps done and where lanes part are on it.

use crate::ui::kit::lane::{LaneName, lane_dot};
use crate::ui::kit::marks::{nested, nested_diamond};
use crate::ui::kit::token_text;
use crate::ui::state::cursor::{Cursor, Move};
use crate::ui::state::focus::Focus;
use crate::ui::state::run_view::RunView;
use crate::ui::theme::Palette;
use egui::{
    EventFilter, Id, PopupAnchor, Rect, Response, Sense, Stroke, Tooltip, Ui, WidgetInfo, pos2,
    vec2,
};

/// The bar's identity, for the keys that move the cursor.
pub fn id() -> Id {
    Id::unique("step cursor")
}

/// What the bar shows.
pub struct Bar<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Names of its lanes.
    pub names: &'a [LaneName],
    /// Colours.
    pub palette: &'a Palette,
}

impl Bar<'_> {
    /// Shows the bar, moves the cursor, and marks the token under the pointer.
    pub fn show(&self, ui: &mut Ui, cursor: &mut Cursor, focus: &mut Focus, width: f32) {
        let Self { run, palette, .. } = *self;
        let (_, rect) = ui.allocate_space(vec2(width, 30.0));
        let response = ui.interact(rect, id(), Sense::click_and_drag());
        let track = Rect::from_center_size(rect.center(), vec2(rect.width() - 16.0, 4.0));
        let (done, steps) = run.map_or((0, 0), |run| (run.steps_done(), run.steps()));
        if let Some(run) = run {
            interact(ui, &response, self, run, cursor, track, focus);
        }
        let shown = cursor.position.min(done);
        describe(ui, &response, shown, done);

        let painter = ui.painter_at(rect);
        painter.rect_filled(track, 2.0, palette.raised);
        let to = |position| {
            Rect::from_min_max(track.min, pos2(x_of(track, position, steps), track.max.y))
        };
        if steps > 0 {
            painter.rect_filled(to(done), 2.0, palette.secondary.gamma_multiply(0.55));
            painter.rect_filled(to(shown), 2.0, palette.accent);
        }
        let Some(run) = run else { return };
        row_ticks(&painter, run, track, palette);
        let mark = |step: usize| x_of(track, step, steps);
        if let Some(step) = focus.focus().filter(|&step| step < steps) {
            let x = 0.5 * (mark(step) + mark(step + 1));
            painter.vline(x, rect.y_range().shrink(5.0), Stroke::new(2.0, palette.text));
        }
        let knob = pos2(mark(shown), track.center().y);
        let border = Stroke::new(2.0, palette.panel);
        painter.circle(knob, 7.0, palette.accent, border);
        if response.has_focus() {
            painter.circle_stroke(knob, 10.0, Stroke::new(1.5, palette.accent));
        }
        let parted: Vec<_> =
            self.divergences(run).map(|(step, name)| (step, name.colour)).collect();
        // Closer than this they would hide one another.
        let within = (6.0 * steps as f32 / track.width().max(1.0)) as usize;
        for (step, nested, colour) in nested(&parted, within) {
            let at = pos2(mark(step), track.top() - 7.0);
            nested_diamond(&painter, at, 6.5, nested, colour, palette.panel);
        }
    }

    /// Where lanes part from the first one.
    fn divergences(&self, run: &RunView) -> impl Iterator<Item = (usize, LaneName)> {
        let lanes = run.divergences.iter().copied().zip(self.names.iter().copied());
        lanes.filter_map(|(step, name)| Some((step?, name)))
    }
}

/// Where a number of tokens lies on the bar.
fn x_of(track: Rect, position: usize, steps: usize) -> f32 {
    track.left() + track.width() * position as f32 / steps.max(1) as f32
}

/// The number of tokens nearest to a place on the bar.
fn position_at(track: Rect, x: f32, steps: usize) -> usize {
    let fraction = ((x - track.left()) / track.width().max(1.0)).clamp(0.0, 1.0);
    (fraction * steps as f32).round() as usize
}

fn interact(
    ui: &Ui,
    response: &Response,
    bar: &Bar,
    run: &RunView,
    cursor: &mut Cursor,
    track: Rect,
    focus: &mut Focus,
) {
    let (done, steps) = (run.steps_done(), run.steps());
    let requests = ui.input(|input| {
        use egui::accesskit::{Action, ActionData};
        let count = |action| input.num_accesskit_action_requests(response.id, action) as isize;
        let set = input.accesskit_action_requests(response.id, Action::SetValue);
        let value = set.filter_map(|request| match request.data {
            Some(ActionData::NumericValue(value)) => Some(value),
            _ => None,
        });
        (value.last(), count(Action::Increment) - count(Action::Decrement))
    });
    if let (Some(value), _) = requests {
        cursor.go_in(Move::To(value.max(0.0) as usize), run);
    } else if requests.1 != 0 {
        cursor.go_in(Move::By(requests.1), run);
    }
    if response.has_focus() {
        let arrows =
            EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.ctx().memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
    }
    if (response.dragged() || response.clicked())
        && let Some(pointer) = response.interact_pointer_pos()
    {
        cursor.go_in(Move::To(position_at(track, pointer.x, steps)), run);
    } else if let Some(pointer) = response.hover_pos()
        && let Some(step) = position_at(track, pointer.x, steps).checked_sub(1)
        && step < done
    {
        focus.hover(step, None);
    }
    let Some(pointer) = response.hover_pos() else { return };
    let layer = response.layer_id;
    let anchor = PopupAnchor::Position(pos2(pointer.x, track.top() - 12.0));
    let position = position_at(track, pointer.x, steps).min(done);
    let text = match position.checked_sub(1) {
        Some(step) => token_text::token_name(&run.record.layout, step),
        None => "Before the first token".into(),
    };
    let parted = bar.divergences(run).filter(|(step, _)| step + 1 == position);
    let parted: Vec<LaneName> = parted.map(|(_, name)| name).collect();
    let first = bar.names.first().map_or("the first lane", |name| name.label);
    let mut tooltip = Tooltip::always_open(ui.ctx().clone(), layer, response.id, anchor).gap(4.0);
    tooltip.popup = tooltip.popup.align(egui::RectAlign::TOP);
    tooltip.show(|ui| {
        ui.label(text);
        for name in parted {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                lane_dot(ui, name.colour);
                ui.label(format!("{} parts from {first} here.", name.label));
            });
        }
    });
}

fn describe(ui: &Ui, response: &Response, shown: usize, done: usize) {
    let value = shown as f64;
    response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), value, "Step cursor"));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        use egui::accesskit::Action;
        node.set_min_numeric_value(0.0);
        node.set_max_numeric_value(done as f64);
        node.set_numeric_value_step(1.0);
        node.add_action(Action::SetValue);
        node.add_action(Action::Increment);
        node.add_action(Action::Decrement);
        node.set_description("Tokens drawn. Drag, or use the arrow keys.");
    });
}

fn row_ticks(painter: &egui::Painter, run: &RunView, track: Rect, palette: &Palette) {
    let starts = run.record.layout.row_starts();
    let spacing = track.width() / starts.len().max(1) as f32;
    let every = (6.0 / spacing).ceil().max(1.0) as usize;
    let steps = run.steps();
    let stroke = Stroke::new(1.0, palette.secondary.gamma_multiply(0.6));
    for &start in starts.iter().step_by(every) {
        let from = track.bottom() + 3.0;
        painter.vline(x_of(track, start, steps), from..=from + 4.0, stroke);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_on_the_bar_and_back() {
        let track = Rect::from_min_size(pos2(20.0, 0.0), vec2(300.0, 4.0));
        for position in [0, 1, 103, 255, 256] {
            assert_eq!(position_at(track, x_of(track, position, 256), 256), position);
        }
        assert_eq!(position_at(track, -50.0, 256), 0);
        assert_eq!(position_at(track, 9000.0, 256), 256);
        assert_eq!(position_at(track, 50.0, 0), 0);
    }
}
