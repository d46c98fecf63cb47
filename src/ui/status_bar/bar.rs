//! The status bar: speed, time left, steps, how far the lanes differ, frame time. Every field has a
//! fixed width in monospaced digits, so that nothing shifts while a run goes on.

use crate::engine::trace::RunStatus;
use crate::ui::kit::fonts;
use crate::ui::state::model::ModelStatus;
use crate::ui::state::run_view::RunView;
use crate::ui::theme::palette;
use egui::{Align, Color32, Layout, Ui};
use std::time::Duration;

/// A frame above this is worth a colour.
const SLOW_FRAME: f32 = 15.0;

/// Decoding time from which the share of previews is shown: before, a single picture decides it.
const SHARE_FROM: Duration = Duration::from_secs(2);

/// What the bar reads.
pub struct StatusBar<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// The model.
    pub model: &'a ModelStatus,
    /// Time the window takes for a frame, smoothed, in milliseconds.
    pub frame_ms: f32,
    /// The window has no room for every field.
    pub narrow: bool,
}

impl StatusBar<'_> {
    /// Shows the bar.
    pub fn show(&self, ui: &mut Ui) {
        let colours = palette(ui.ctx());
        ui.horizontal_centered(|ui| {
            ui.spacing_mut().item_spacing.x = 12.0;
            match self.run {
                Some(run) => self.run_fields(ui, run),
                None => {
                    let text = match self.model {
                        ModelStatus::Loading => "Loading the model",
                        ModelStatus::Failed(_) => "No model",
                        ModelStatus::Ready(_) => "Ready",
                    };
                    field(ui, text, colours.secondary, "");
                }
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let milliseconds = self.frame_ms;
                let colour =
                    if milliseconds > SLOW_FRAME { colours.warning } else { colours.secondary };
                let text = format!("frame {milliseconds:>4.1} ms");
                field(ui, &text, colour, "Time the window takes to lay out a frame, smoothed.");
            });
        });
    }

    fn run_fields(&self, ui: &mut Ui, run: &RunView) {
        let colours = palette(ui.ctx());
        let (done, steps) = (run.steps_done, run.steps());
        let (what, colour) = match &run.status {
            RunStatus::Starting => ("starting", colours.secondary),
            RunStatus::Running => ("decoding", colours.accent),
            RunStatus::Paused => ("paused", colours.warning),
            RunStatus::Finished => ("done", colours.good),
            RunStatus::Cancelled => ("stopped", colours.warning),
            RunStatus::Failed(_) => ("failed", colours.error),
        };
        field(ui, &format!("{what:<8}"), colour, "How the run in view stands.");
        let width = steps.to_string().len();
        field(
            ui,
            &format!("step {done:>width$} of {steps}"),
            colours.text,
            "Steps every lane has done.",
        );
        if done > 0 {
            let seconds = run.elapsed.as_secs_f64().max(1e-9);
            let rate = (done * run.lanes.len()) as f64 / seconds;
            let tip = "Tokens of all lanes per second, and time of one step of all lanes.";
            field(ui, &format!("{} tokens/s", significant(rate, 5)), colours.text, tip);
            let step = significant(seconds * 1e3 / done as f64, 5);
            field(ui, &format!("{step} ms a step"), colours.text, tip);
            let card = self.model.card().filter(|card| card.identity == run.record.spec.model);
            if let Some(card) = card.filter(|_| !self.narrow) {
                let bytes = card.decoder.step_weight_bytes as f64 * done as f64;
                let text = format!("{} GB/s", significant(bytes / seconds / 1e9, 5));
                let tip =
                    "Weights read per second; decoding is bounded by how fast memory gives them.";
                field(ui, &text, colours.text, tip);
            }
            if !run.status.is_over() {
                let left = Duration::from_secs_f64(seconds / done as f64 * (steps - done) as f64);
                field(
                    ui,
                    &format!("{} left", clock(left)),
                    colours.text,
                    "Time left at this speed.",
                );
            }
        }
        if run.lanes.len() >= 2 && done > 0 {
            let text = match run.first_divergence {
                None => format!("no token of {done:>width$} differs"),
                Some(first) => {
                    let differ = run.tokens_that_differ;
                    format!(
                        "{differ:>width$} of {done:>width$} tokens differ, first at {first:>width$}"
                    )
                }
            };
            let tip = "Tokens that the first two lanes drew differently from the same noise, and the first step where they did.";
            field(ui, &text, colours.text, tip);
        }
        // A live model's previews follow every step beside decoding, which does not wait for them.
        let throttled = self.model.card().is_some_and(|card| !card.live);
        if throttled && run.elapsed >= SHARE_FROM && !self.narrow {
            let share = 100.0 * run.preview_time.as_secs_f64() / run.elapsed.as_secs_f64();
            let tip = "Time that the thread of the previews spent on this run while it was decoding, in percent of the decoding time: 15 % at most, plus one picture.";
            field(ui, &format!("previews {share:>3.0} %"), colours.text, tip);
        }
    }
}

fn field(ui: &mut Ui, text: &str, colour: Color32, tip: &str) {
    let response = ui.label(fonts::number(text).color(colour));
    if !tip.is_empty() {
        response.on_hover_text(tip);
    }
}

/// Three digits that mean something, right-aligned in `width` characters.
fn significant(value: f64, width: usize) -> String {
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:>width$.digits$}")
}

/// Minutes and seconds, or hours and minutes.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match seconds / 3600 {
        0 => format!("{:>2}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}h {:02}m", seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_width_and_three_digits() {
        let shown: Vec<String> =
            [0.004, 2.4364, 9.997, 24.31, 410.4, 12345.6].map(|value| significant(value, 5)).into();
        assert_eq!(shown, [" 0.00", " 2.44", " 10.0", " 24.3", "  410", "12346"]);
    }

    #[test]
    fn time_left_is_read_as_a_clock() {
        assert_eq!(clock(Duration::from_millis(1)), " 0:01");
        assert_eq!(clock(Duration::from_secs(65)), " 1:05");
        assert_eq!(clock(Duration::from_secs(2 * 3600 + 5 * 60)), "2h 05m");
    }
}
