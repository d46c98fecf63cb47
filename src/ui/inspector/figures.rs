//! The numbers of one token, one line a quantity and one column a lane.

use crate::engine::quantities::weights::weights_at;
use crate::engine::trace::StepRecord;
use crate::ui::inspector::swatches::Swatches;
use crate::ui::kit::controls::secondary;
use crate::ui::kit::lane::{LaneName, lane_dot};
use crate::ui::kit::token_text::number;
use crate::ui::state::run_view::RunView;
use crate::ui::theme::Palette;
use egui::{Align, Label, Layout, RichText, Stroke, Ui, vec2};

/// Height of a line of numbers.
const LINE: f32 = 19.0;

/// A lane's name over its column, among `lanes` of them.
fn column_name(ui: &mut Ui, name: &LaneName, lanes: usize) {
    let roomy = ui.available_width() >= 60.0;
    let text = if lanes > 2 { name.info.short } else { name.label };
    let label = Label::new(RichText::new(text).small()).selectable(false).extend();
    let response = ui.add(label);
    if roomy {
        lane_dot(ui, name.colour);
    } else {
        let line = Stroke::new(2.0, name.colour);
        ui.painter().hline(response.rect.x_range(), response.rect.bottom() + 1.5, line);
    }
    response.on_hover_ui(|ui| {
        ui.label(RichText::new(name.label).strong());
        ui.label(name.info.explanation);
    });
}

/// The token in view.
pub struct Token<'a> {
    /// The run in view.
    pub run: &'a RunView,
    /// Names of its lanes.
    pub names: &'a [LaneName],
    /// The token's step.
    pub step: usize,
    /// The step whose weights are shown.
    pub weights_step: usize,
    /// Colours.
    pub palette: &'static Palette,
}

