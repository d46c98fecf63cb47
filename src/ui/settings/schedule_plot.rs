//! The guidance scale over the steps, under the two sliders that shape it (Eq. 6): redrawn while
//! they move, with the cursor's step on it.

use crate::guidance::schedule::ScaleRule;
use crate::ui::kit::fonts;
use crate::ui::kit::token_text;
use crate::ui::theme::palette;
use egui::{Align2, Pos2, Rect, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

/// Points of the curve; more than the plot has pixels between them would not be seen.
const POINTS: usize = 96;

const DOES: &str = "The guidance scale at each step, from the two sliders above.";

/// What the plot shows.
pub struct SchedulePlot {
    /// T.
    pub steps: usize,
    /// How γ and k become a scale.
    pub rule: ScaleRule,
    /// γ.
    pub guidance_scale: f32,
    /// k.
    pub cosine_power: f32,
    /// The cursor's step.
    pub step: Option<usize>,
    /// Height in points.
    pub height: f32,
    /// The rule in words, for the tooltip.
    pub term: String,
}

impl SchedulePlot {
    /// Shows it.
    pub fn show(&self, ui: &mut Ui) {
        let size = vec2(ui.available_width(), self.height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
        response.widget_info(|| {
            WidgetInfo::labeled(egui::accesskit::Role::Image, true, "Guidance scale over the steps")
        });
        let valid = |value: f32| value.is_finite() && value >= 0.0;
        let drawable = self.steps > 0 && valid(self.guidance_scale) && valid(self.cosine_power);
        if ui.is_rect_visible(rect) {
            let colours = palette(ui.ctx());
            ui.painter().rect_filled(rect, 4.0, colours.window);
            if drawable {
                let hovered = response.hover_pos().map(|at| self.step_at(rect, at));
                self.paint(ui, rect, hovered);
            }
        }
        if drawable {
            response.on_hover_ui_at_pointer(|ui| {
                let at = ui.ctx().pointer_hover_pos().unwrap_or(rect.center());
                let step = self.step_at(rect, at);
                let scale = self.scale(step);
                ui.label(fonts::number(format!(
                    "step {step} of {}: scale {scale:.3}, γ_t {:.3}",
                    self.steps,
                    scale - 1.0
                )));
                ui.label(DOES);
                let secondary = palette(ui.ctx()).secondary;
                ui.label(egui::RichText::new(&self.term).small().color(secondary));
            });
        }
    }

    fn scale(&self, step: usize) -> f32 {
        self.rule.scale_at(step, self.steps, self.guidance_scale, self.cosine_power)
    }

    fn step_at(&self, rect: Rect, at: Pos2) -> usize {
        let inner = inner(rect);
        let part = ((at.x - inner.left()) / inner.width().max(1.0)).clamp(0.0, 1.0);
        (part * (self.steps - 1) as f32).round() as usize
    }

    fn paint(&self, ui: &Ui, rect: Rect, hovered: Option<usize>) {
        let colours = palette(ui.ctx());
        let painter = ui.painter();
        let inner = inner(rect);
        let points: Vec<(usize, f32)> = (0..POINTS)
            .map(|point| point * (self.steps - 1) / (POINTS - 1))
            .map(|step| (step, self.scale(step)))
            .collect();
        // The axis always holds 1, and room for the largest scale there can be; a rule may go beyond γ.
        let largest =
            points.iter().fold(self.guidance_scale, |largest, point| largest.max(point.1));
        let (low, high) = (self.guidance_scale.min(1.0), largest.max(1.5));
        let y = |scale: f32| {
            inner.bottom() - (scale - low) / (high - low).max(f32::EPSILON) * inner.height()
        };
        let x = |step: usize| {
            inner.left() + step as f32 / (self.steps - 1).max(1) as f32 * inner.width()
        };
        let one = [pos2(inner.left(), y(1.0)), pos2(inner.right(), y(1.0))];
        let faint = Stroke::new(1.0, colours.rail);
        painter.extend(Shape::dashed_line(&one, faint, 3.0, 3.0));

        let line: Vec<Pos2> =
            points.iter().map(|(step, scale)| pos2(x(*step), y(*scale))).collect();
        painter.line(line, Stroke::new(2.0, colours.accent));

        let number = fonts::number_font();
        let small = egui::FontId::new(10.5, number.family);
        let label = |at: Pos2, align, text: String, colour| {
            painter.text(at, align, text, small.clone(), colour)
        };
        // Under the curve where that begins high, as a constant scale does.
        let begin = y(points.first().map_or(low, |point| point.1));
        let below = if begin < rect.top() + 18.0 { begin - rect.top() + 3.0 } else { 4.0 };
        let top = rect.left_top() + vec2(6.0, below);
        label(top, Align2::LEFT_TOP, token_text::number(Some(largest), 1), colours.secondary);

        if let Some(step) = hovered.or(self.step).filter(|step| *step < self.steps) {
            let scale = self.scale(step);
            let at = pos2(x(step), y(scale));
            let upright = [pos2(at.x, rect.top() + 2.0), pos2(at.x, rect.bottom() - 2.0)];
            painter.line_segment(upright, Stroke::new(1.0, colours.secondary));
            painter.circle_filled(at, 3.5, colours.accent);
            // Beside the line on the side with more room, below the curve where that is high.
            let left = at.x > rect.center().x;
            let align = if left { Align2::RIGHT_BOTTOM } else { Align2::LEFT_BOTTOM };
            let at = pos2(at.x + if left { -6.0 } else { 6.0 }, rect.bottom() - 3.0);
            label(at, align, token_text::number(Some(scale), 2), colours.text);
        }
    }
}

fn inner(rect: Rect) -> Rect {
    rect.shrink2(vec2(6.0, 8.0))
}
