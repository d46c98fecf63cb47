//! A switch with its name.

use crate::ui::kit::controls::hint::Hint;
use crate::ui::theme::{CONTROL_HEIGHT, palette};
use egui::{Response, Sense, Stroke, Ui, WidgetInfo, vec2};

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