impl Token<'_> {
    fn record(&self, lane: usize) -> Option<&StepRecord> {
        self.run.lanes.get(lane)?.records.get(self.step)
    }

    /// One line a quantity, one column a lane.
    pub fn figures(&self, ui: &mut Ui, swatches: &mut Swatches) {
        self.head(ui);
        self.codes(ui, swatches);
        if self.record(0).is_some_and(|record| record.forced) {
            ui.add_space(4.0);
            ui.label(secondary(
                "Forced by position at the end of a row, not sampled; its weight is 1.",
                self.palette,
            ));
            return;
        }
        type Value = fn(&StepRecord) -> Option<f32>;
        let line = |ui: &mut Ui, label: &str, tooltip: &str, decimals: usize, value: Value| {
            self.line(ui, label, tooltip, |lane| {
                number(self.record(lane).and_then(value), decimals)
            });
        };
        line(
            ui,
            "confidence",
            "How sure the model was of this token. Eq. 3: largest conditional probability, unless the method says otherwise.",
            3,
            |r| Some(r.confidence),
        );
        line(
            ui,
            "sampled p",
            "Probability of the token in the distribution it was drawn from: guided, after temperature and filters.",
            3,
            |r| Some(r.sampled_probability),
        );
        self.weights(ui);
        ui.add_space(6.0);
        line(
            ui,
            "entropy c",
            "How undecided the conditional branch was, 0 to 1. Normalized entropy of z_c (Eq. 11).",
            3,
            |r| Some(r.entropy_conditional),
        );
        line(
            ui,
            "entropy u, ũ",
            "The same of the branch that guides: z_u, in SoftCFG lanes the perturbed z_ũ (Eq. 12).",
            3,
            |r| r.entropy_unconditional,
        );
        line(ui, "entropy guided", "The same of the guided logits (Eq. 13).", 3, |r| {
            Some(r.entropy_guided)
        });
        ui.add_space(6.0);
        line(
            ui,
            "scale_s",
            "How strongly the branches are set apart at this step: z_u + scale_s (z_c - z_u).",
            3,
            |r| Some(r.scale),
        );
        line(ui, "γ_t", "The paper's γ_t of Eq. 6, which is scale_s minus 1.", 3, |r| {
            Some(r.scale - 1.0)
        });
        line(
            ui,
            "‖Δ‖",
            "How far conditional and clean unconditional branch are apart. L2 norm of z_c - z_u.",
            2,
            |r| r.delta,
        );
        line(
            ui,
            "‖z_c - z_g‖",
            "How far the conditional is from the branch that guides (z_ũ in SoftCFG lanes).",
            2,
            |r| r.guiding_delta,
        );
        if self.run.record.lanes().iter().any(|lane| lane.settings.delta_context) {
            line(
                ui,
                "‖Δctx‖",
                "What the perturbation changes: L2 norm of z_u - z_ũ (Eq. 7).",
                2,
                |r| r.delta_context,
            );
            line(
                ui,
                "cos(Δ, Δctx)",
                "Above 0 the perturbation strengthens the guidance, below 0 it weakens it (Eq. 7).",
                3,
                |r| r.delta_cosine,
            );
        }
    }

    /// Dot and name of each lane over its column; where both have no room, the name over a line in the
    /// lane's colour.
    fn head(&self, ui: &mut Ui) {
        let width = self.column_width(ui);
        ui.allocate_ui_with_layout(
            vec2(ui.available_width(), LINE + 2.0),
            Layout::right_to_left(Align::Center),
            |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                for name in self.names.iter().rev() {
                    ui.allocate_ui_with_layout(
                        vec2(width, LINE),
                        Layout::right_to_left(Align::Center),
                        |ui| {
                            ui.set_min_width(width);
                            column_name(ui, name, self.names.len());
                        },
                    );
                }
            },
        );
    }

    fn codes(&self, ui: &mut Ui, swatches: &mut Swatches) {
        let codes: Vec<Option<u32>> = (0..self.names.len())
            .map(|lane| self.record(lane).map(|record| record.token))
            .collect();
        let tooltip = "Index in the codebook, with the pixels it stands for.";
        self.cells(ui, "code", tooltip, |ui, lane| {
            let code = codes.get(lane).copied().flatten();
            ui.monospace(code.map_or("–".into(), |code| code.to_string()));
            if let Some(code) = code
                && self.names.len() < 3
            {
                swatches.show(ui, code, 16.0, self.palette);
            }
        });
    }

    /// w and ŵ at the cursor's step; what they would be in lanes that do not weigh.
    fn weights(&self, ui: &mut Ui) {
        let lines = [
            (
                "w",
                false,
                "Factor on this token's value in the unconditional branch at the cursor's step without step norm; of the newest token, at the next step. Eq. 3: 1 - confidence.",
            ),
            (
                "ŵ",
                true,
                "The same with step norm, so that all tokens together lose one token's worth. Eq. 9.",
            ),
        ];
        for (label, step_norm, tooltip) in lines {
            let values: Vec<Option<f32>> = (0..self.names.len())
                .map(|lane| {
                    let spec = self.run.record.lanes().get(lane)?;
                    let records = &self.run.lanes.get(lane)?.records;
                    // A token that is not weighed yet shows its first weight.
                    let step = self.weights_step.max(self.step + 1);
                    let weights = weights_at(spec, records, step, Some(step_norm));
                    weights.get(self.step).copied()
                })
                .collect();
            self.cells(ui, label, tooltip, |ui, lane| {
                let text = number(values.get(lane).copied().flatten(), 3);
                let text = RichText::new(text).monospace();
                let name = self.names.get(lane);
                let applied = name.is_some_and(|name| {
                    let guidance = &name.guidance;
                    guidance.is_perturbed() && guidance.perturbation.step_norm == step_norm
                });
                let label = if applied { text } else { text.color(self.palette.secondary) };
                let response = ui.label(label);
                if !applied {
                    response.on_hover_text("What it would be; this lane does not use it.");
                }
            });
        }
    }

    fn line(&self, ui: &mut Ui, label: &str, tooltip: &str, text: impl Fn(usize) -> String) {
        self.cells(ui, label, tooltip, |ui, lane| {
            ui.monospace(text(lane));
        });
    }

    /// A label at the left, a cell for each lane in columns at the right.
    fn cells(&self, ui: &mut Ui, label: &str, tooltip: &str, mut cell: impl FnMut(&mut Ui, usize)) {
        let width = self.column_width(ui);
        let size = vec2(ui.available_width(), LINE);
        ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            for lane in (0..self.names.len()).rev() {
                let layout = Layout::right_to_left(Align::Center);
                ui.allocate_ui_with_layout(vec2(width, LINE), layout, |ui| {
                    ui.set_min_width(width);
                    cell(ui, lane);
                });
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(Label::new(secondary(label, self.palette)).truncate())
                    .on_hover_text(tooltip);
            });
        });
    }

    fn column_width(&self, ui: &Ui) -> f32 {
        let lanes = self.names.len().max(1) as f32;
        ((ui.available_width() - 96.0) / lanes - 4.0).clamp(40.0, 92.0)
    }
}
