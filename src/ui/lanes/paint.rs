//! Paints one lane: pixels, the hatched field of what is not drawn yet, the heat map, the tokens
//! that lie beside the image, and the marks of focus, progress and divergence.

use crate::compute::layout::{StepKind, TokenLayout};
use crate::ui::kit::marks::{nested, nested_diamond};
use crate::ui::kit::texture::whole_texture;
use crate::ui::lanes::geometry::{LaneGeometry, undrawn_cells};
use crate::ui::lanes::overlay::OverlayCache;
use crate::ui::state::view::ColourMap;
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{Color32, Painter, Rect, Stroke, StrokeKind, TextureId, pos2};

/// Distance of hatch lines in points.
const HATCH: f32 = 8.0;
/// Smallest token on which the grid is drawn.
const GRID_FROM: f32 = 5.0;

/// The heat map of a lane.
pub struct HeatMap<'a> {
    /// One texel a cell.
    pub texture: TextureId,
    /// Opacity, 0 to 1.
    pub opacity: f32,
    /// Values, for the tokens beside the image.
    pub values: &'a OverlayCache,
    /// Colours of the values.
    pub map: ColourMap,
}

/// What there is to paint of one lane.
pub struct LaneLook<'a> {
    /// Which lane.
    pub lane: usize,
    /// Which step draws which cell.
    pub layout: &'a TokenLayout,
    /// Tokens drawn at the cursor.
    pub shown: usize,
    /// Tokens that the pixels hold, and their texture.
    pub pixels: Option<(usize, TextureId)>,
    /// The overlay.
    pub heat: Option<HeatMap<'a>>,
}

/// Marks on the tokens, the same in every lane.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Marks {
    /// The token in focus.
    pub focus: Option<usize>,
    /// The token being drawn.
    pub drawing: Option<usize>,
}

/// Paints a lane's content; the painter's clip rectangle says how much of it is seen.
pub fn paint(painter: &Painter, geometry: &LaneGeometry, look: &LaneLook, palette: &Palette) {
    let painter = &painter.with_clip_rect(geometry.viewport);
    painter.rect_filled(geometry.image, 0.0, palette.undrawn());
    let mut drawn = 0;
    if let Some((held, texture)) = look.pixels {
        drawn = held.min(look.shown);
        painter.image(texture, geometry.image, whole_texture(), theme::UNTINTED);
    }
    for cells in undrawn_cells(look.layout, drawn) {
        let rect = on_screen(cells, geometry);
        paint_undrawn(painter, rect, geometry, palette);
    }
    if let Some(heat) = &look.heat {
        let tint = theme::opacity_tint(heat.opacity);
        painter.image(heat.texture, geometry.image, whole_texture(), tint);
    }
    paint_beside(painter, geometry, look, palette);
}

/// Paints the marks over a lane; `divergences` are steps where lanes part from the first one, with the
/// lanes' colours.
pub fn paint_marks(
    painter: &Painter,
    geometry: &LaneGeometry,
    marks: Marks,
    divergences: &[(usize, Color32)],
    palette: &Palette,
) {
    let painter = &painter.with_clip_rect(geometry.viewport);
    let rect_of = |step: Option<usize>| step.and_then(|step| geometry.rect_of_step(step));
    if let Some(rect) = rect_of(marks.drawing) {
        let stroke = Stroke::new(1.5, palette.accent);
        painter.rect_stroke(rect, 1.0, stroke, StrokeKind::Inside);
    }
    for (step, nested, colour) in nested(divergences, 0) {
        let Some(rect) = rect_of(Some(step)) else { continue };
        let radius = (0.42 * rect.width()).clamp(5.0, 8.0);
        nested_diamond(painter, rect.center(), radius, nested, colour, palette.mark_shadow());
    }
    if let Some(rect) = rect_of(marks.focus) {
        painter.rect_stroke(
            rect.expand(1.0),
            2.0,
            Stroke::new(4.0, palette.mark_shadow()),
            StrokeKind::Middle,
        );
        let stroke = Stroke::new(2.0, palette.mark());
        painter.rect_stroke(rect.expand(1.0), 2.0, stroke, StrokeKind::Middle);
    }
}

