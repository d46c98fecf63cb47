//! The diamond that marks where a lane parts from the first one, on images and timeline.

use egui::{Color32, Painter, Pos2, Shape, Stroke, vec2};

/// Marks of several lanes that are at most `within` steps apart lie in one another: each with how many
/// lie around it.
pub fn nested(marks: &[(usize, Color32)], within: usize) -> Vec<(usize, usize, Color32)> {
    let around = |index: usize, step: usize| {
        marks.iter().take(index).filter(|(other, _)| other.abs_diff(step) <= within).count()
    };
    let marks = marks.iter().enumerate();
    marks.map(|(index, &(step, colour))| (step, around(index, step), colour)).collect()
}

/// The mark of the first token where two lanes part, on images and timeline, within `nested` others.
pub fn nested_diamond(
    painter: &Painter,
    centre: Pos2,
    radius: f32,
    nested: usize,
    fill: Color32,
    around: Color32,
) {
    // Only the outermost has a ring: another would hide what lies around it.
    let around = if nested == 0 { around } else { Color32::TRANSPARENT };
    diamond(painter, centre, radius * 0.62f32.powi(nested as i32), fill, around);
}

fn diamond(painter: &Painter, centre: Pos2, radius: f32, fill: Color32, around: Color32) {
    let corners = |radius: f32| {
        [(0.0, -radius), (radius, 0.0), (0.0, radius), (-radius, 0.0)]
            .map(|(x, y)| centre + vec2(x, y))
            .to_vec()
    };
    painter.add(Shape::convex_polygon(corners(radius + 1.5), around, Stroke::NONE));
    painter.add(Shape::convex_polygon(corners(radius), fill, Stroke::NONE));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_at_one_step_nest() {
        let (a, b) = (Color32::RED, Color32::BLUE);
        let marks = [(7, a), (9, b), (7, b), (7, a)];
        assert_eq!(nested(&marks, 0), [(7, 0, a), (9, 0, b), (7, 1, b), (7, 2, a)]);
        assert_eq!(nested(&marks, 2), [(7, 0, a), (9, 1, b), (7, 2, b), (7, 3, a)]);
    }
}
