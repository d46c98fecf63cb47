//! The lanes' images: all at one zoom and pan, as large as they can be, with the heat map over
//! them. Hovering a token puts it in focus everywhere, a click pins it.

use crate::compute::layout::TokenLayout;
use crate::engine::trace::RunId;
use crate::ui::action::Action;
use crate::ui::kit::lane::LaneName;
use crate::ui::lanes::colour_bar::Place;
use crate::ui::lanes::comparison::{CellContent, Pair};
use crate::ui::lanes::geometry::LaneGeometry;
use crate::ui::lanes::stage::{Pictures, Stage};
use crate::ui::lanes::{colour_bar, comparison, controls, geometry, header, stage, viewport};
use crate::ui::state::run_view::RunView;
use crate::ui::state::shared::Shared;
use crate::ui::state::view::{ColourMap, Overlay};
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{Align2, Color32, FontId, Pos2, Rect, Ui, UiBuilder, Vec2, pos2, vec2};

/// Height of the line above each image.
const HEADER: f32 = 28.0;
/// Between images.
const GAP: f32 = 12.0;
/// Width of the colour bar with its numbers.
const COLOUR_BAR: f32 = 76.0;

/// Height of the colour bar in a row.
const COLOUR_BAR_ROW: f32 = 34.0;

/// What the lanes keep between frames.
#[derive(Default)]
pub struct LanesPanel {
    pictures: Pictures,
    /// Which two lanes wipe, flip and difference compare.
    pair: Pair,
    /// The preview asked for last, per lane, so that each is asked for once.
    previews_asked: Vec<(RunId, usize)>,
}

/// What the lanes read.
pub struct LanesInput<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Names of its lanes, or of those a run would have.
    pub names: &'a [LaneName],
    /// The model's layout, shown while there is no run.
    pub layout: Option<&'a TokenLayout>,
    /// Words over the images while there is no run.
    pub invitation: &'a str,
}

impl LanesPanel {
    /// The images and the row of controls under them.
    pub fn show(&mut self, ui: &mut Ui, input: &LanesInput, shared: &mut Shared) -> Vec<Action> {
        let mut actions = Vec::new();
        let area = ui.available_rect_before_wrap();
        let height = controls::height(area.width());
        let split = (area.bottom() - height).max(area.top());
        let images = Rect::from_min_max(area.min, pos2(area.right(), split));
        self.show_images(ui, input, shared, images, &mut actions);
        let below = Rect::from_min_max(pos2(area.left(), split), area.max);
        let mut child = ui.new_child(UiBuilder::new().max_rect(below));
        controls::show(&mut child, &mut shared.view, input.names.len());
        ui.advance_cursor_after_rect(area);
        actions
    }

    /// Colour of the overlay over a lane's token, as it is shown now.
    pub fn overlay_colour(&self, lane: usize, step: usize, map: ColourMap) -> Option<Color32> {
        self.pictures.overlay.colour(lane, step, map)
    }

    fn show_images(
        &mut self,
        ui: &mut Ui,
        input: &LanesInput,
        shared: &mut Shared,
        area: Rect,
        actions: &mut Vec<Action>,
    ) {
        let palette = theme::palette(ui.ctx());
        let LanesInput { run, names, layout, invitation } = *input;
        let fallback = TokenLayout::raster(16, 16);
        let layout = run.map(|run| &run.record.layout).or(layout).unwrap_or(&fallback);
        let flipped = ui.input(|input| input.modifiers.alt);
        let contents = comparison::cells(shared.view.comparison, self.pair, names.len(), flipped);
        if contents.is_empty() {
            return;
        }
        // Its place is kept before there is a run, so that images do not jump when one begins.
        let with_bar = shared.view.overlay != Overlay::Off
            || matches!(contents[..], [CellContent::Difference(_)]);
        let units = geometry::content_size(layout);
        let (image_area, viewports, place) = arrange(area, with_bar, contents.len(), units);

        let Shared { cursor, focus, view, lane: chosen_lane, .. } = shared;
        let shown = run.map_or(0, |run| cursor.steps_shown(run));
        let mut stage = Stage {
            run,
            layout,
            shown,
            marks: stage::marks(run, cursor, focus.focus()),
            divergences: stage::divergences(run, shown),
            palette,
            pixels: vec![None; names.len()],
            heat: vec![None; names.len()],
            difference: None,
            names,
        };
        if let (Some(run), Some(viewport)) = (run, viewports.first()) {
            let token = LaneGeometry::new(layout, *viewport, view.zoom, view.centre).token;
            stage::upload(ui, run, &mut stage, &mut self.pictures, view, &contents, token);
            let asked = &mut self.previews_asked;
            stage::request_previews(run, cursor, &stage, &contents, asked, actions);
        }

        let mut gestures = Vec::new();
        for (index, (content, viewport)) in contents.iter().zip(&viewports).enumerate() {
            let above = Rect::from_min_max(
                pos2(viewport.left(), viewport.top() - HEADER),
                pos2(viewport.right(), viewport.top()),
            );
            let mut above =
                ui.new_child(UiBuilder::new().max_rect(above).id_salt(("header", index)));
            let with_overlay = view.overlay != Overlay::Off;
            let header = header::Header { run, names, shown, with_overlay };
            header::show(&mut above, &header, *content, &mut self.pair, actions);
            let values = &self.pictures.overlay;
            gestures.push(viewport::show(ui, &stage, *content, *viewport, view, values));
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
                    *chosen_lane = lane;
                }
            }
            gesture.move_view(view);
        }
        let images = viewports.iter().copied().reduce(|a, b| a.union(b)).filter(|_| with_bar);
        if let Some(images) = images {
            let bar_area = match place {
                Place::Beside => Rect::from_min_max(
                    pos2(images.right() + GAP, images.top()),
                    pos2(
                        images.right() + GAP + COLOUR_BAR - 8.0,
                        area.bottom().min(images.top() + 260.0),
                    ),
                ),
                Place::Below => Rect::from_min_max(
                    pos2(images.left(), images.bottom() + 4.0),
                    pos2(images.right(), images.bottom() + COLOUR_BAR_ROW),
                ),
            };
            let mut child = ui.new_child(UiBuilder::new().max_rect(bar_area).id_salt("colour bar"));
            let range = match contents[..] {
                [CellContent::Difference(_)] => None,
                _ => Some(self.pictures.overlay.range()),
            };
            colour_bar::show(&mut child, view, range, place);
        }
    }
}

/// The room for `count` images of a shape, their places in it, and that of the colour bar: where it leaves
/// the images larger.
fn arrange(area: Rect, with_bar: bool, count: usize, units: Vec2) -> (Rect, Vec<Rect>, Place) {
    let without = |taken: Vec2| {
        let room = Rect::from_min_max(area.min, area.max - taken).shrink(2.0);
        (room, geometry::viewports(room, count, units, HEADER, GAP))
    };
    let (taken_beside, taken_below) = match with_bar {
        true => (vec2(COLOUR_BAR, 0.0), vec2(0.0, COLOUR_BAR_ROW)),
        false => (Vec2::ZERO, Vec2::ZERO),
    };
    let (beside, below) = (without(taken_beside), without(taken_below));
    let width = |(_, viewports): &(Rect, Vec<Rect>)| viewports.first().map_or(0.0, Rect::width);
    if width(&below) > 1.02 * width(&beside) {
        (below.0, below.1, Place::Below)
    } else {
        (beside.0, beside.1, Place::Beside)
    }
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
