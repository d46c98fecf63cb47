//! The numbers of one token, one line a quantity and one column a lane.

use crate::engine::quantities::quantity::{Axis, Quantity, Read};
use crate::engine::quantities::table::QUANTITIES;
use crate::engine::quantities::weights::weights_at;
use crate::engine::trace::StepRecord;
use crate::ui::inspector::swatches::Swatches;
use crate::ui::kit::controls::secondary;
use crate::ui::kit::lane::{LaneName, lane_dot};
use crate::ui::kit::quantity_text::explain;
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
        let mut axis = Axis::Confidence;
        for quantity in QUANTITIES {
            let texts: Vec<Option<String>> =
                (0..self.names.len()).map(|lane| self.text(quantity, lane)).collect();
            // What no lane measures has no line.
            if texts.iter().all(Option::is_none) {
                continue;
            }
            if quantity.axis != axis {
                ui.add_space(6.0);
                axis = quantity.axis;
            }
            self.cells(ui, quantity.name, &explain(quantity), |ui, lane| {
                let text = texts.get(lane).cloned().flatten().unwrap_or_else(|| "–".into());
                self.value(ui, quantity, lane, text);
            });
        }
    }

    /// A quantity as it is printed, `None` where it was not measured.
    fn text(&self, quantity: &Quantity, lane: usize) -> Option<String> {
        let value = match quantity.read {
            Read::Recorded(read) | Read::Derived(read) => read(self.record(lane)?)?,
            Read::PastToken { step_norm } => self.weight(lane, step_norm)?,
        };
        Some(number(Some(value), quantity.decimals))
    }

    /// The token's weight at the cursor's step; what it would be in lanes that do not weigh.
    fn weight(&self, lane: usize, step_norm: bool) -> Option<f32> {
        let spec = self.run.record.lanes().get(lane)?;
        let records = &self.run.lanes.get(lane)?.records;
        // A token that is not weighed yet shows its first weight.
        let step = self.weights_step.max(self.step + 1);
        let weights = weights_at(spec, records, step, Some(step_norm));
        weights.get(self.step).copied()
    }

    /// One number; grey where the lane does not use it.
    fn value(&self, ui: &mut Ui, quantity: &Quantity, lane: usize, text: String) {
        let text = RichText::new(text).monospace();
        let unused = match quantity.read {
            Read::PastToken { step_norm } => {
                let guidance = self.names.get(lane).map(|name| &name.guidance);
                guidance.is_none_or(|guidance| {
                    !guidance.is_perturbed() || guidance.perturbation.step_norm != step_norm
                })
            }
            _ => false,
        };
        if unused {
            ui.label(text.color(self.palette.secondary))
                .on_hover_text("What it would be; this lane does not use it.");
        } else {
            ui.label(text);
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
