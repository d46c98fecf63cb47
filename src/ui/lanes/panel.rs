//! The lanes' images: all at one zoom and pan, as large as they can be, with the heat map over
//! them. Hovering a token puts it in focus everywhere, a click pins it.

use crate::compute::layout::TokenLayout;
use crate::ui::kit::token_text;
use crate::ui::lanes::comparison;
use crate::ui::lanes::comparison::{CellContent, Pair};
use crate::ui::lanes::geometry;
use crate::ui::lanes::geometry::LaneGeometry;
use crate::ui::lanes::header;
use crate::ui::lanes::paint;
use crate::ui::lanes::paint::{HeatMap, LaneLook};
use crate::ui::lanes::overlay;
use crate::ui::lanes::overlay::OverlayCache;
use crate::ui::lanes::controls;
use crate::ui::lanes::stage;
use crate::ui::lanes::stage::Stage;
use crate::ui::kit::lane;
use crate::ui::kit::lane::LaneName;
use crate::ui::app::state::State;
use crate::ui::state::view::{Overlay, ViewSettings};
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Align2, CursorIcon, FontId, PopupAnchor, Pos2, Rect, Response, Role, Sense, Stroke, Tooltip,
    Ui, UiBuilder, WidgetInfo, pos2, vec2,
};

/// Height of the line above each image.
const HEADER: f32 = 28.0;
/// Between images.
const GAP: f32 = 12.0;
/// Width of the colour bar with its numbers.
const COLOUR_BAR: f32 = 76.0;
/// Points of scrolling that zoom by a factor of e.
const SCROLL_PER_E: f32 = 240.0;

/// What the pointer did in one viewport.
#[derive(Default)]
struct Gesture {
    hovered: Option<(usize, usize)>,
    clicked: Option<usize>,
    zoom: Option<(f32, (f32, f32))>,
    centre: Option<(f32, f32)>,
    wipe: Option<f32>,
    fit: bool,
}

/// The images and the row of controls under them.
pub fn show(ui: &mut Ui, state: &mut State) {
    let area = ui.available_rect_before_wrap();
    let controls = controls::height(area.width());
    let split = (area.bottom() - controls).max(area.top());
    let images = Rect::from_min_max(area.min, pos2(area.right(), split));
    show_images(ui, state, images);
    let below = Rect::from_min_max(pos2(area.left(), split), area.max);
    let mut child = ui.new_child(UiBuilder::new().max_rect(below));
    controls::show(&mut child, state);
    ui.advance_cursor_after_rect(area);
}

