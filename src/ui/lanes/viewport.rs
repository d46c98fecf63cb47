//! One viewport: a lane, or two lanes compared in one place, with what the pointer does there.

use crate::ui::kit::lane::{LaneName, lane_dot};
use crate::ui::kit::token_text;
use crate::ui::lanes::comparison::{CellContent, Pair};
use crate::ui::lanes::geometry::LaneGeometry;
use crate::ui::lanes::overlay;
use crate::ui::lanes::overlay::OverlayCache;
use crate::ui::lanes::paint;
use crate::ui::lanes::paint::{HeatMap, LaneLook};
use crate::ui::lanes::stage::Stage;
use crate::ui::state::run_view::tokens_differ;
use crate::ui::state::view::{Overlay, ViewSettings};
use crate::ui::theme::Palette;
use egui::{
    CursorIcon, PopupAnchor, Rect, Response, Role, Sense, Stroke, Tooltip, Ui, WidgetInfo, pos2,
    vec2,
};

/// Points of scrolling that zoom by a factor of e.
const SCROLL_PER_E: f32 = 240.0;

/// What the pointer did in one viewport.
#[derive(Default)]
pub struct Gesture {
    /// Step and lane of the token under the pointer.
    pub hovered: Option<(usize, usize)>,
    /// The step that was clicked.
    pub clicked: Option<usize>,
    zoom: Option<(f32, (f32, f32))>,
    centre: Option<(f32, f32)>,
    wipe: Option<f32>,
    fit: bool,
}

impl Gesture {
    /// Zooms, pans, and moves the wipe line.
    pub fn move_view(&self, view: &mut ViewSettings) {
        if let Some((zoom, at)) = self.zoom {
            (view.zoom, view.centre) = (zoom, at);
        }
        view.centre = self.centre.unwrap_or(view.centre);
        view.wipe = self.wipe.unwrap_or(view.wipe);
        if self.fit {
            view.fit_images();
        }
    }
}

/// Paints one viewport, and says what the pointer did in it.
pub fn show(
    ui: &mut Ui,
    stage: &Stage,
    content: CellContent,
    viewport: Rect,
    view: &ViewSettings,
    values: &OverlayCache,
) -> Gesture {
    let geometry = LaneGeometry::new(stage.layout, viewport, view.zoom, view.centre);
    let painter = ui.painter_at(viewport);
    let look = |lane: usize| LaneLook {
        lane,
        layout: stage.layout,
        shown: stage.shown,
        pixels: stage.pixels.get(lane).copied().flatten(),
        heat: stage.heat.get(lane).copied().flatten().map(|texture| HeatMap {
            texture,
            opacity: view.opacity,
            values,
            map: view.colour_map,
        }),
    };
    let wipe_x = viewport.left() + view.wipe.clamp(0.0, 1.0) * viewport.width();
    match content {
        CellContent::Lane(lane) | CellContent::Flip { front: lane, .. } => {
            paint::paint(&painter, &geometry, &look(lane), stage.palette);
        }
        CellContent::Wipe(pair) => {
            let (left, right) = viewport.split_left_right_at_x(wipe_x);
            for (lane, side) in [(pair.a, left), (pair.b, right)] {
                let mut geometry =
                    LaneGeometry::new(stage.layout, viewport, view.zoom, view.centre);
                geometry.viewport = side;
                paint::paint(&painter, &geometry, &look(lane), stage.palette);
            }
        }
        CellContent::Difference(pair) => {
            paint_difference(&painter, &geometry, stage, pair, look(pair.a))
        }
    }
    let divergences = stage.divergences_in(content);
    paint::paint_marks(&painter, &geometry, stage.marks, &divergences, stage.palette);

    let id = ui.scope_id().with(("lane image", accessible_name(content, stage.names)));
    let response = ui.interact(viewport, id, Sense::click_and_drag());
    let mut gesture = gestures_of(ui, &response, &geometry, view);
    if let (CellContent::Wipe(_), Some(_)) = (content, stage.run) {
        gesture.wipe = wipe_line(ui, viewport, wipe_x, stage.palette, &mut gesture);
    }
    let pointer = response.hover_pos();
    let step = pointer
        .and_then(|pointer| geometry.step_at(pointer))
        .filter(|&step| stage.run.is_some_and(|run| step < run.steps_done()));
    if let (Some(step), Some(pointer)) = (step, pointer) {
        let lane = content.lane_at(pointer.x < wipe_x);
        gesture.hovered = Some((step, lane));
        gesture.clicked = response.clicked().then_some(step);
        token_tooltip(ui, &response, stage, lane, step, view.overlay, values);
    }
    name_image(ui, &response, content, stage);
    gesture
}

