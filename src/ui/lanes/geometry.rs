//! Where tokens lie on the screen: how lanes are arranged, how a lane's content (image, prefix
//! strip, row ends) sits in its viewport at a zoom, and which token a pointer is on.

use crate::compute::layout::{StepKind, TokenLayout};
use egui::{Pos2, Rect, Vec2, pos2, vec2};

/// Between image and prefix strip, and between image and row ends, in tokens.
const GAP: f32 = 0.3;
/// Width of the column of row ends, in tokens.
const ROW_END_WIDTH: f32 = 0.5;
/// The largest zoom; 1 fits.
pub const MAX_ZOOM: f32 = 40.0;

/// Viewports for `count` equal contents of the shape `content` (in tokens), as large as they can be
/// in `area`, side by side or in rows, with room for a header above each. Together they sit in the
/// middle of the area.
pub fn viewports(area: Rect, count: usize, content: Vec2, header: f32, gap: f32) -> Vec<Rect> {
    let count = count.max(1);
    let (mut best_columns, mut best_scale, mut best_empty) = (count, f32::NEG_INFINITY, 0);
    for columns in (1..=count).rev() {
        let rows = count.div_ceil(columns);
        let scale = scale_in(area.size(), columns, rows, content, header, gap);
        let empty = columns * rows - count;
        // Four lanes of one size are two rows of two, not three and one.
        let as_large = scale > 0.999 * best_scale && empty < best_empty;
        if scale > 1.001 * best_scale || as_large {
            (best_columns, best_scale, best_empty) = (columns, scale, empty);
        }
    }
    let rows = count.div_ceil(best_columns);
    let size = content * best_scale.max(0.5);
    let cell = size + vec2(gap, header + gap);
    let block = cell * vec2(best_columns as f32, rows as f32) - Vec2::splat(gap);
    let min = area.min + (0.5 * (area.size() - block)).max(Vec2::ZERO) + vec2(0.0, header);
    (0..count)
        .map(|index| {
            let place = vec2((index % best_columns) as f32, (index / best_columns) as f32);
            Rect::from_min_size(min + place * cell, size)
        })
        .collect()
}

/// Points per token.
fn scale_in(area: Vec2, columns: usize, rows: usize, content: Vec2, header: f32, gap: f32) -> f32 {
    let (columns, rows) = (columns as f32, rows as f32);
    let width = (area.x - gap * (columns - 1.0)) / columns;
    let height = (area.y - gap * (rows - 1.0)) / rows - header;
    (width / content.x).min(height / content.y)
}

/// Width and height of image, prefix strip and row ends together, in tokens.
pub fn content_size(layout: &TokenLayout) -> Vec2 {
    let row_ends = if has_row_ends(layout) { GAP + ROW_END_WIDTH } else { 0.0 };
    let prefix = if layout.prefix_len() > 0 { 1.0 + GAP } else { 0.0 };
    vec2(layout.columns().max(1) as f32 + row_ends, layout.rows().max(1) as f32 + prefix)
}

fn has_row_ends(layout: &TokenLayout) -> bool {
    matches!(layout.steps().last(), Some(StepKind::RowEnd { .. }))
}

/// A lane's content on the screen.
pub struct LaneGeometry<'a> {
    layout: &'a TokenLayout,
    /// What the lane may paint in.
    pub viewport: Rect,
    /// Image, prefix strip and row ends; may reach beyond the viewport.
    pub content: Rect,
    /// The image.
    pub image: Rect,
    /// Side of a token in points.
    pub token: f32,
}

impl<'a> LaneGeometry<'a> {
    /// Content at `zoom` (1 fits) with `centre` (fractions of the content) in the viewport's middle.
    pub fn new(layout: &'a TokenLayout, viewport: Rect, zoom: f32, centre: (f32, f32)) -> Self {
        let units = content_size(layout);
        let fit = (viewport.width() / units.x).min(viewport.height() / units.y).max(0.01);
        let token = fit * zoom.clamp(1.0, MAX_ZOOM);
        let size = units * token;
        let centre = clamp_centre(centre, size, viewport.size());
        let middle = viewport.center() + (vec2(0.5, 0.5) - vec2(centre.0, centre.1)) * size;
        let content = Rect::from_center_size(middle, size);
        let above = if layout.prefix_len() > 0 { (1.0 + GAP) * token } else { 0.0 };
        let image = Rect::from_min_size(
            content.min + vec2(0.0, above),
            vec2(layout.columns() as f32, layout.rows() as f32) * token,
        );
        Self { layout, viewport, content, image, token }
    }