fn show_images(ui: &mut Ui, state: &mut State, area: Rect) {
    let palette = theme::palette(ui.ctx());
    let card_layout = state.card().map(|card| card.layout.clone());
    let invitation = match (state.model_is_ready(), state.field_errors.is_empty()) {
        (false, _) => "Loading the model",
        (true, true) => "Press Ctrl+Enter to generate",
        (true, false) => "Correct what is marked to generate",
    };
    let State { runs, shown, settings, view, cursor, focus, actions, centre, .. } = state;
    let run = runs.iter().rev().find(|run| Some(run.record.id) == *shown);
    let fallback = card_layout.unwrap_or_else(|| TokenLayout::raster(16, 16));
    let layout = run.map_or(&fallback, |run| &run.record.layout);
    let names = match run {
        Some(run) => LaneName::of_run(run, palette),
        None => {
            let lanes = settings.lanes.iter();
            lanes.map(|&kind| LaneName::new(kind, settings.step_norm, palette)).collect()
        }
    };
    let flipped = ui.input(|input| input.modifiers.alt);
    let contents = comparison::cells(view.comparison, centre.pair, names.len(), flipped);
    if contents.is_empty() {
        return;
    }
    // Its place is kept before there is a run, so that images do not jump when one begins.
    let with_bar =
        view.overlay != Overlay::Off || matches!(contents[..], [CellContent::Difference(_)]);
    let bar = if with_bar { COLOUR_BAR } else { 0.0 };
    let image_area =
        Rect::from_min_max(area.min, pos2(area.right() - bar, area.bottom())).shrink(2.0);
    let units = geometry::content_size(layout);
    let viewports = geometry::viewports(image_area, contents.len(), units, HEADER, GAP);

    let shown_steps = run.map_or(0, |run| centre::steps_shown(run, cursor));
    let mut stage = Stage {
        run,
        layout,
        shown: shown_steps,
        marks: stage::marks(run, cursor, focus.focus()),
        divergences: stage::divergences(run, shown_steps),
        palette,
        pixels: vec![None; names.len()],
        heat: vec![None; names.len()],
        difference: None,
        names,
    };
    if let (Some(run), Some(viewport)) = (run, viewports.first()) {
        let token = LaneGeometry::new(layout, *viewport, view.zoom, view.centre).token;
        stage::upload(ui, run, &mut stage, centre, view, &contents, token);
        stage::request_previews(
            run,
            cursor,
            &stage,
            &contents,
            &mut centre.previews_asked,
            actions,
        );
    }

    let mut gestures = Vec::new();
    for (index, (content, viewport)) in contents.iter().zip(&viewports).enumerate() {
        let header = Rect::from_min_max(
            pos2(viewport.left(), viewport.top() - HEADER),
            pos2(viewport.right(), viewport.top()),
        );
        let mut header_ui =
            ui.new_child(UiBuilder::new().max_rect(header).id_salt(("header", index)));
        let header = header::Header {
            run,
            names: &stage.names,
            shown: stage.shown,
            with_overlay: view.overlay != Overlay::Off,
        };
        header::show(&mut header_ui, &header, *content, &mut centre.pair, actions);
        gestures.push(show_viewport(ui, &stage, *content, *viewport, view, &centre.overlay));
    }
    if run.is_none() {
        paint_invitation(ui, first_row(&viewports, image_area), palette, invitation);
        return;
    }
    for gesture in gestures {
        if let Some((step, lane)) = gesture.hovered {
            focus.hover(step, Some(lane));
        }
        if let Some(step) = gesture.clicked {
            focus.pinned = if focus.pinned == Some(step) { None } else { Some(step) };
            if let Some((_, lane)) = gesture.hovered {
                centre.inspector.lane = lane;
            }
        }
        if let Some((zoom, at)) = gesture.zoom {
            (view.zoom, view.centre) = (zoom, at);
        }
        view.centre = gesture.centre.unwrap_or(view.centre);
        view.wipe = gesture.wipe.unwrap_or(view.wipe);
        if gesture.fit {
            (view.zoom, view.centre) = (1.0, (0.5, 0.5));
        }
    }
    if with_bar && let Some(last) = viewports.iter().map(|rect| rect.right()).reduce(f32::max) {
        let top = viewports.first().map_or(area.top(), |rect| rect.top());
        let bar_area = Rect::from_min_max(
            pos2(last + GAP, top),
            pos2(last + GAP + COLOUR_BAR - 8.0, area.bottom().min(top + 260.0)),
        );
        let mut child = ui.new_child(UiBuilder::new().max_rect(bar_area).id_salt("colour bar"));
        let range = match contents[..] {
            [CellContent::Difference(_)] => None,
            _ => Some(centre.overlay.range()),
        };
        controls::colour_bar(&mut child, view, range);
    }
}

fn show_viewport(
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

    let id = ui.scope_id().with(("lane image", accessible_name(content, &stage.names)));
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
        let differing = (0..stage.shown).filter(|&step| centre::tokens_differ(a, b, step));
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
    let Some(record) = record else { return };
    let (layer, anchor) = (response.layer_id, PopupAnchor::Pointer);
    Tooltip::always_open(ui.ctx().clone(), layer, response.id, anchor).gap(18.0).show(|ui| {
        ui.set_max_width(240.0);
        ui.label(token_text::token_name(stage.layout, step));
        ui.horizontal(|ui| {
            centre::lane_dot(ui, stage.names[lane].colour);
            ui.monospace(format!("code {}", record.token));
        });
        if record.forced {
            ui.label("forced by position");
        } else if overlay != Overlay::Off {
            let decimals = overlay::decimals(overlay, values.range());
            let value = token_text::number(values.value(lane, step), decimals);
            ui.monospace(format!("{} {value}", overlay::label(overlay)));
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
    let name = accessible_name(content, &stage.names);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
    let told = match stage.marks.focus {
        Some(step) => token_text::token_name(stage.layout, step),
        None => format!("{} of {} tokens", stage.shown, stage.layout.len()),
    };
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_description(told));
}

/// The viewports of the first row: words in its middle cover no lane's name.
fn first_row(viewports: &[Rect], area: Rect) -> Rect {
    let top = viewports.iter().map(|rect| rect.top()).fold(f32::INFINITY, f32::min);
    let row = viewports.iter().filter(|rect| rect.top() - top < 1.0);
    row.copied().reduce(|a, b| a.union(b)).unwrap_or(area)
}

fn paint_invitation(ui: &Ui, area: Rect, palette: &Palette, text: &str) {
    let at: Pos2 = area.center();
    let galley = ui.painter().layout_no_wrap(text.into(), FontId::proportional(15.0), palette.text);
    let rect = Align2::CENTER_CENTER.anchor_size(at, galley.size());
    ui.painter().rect_filled(rect.expand2(vec2(16.0, 10.0)), 6.0, palette.panel);
    ui.painter().galley(rect.min, galley, palette.text);
}