fn gestures_of(
    ui: &Ui,
    response: &Response,
    geometry: &LaneGeometry,
    view: &ViewSettings,
) -> Gesture {
    let mut gesture = Gesture { fit: response.double_clicked(), ..Gesture::default() };
    if response.dragged() && view.zoom > 1.0 {
        gesture.centre = Some(geometry.panned(view.centre, response.drag_delta()));
        ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
    }
    if let Some(pointer) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta.y, input.zoom_delta()));
        let factor = pinch * (scroll / SCROLL_PER_E).exp();
        if factor != 1.0 && factor.is_finite() {
            gesture.zoom = Some(geometry.zoomed_at(pointer, view.zoom, factor));
        }
    }
    gesture
}

/// The line between two lanes in one place; drags along with the pointer.
fn wipe_line(
    ui: &Ui,
    viewport: Rect,
    x: f32,
    palette: &Palette,
    gesture: &mut Gesture,
) -> Option<f32> {
    let grip = Rect::from_x_y_ranges(x - 7.0..=x + 7.0, viewport.y_range());
    let response = ui
        .interact(grip, ui.scope_id().with("wipe line"), Sense::drag())
        .on_hover_and_drag_cursor(CursorIcon::ResizeHorizontal);
    let fraction = (x - viewport.left()) / viewport.width().max(1.0);
    response.widget_info(|| WidgetInfo::slider(true, f64::from(fraction), "Wipe line"));
    let painter = ui.painter_at(viewport);
    painter.vline(x, viewport.y_range(), Stroke::new(4.0, palette.mark_shadow()));
    painter.vline(x, viewport.y_range(), Stroke::new(2.0, palette.mark()));
    let knob = pos2(x, viewport.center().y);
    painter.circle(knob, 11.0, palette.mark_shadow(), Stroke::new(2.0, palette.mark()));
    for side in [-1.0, 1.0] {
        let tip = knob + vec2(7.0 * side, 0.0);
        let back = vec2(-3.5 * side, 0.0);
        let stroke = Stroke::new(1.5, palette.mark());
        painter.line_segment([tip, tip + back + vec2(0.0, -3.5)], stroke);
        painter.line_segment([tip, tip + back + vec2(0.0, 3.5)], stroke);
    }
    if !response.dragged() {
        return None;
    }
    gesture.centre = None;
    let pointer = response.interact_pointer_pos()?;
    Some(((pointer.x - viewport.left()) / viewport.width().max(1.0)).clamp(0.0, 1.0))
}

fn paint_difference(
    painter: &egui::Painter,
    geometry: &LaneGeometry,
    stage: &Stage,
    pair: Pair,
    look: LaneLook,
) {
    let held = |lane: usize| stage.pixels.get(lane).copied().flatten().map_or(0, |(held, _)| held);
    let held = held(pair.a).min(held(pair.b));
    let pixels = stage.difference.map(|texture| (held, texture));
    let look = LaneLook { pixels, heat: None, ..look };
    paint::paint(painter, geometry, &look, stage.palette);
    if let Some(run) = stage.run
        && let (Some(a), Some(b)) = (run.lanes.get(pair.a), run.lanes.get(pair.b))
    {
        let differing = (0..stage.shown).filter(|&step| tokens_differ(a, b, step));
        paint::paint_outlines(painter, geometry, differing, stage.palette);
    }
}

fn token_tooltip(
    ui: &Ui,
    response: &Response,
    stage: &Stage,
    lane: usize,
    step: usize,
    overlay: Overlay,
    values: &OverlayCache,
) {
    let record = stage.run.and_then(|run| run.lanes.get(lane)?.records.get(step));
    let (Some(record), Some(name)) = (record, stage.names.get(lane)) else { return };
    let (layer, anchor) = (response.layer_id, PopupAnchor::Pointer);
    Tooltip::always_open(ui.ctx().clone(), layer, response.id, anchor).gap(18.0).show(|ui| {
        ui.set_max_width(240.0);
        ui.label(token_text::token_name(stage.layout, step));
        ui.horizontal(|ui| {
            lane_dot(ui, name.colour);
            ui.monospace(format!("code {}", record.token));
        });
        if record.forced {
            ui.label("forced by position");
        } else if overlay != Overlay::Off {
            let decimals = overlay::decimals(overlay, values.range());
            let value = token_text::number(values.value(lane, step), decimals);
            ui.monospace(format!("{} {value}", overlay.label()));
        }
    });
}

/// "CFG image"
fn accessible_name(content: CellContent, names: &[LaneName]) -> String {
    let name = |lane: usize| names.get(lane).map_or("lane", |name| name.label);
    match content {
        CellContent::Lane(lane) | CellContent::Flip { front: lane, .. } => {
            format!("{} image", name(lane))
        }
        CellContent::Wipe(pair) => format!("{} and {} images", name(pair.a), name(pair.b)),
        CellContent::Difference(pair) => {
            format!("difference of {} and {}", name(pair.a), name(pair.b))
        }
    }
}

fn name_image(ui: &Ui, response: &Response, content: CellContent, stage: &Stage) {
    let name = accessible_name(content, stage.names);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let described = match stage.marks.focus {
        Some(step) => token_text::token_name(stage.layout, step),
        None => format!("{} of {} tokens", stage.shown, stage.layout.len()),
    };
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_description(described));
}