    /// Where a step's token is drawn.
    pub fn rect_of_step(&self, step: usize) -> Option<Rect> {
        let token = self.token;
        Some(match *self.layout.steps().get(step)? {
            StepKind::Cell { row, column } => Rect::from_min_size(
                self.image.min + vec2(column as f32, row as f32) * token,
                Vec2::splat(token),
            ),
            StepKind::Prefix { index } => {
                let side = self.prefix_side();
                Rect::from_min_size(
                    self.content.min + vec2(index as f32 * side, token - side),
                    Vec2::splat(side),
                )
            }
            StepKind::RowEnd { row, .. } => Rect::from_min_size(
                pos2(self.image.right() + GAP * token, self.image.top() + row as f32 * token),
                vec2(ROW_END_WIDTH * token, token),
            ),
        })
    }

    /// The step whose token lies under a point of the viewport.
    pub fn step_at(&self, point: Pos2) -> Option<usize> {
        if !self.viewport.contains(point) {
            return None;
        }
        let candidate = if self.image.contains(point) {
            let place = (point - self.image.min) / self.token;
            let row = (place.y as usize).min(self.layout.rows().checked_sub(1)?);
            let column = (place.x as usize).min(self.layout.columns().checked_sub(1)?);
            self.layout.step_of_cell(row, column)?
        } else if point.y < self.image.top() {
            let index = (point.x - self.content.left()) / self.prefix_side();
            if index < 0.0 {
                return None;
            }
            index as usize
        } else if point.x > self.image.right() {
            let row = (point.y - self.image.top()) / self.token;
            let row = (row as usize).min(self.layout.rows().checked_sub(1)?);
            self.layout.step_of_cell(row, self.layout.columns().checked_sub(1)?)? + 1
        } else {
            return None;
        };
        self.rect_of_step(candidate).filter(|rect| rect.contains(point)).map(|_| candidate)
    }

    /// Zoom and centre after a zoom by `factor` that leaves the content under `pointer` in place.
    pub fn zoomed_at(&self, pointer: Pos2, zoom: f32, factor: f32) -> (f32, (f32, f32)) {
        let new_zoom = (zoom * factor).clamp(1.0, MAX_ZOOM);
        let fraction = (pointer - self.content.min) / self.content.size();
        let size = self.content.size() * (new_zoom / zoom.clamp(1.0, MAX_ZOOM));
        let middle = pointer - (fraction - vec2(0.5, 0.5)) * size;
        let centre = vec2(0.5, 0.5) - (middle - self.viewport.center()) / size;
        (new_zoom, clamp_centre((centre.x, centre.y), size, self.viewport.size()))
    }

    /// Centre after a drag by `delta` points.
    pub fn panned(&self, centre: (f32, f32), delta: Vec2) -> (f32, f32) {
        let size = self.content.size();
        let now = clamp_centre(centre, size, self.viewport.size());
        let moved = vec2(now.0, now.1) - delta / size;
        clamp_centre((moved.x, moved.y), size, self.viewport.size())
    }

    fn prefix_side(&self) -> f32 {
        let columns = self.layout.columns().max(1) as f32;
        self.token * (columns / self.layout.prefix_len().max(1) as f32).min(1.0)
    }
}

/// Keeps the content's edges from leaving the viewport's; content that fits stays in the middle.
fn clamp_centre(centre: (f32, f32), size: Vec2, viewport: Vec2) -> (f32, f32) {
    let clamp = |centre: f32, size: f32, viewport: f32| {
        if size <= viewport || !centre.is_finite() {
            return 0.5;
        }
        let half = 0.5 * viewport / size;
        centre.clamp(half, 1.0 - half)
    };
    (clamp(centre.0, size.x, viewport.x), clamp(centre.1, size.y, viewport.y))
}