/// Outlines the tokens of `steps`, for the difference view.
pub fn paint_outlines(
    painter: &Painter,
    geometry: &LaneGeometry,
    steps: impl Iterator<Item = usize>,
    palette: &Palette,
) {
    let painter = &painter.with_clip_rect(geometry.viewport);
    let inset = (0.08 * geometry.token).clamp(0.5, 2.0);
    for rect in steps.filter_map(|step| geometry.rect_of_step(step)) {
        if painter.clip_rect().intersects(rect) {
            let stroke = Stroke::new(1.0, palette.mark().gamma_multiply(0.75));
            painter.rect_stroke(rect.shrink(inset), 1.0, stroke, StrokeKind::Inside);
        }
    }
}

fn on_screen(cells: Rect, geometry: &LaneGeometry) -> Rect {
    Rect::from_min_max(
        geometry.image.min + cells.min.to_vec2() * geometry.token,
        geometry.image.min + cells.max.to_vec2() * geometry.token,
    )
}

fn paint_undrawn(painter: &Painter, rect: Rect, geometry: &LaneGeometry, palette: &Palette) {
    let seen = rect.intersect(painter.clip_rect());
    if !seen.is_positive() {
        return;
    }
    let painter = painter.with_clip_rect(seen);
    painter.rect_filled(seen, 0.0, palette.undrawn());
    // Lines x + y = k · HATCH of the whole window, so that neighbouring rectangles continue.
    let hatch = Stroke::new(1.0, palette.hatch());
    let first = ((seen.left() + seen.top()) / HATCH).ceil() as i32;
    let last = ((seen.right() + seen.bottom()) / HATCH).floor() as i32;
    for k in first..=last {
        let sum = k as f32 * HATCH;
        let ends = [pos2(sum - seen.bottom(), seen.bottom()), pos2(sum - seen.top(), seen.top())];
        painter.line_segment(ends, hatch);
    }
    if geometry.token < GRID_FROM {
        return;
    }
    let grid = Stroke::new(1.0, palette.grid());
    let boundaries = |origin: f32, from: f32, to: f32| {
        let first = ((from - origin) / geometry.token).ceil() as i32;
        let last = ((to - origin) / geometry.token).floor() as i32;
        (first..=last).map(move |k| origin + k as f32 * geometry.token)
    };
    for x in boundaries(geometry.image.left(), seen.left(), seen.right()) {
        painter.vline(x, seen.y_range(), grid);
    }
    for y in boundaries(geometry.image.top(), seen.top(), seen.bottom()) {
        painter.hline(seen.x_range(), y, grid);
    }
}

/// Prefix tokens and row ends have a place of their own; they have no pixels.
fn paint_beside(painter: &Painter, geometry: &LaneGeometry, look: &LaneLook, palette: &Palette) {
    for (step, kind) in look.layout.steps().iter().enumerate() {
        if matches!(kind, StepKind::Cell { .. }) {
            continue;
        }
        let Some(rect) = geometry.rect_of_step(step) else { continue };
        if !painter.clip_rect().intersects(rect) {
            continue;
        }
        let rect = rect.shrink((0.06 * geometry.token).min(1.0));
        let border = Stroke::new(1.0, palette.grid());
        if step < look.shown {
            painter.rect_filled(rect, 1.0, palette.raised);
            let heat = look.heat.as_ref();
            let colour = heat.and_then(|heat| heat.values.colour(look.lane, step, heat.map));
            if let Some(colour) = colour {
                painter.rect_filled(rect, 1.0, colour);
            }
        } else {
            painter.rect_filled(rect, 1.0, palette.undrawn());
        }
        painter.rect_stroke(rect, 1.0, border, StrokeKind::Inside);
    }
}