/// The cells from step `drawn` on, as few rectangles in tokens: (column, row, width, height).
pub fn undrawn_cells(layout: &TokenLayout, drawn: usize) -> Vec<Rect> {
    let columns = layout.columns();
    let mut rects: Vec<Rect> = Vec::new();
    for row in 0..layout.rows() {
        let Some(start) = layout.step_of_cell(row, 0) else { continue };
        let first = drawn.saturating_sub(start).min(columns);
        if first == columns {
            continue;
        }
        let min = pos2(first as f32, row as f32);
        let rect = Rect::from_min_max(min, pos2(columns as f32, row as f32 + 1.0));
        match rects.last_mut() {
            Some(last) if last.left() == rect.left() && last.bottom() == rect.top() => {
                last.max.y = rect.bottom();
            }
            _ => rects.push(rect),
        }
    }
    rects
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::cursor::steps_per_row;

    fn viewport() -> Rect {
        Rect::from_min_size(pos2(10.0, 20.0), vec2(320.0, 240.0))
    }

    #[test]
    fn lanes_take_the_larger_arrangement() {
        let square = vec2(16.0, 16.0);
        let rows = |count, width, height| {
            let area = Rect::from_min_size(pos2(5.0, 7.0), vec2(width, height));
            let viewports = viewports(area, count, square, 24.0, 8.0);
            for viewport in &viewports {
                assert!(area.expand(0.01).contains_rect(*viewport), "{viewport:?} in {area:?}");
            }
            let mut tops: Vec<f32> = viewports.iter().map(|viewport| viewport.top()).collect();
            tops.dedup();
            tops.len()
        };
        assert_eq!(rows(4, 800.0, 800.0), 2);
        let wide = Rect::from_min_size(pos2(0.0, 0.0), vec2(690.0, 430.0));
        let lefts = viewports(wide, 4, square, 24.0, 8.0);
        assert_eq!(lefts[0].left(), lefts[2].left(), "two rows of two");
        assert_eq!(rows(4, 1600.0, 380.0), 1);
        assert_eq!(rows(2, 800.0, 500.0), 1);
        assert_eq!(rows(2, 400.0, 900.0), 2);
        assert_eq!(rows(3, 300.0, 1200.0), 3);
        assert_eq!(rows(0, 400.0, 900.0), 1);
    }

    #[test]
    fn every_token_is_found_at_its_own_middle() {
        let layouts = [
            TokenLayout::raster(12, 20),
            TokenLayout::with_prefix(17, 16, 16),
            TokenLayout::with_prefix(3, 4, 9),
            TokenLayout::with_row_ends(6, 5, 1),
        ];
        for layout in &layouts {
            for (zoom, centre) in [(1.0, (0.5, 0.5)), (3.0, (0.2, 0.9))] {
                let geometry = LaneGeometry::new(layout, viewport(), zoom, centre);
                for step in 0..layout.len() {
                    let middle = geometry.rect_of_step(step).map(|rect| rect.center());
                    let seen = middle.filter(|&middle| viewport().contains(middle));
                    assert_eq!(seen.and_then(|at| geometry.step_at(at)), seen.map(|_| step));
                }
            }
        }
    }

    #[test]
    fn prefix_and_row_ends_lie_outside_the_image() {
        for layout in [TokenLayout::with_prefix(17, 16, 16), TokenLayout::with_row_ends(6, 5, 1)] {
            let geometry = LaneGeometry::new(&layout, viewport(), 1.0, (0.5, 0.5));
            for (step, kind) in layout.steps().iter().enumerate() {
                let rect = geometry.rect_of_step(step).unwrap();
                let inside = geometry.image.contains(rect.center());
                assert_eq!(inside, matches!(kind, StepKind::Cell { .. }), "step {step}");
                assert!(geometry.content.expand(0.01).contains_rect(rect), "step {step}");
            }
        }
    }

    #[test]
    fn zoom_keeps_the_point_under_the_pointer() {
        let layout = TokenLayout::raster(16, 16);
        let geometry = LaneGeometry::new(&layout, viewport(), 4.0, (0.5, 0.5));
        let pointer = pos2(150.0, 100.0);
        let before = (pointer - geometry.image.min) / geometry.image.size();
        let (zoom, centre) = geometry.zoomed_at(pointer, 4.0, 1.5);
        let after = LaneGeometry::new(&layout, viewport(), zoom, centre);
        let moved = (pointer - after.image.min) / after.image.size() - before;
        assert!(moved.length() < 1e-4, "{moved:?}");
        let (zoom, centre) = geometry.zoomed_at(pointer, 4.0, 0.01);
        assert_eq!((zoom, centre), (1.0, (0.5, 0.5)));
    }

    #[test]
    fn undrawn_cells_cover_exactly_the_rest() {
        for layout in [TokenLayout::with_prefix(2, 3, 4), TokenLayout::with_row_ends(3, 4, 0)] {
            for drawn in 0..=layout.len() + 1 {
                let area: f32 = undrawn_cells(&layout, drawn).iter().map(|rect| rect.area()).sum();
                let rest = layout.steps().iter().skip(drawn);
                let cells = rest.filter(|kind| matches!(kind, StepKind::Cell { .. })).count();
                assert_eq!(area, cells as f32, "{drawn} drawn");
            }
        }
    }

    #[test]
    fn odd_layouts_do_not_panic() {
        for layout in [TokenLayout::raster(0, 0), TokenLayout::raster(0, 4)] {
            let geometry = LaneGeometry::new(&layout, viewport(), 1.0, (f32::NAN, 0.5));
            assert_eq!(geometry.step_at(viewport().center()), None);
            assert!(undrawn_cells(&layout, 0).is_empty());
            assert!(steps_per_row(&layout) >= 1);
        }
        let empty = Rect::from_min_size(pos2(0.0, 0.0), Vec2::ZERO);
        LaneGeometry::new(&TokenLayout::raster(2, 2), empty, 1.0, (0.5, 0.5)).step_at(empty.min);
    }
}
