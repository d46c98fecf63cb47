//! The inspector of one token: the hovered, else the pinned, else the one at the cursor. Its numbers
//! in every lane, and what each branch wanted in one of them.

use crate::engine::trace::{RunId, StepRecord};
use crate::ui::action::Action;
use crate::ui::inspector::top_tokens;
use crate::ui::inspector::top_tokens::{Swatches, TopView};
use crate::ui::kit::token_text;
use crate::ui::kit::token_text::number;
use crate::ui::lanes::textures::SwatchTextures;
use crate::ui::lanes::overlay::weights_at;
use crate::ui::kit::lane;
use crate::ui::kit::lane::{LaneName, secondary};
use crate::ui::app::state::{RunView, State};
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{Align, Label, Layout, RichText, ScrollArea, Stroke, Ui, UiBuilder, vec2};

/// Height of a line of numbers.
const LINE: f32 = 19.0;
/// Width from which numbers and top tokens stand beside each other.
const TWO_COLUMNS: f32 = 540.0;
/// Shortest time between two requests for swatches while the token changes, in seconds.
const REQUEST_EVERY: f64 = 0.08;

/// What the inspector keeps between frames.
#[derive(Default)]
pub struct InspectorState {
    /// The lane whose distributions are shown.
    pub lane: usize,
    swatches: SwatchTextures,
    asked_for: Option<(RunId, usize, usize, usize)>,
    asked_at: f64,
}

/// The inspector in all the room there is.
pub fn show(ui: &mut Ui, state: &mut State) {
    let palette = theme::palette(ui.ctx());
    let State { runs, shown, cursor, focus, actions, swatches, centre, .. } = state;
    let run = runs.iter().rev().find(|run| Some(run.record.id) == *shown);
    let Some(run) = run else {
        empty(ui, "Token", "Hover a token of an image to see what each branch wanted.", palette);
        return;
    };
    let Some(step) = centre::step_in_view(run, cursor, focus.focus()) else {
        empty(ui, "Token", "No token is drawn at the cursor.", palette);
        return;
    };
    let how = if focus.hovered() == Some(step) {
        if focus.pinned == Some(step) { "pinned, Esc lets go" } else { "click pins it" }
    } else if focus.pinned == Some(step) {
        "pinned, Esc lets go"
    } else {
        "at the step cursor"
    };
    let inspector = &mut centre.inspector;
    inspector.lane = inspector.lane.min(run.lanes.len().saturating_sub(1));
    let lane = focus.lane().filter(|&lane| lane < run.lanes.len()).unwrap_or(inspector.lane);
    let names = LaneName::of_run(run, palette);
    let token = Token {
        run,
        names: &names,
        step,
        weights_step: centre::steps_shown(run, cursor).saturating_sub(1),
        palette,
    };
    let wanted = top_tokens::codes_in_view(run, lane, step);
    let missing: Vec<u32> =
        wanted.into_iter().filter(|code| !swatches.contains_key(code)).collect();
    request(ui, inspector, (run.record.id, step, lane, missing.len()), missing, actions);

    let wide = ui.available_width() >= TWO_COLUMNS;
    ScrollArea::vertical().id_salt("inspector").auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let mut pictures = Swatches { images: swatches, textures: &mut inspector.swatches };
        let mut top = TopView { run, names: &names, step, lane, selected: &mut inspector.lane };
        if !wide {
            title(ui, &token, how);
            token.figures(ui, &mut pictures);
            ui.add_space(10.0);
            top_tokens::show(ui, &mut top, &mut pictures);
            return;
        }
        let rect = ui.available_rect_before_wrap();
        let (left, mut right) = rect.split_left_right_at_fraction(0.48);
        right.min.x += 20.0;
        let mut left_ui = ui.new_child(UiBuilder::new().max_rect(left).id_salt("figures"));
        title(&mut left_ui, &token, how);
        token.figures(&mut left_ui, &mut pictures);
        let mut right_ui = ui.new_child(UiBuilder::new().max_rect(right).id_salt("wanted"));
        top_tokens::show(&mut right_ui, &mut top, &mut pictures);
        ui.advance_cursor_after_rect(left_ui.min_rect().union(right_ui.min_rect()));
    });
}

/// A lane's name over its column, among `lanes` of them.
fn column_name(ui: &mut Ui, name: &LaneName, lanes: usize) {
    let roomy = ui.available_width() >= 60.0;
    let text = if lanes > 2 { name.short() } else { name.label };
    let label = Label::new(RichText::new(text).small()).selectable(false).extend();
    let response = ui.add(label);
    if roomy {
        centre::lane_dot(ui, name.colour);
    } else {
        let line = Stroke::new(2.0, name.colour);
        ui.painter().hline(response.rect.x_range(), response.rect.bottom() + 1.5, line);
    }
    response.on_hover_ui(|ui| {
        ui.label(RichText::new(name.label).strong());
        ui.label(name.explanation());
    });
}

fn empty(ui: &mut Ui, heading: &str, text: &str, palette: &Palette) {
    ui.heading(heading);
    ui.add_space(4.0);
    ui.label(secondary(text, palette));
}

fn title(ui: &mut Ui, token: &Token, how: &str) {
    let name = token_text::token_name(&token.run.record.layout, token.step);
    ui.add(Label::new(RichText::new(name).heading()).truncate());
    ui.label(secondary(how, token.palette));
    ui.add_space(6.0);
}

/// Asks for swatches once per change of the token, and not faster than they can be made.
fn request(
    ui: &Ui,
    inspector: &mut InspectorState,
    key: (RunId, usize, usize, usize),
    missing: Vec<u32>,
    actions: &mut Vec<Action>,
) {
    if missing.is_empty() || inspector.asked_for == Some(key) {
        return;
    }
    let now = ui.input(|input| input.time);
    if now - inspector.asked_at < REQUEST_EVERY && inspector.asked_for.is_some() {
        ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(REQUEST_EVERY));
        return;
    }
    (inspector.asked_for, inspector.asked_at) = (Some(key), now);
    actions.push(Action::RequestSwatches(missing));
}

/// The token in view.
struct Token<'a> {
    run: &'a RunView,
    names: &'a [LaneName],
    step: usize,
    /// The step whose weights are shown.
    weights_step: usize,
    palette: &'static Palette,
}

impl Token<'_> {
    fn record(&self, lane: usize) -> Option<&StepRecord> {
        self.run.lanes.get(lane)?.records.get(self.step)
    }

    /// One line a quantity, one column a lane.
    fn figures(&self, ui: &mut Ui, swatches: &mut Swatches) {
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
        if self.run.record.spec.settings.delta_context {
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
                    let kind = *self.run.record.lanes().get(lane)?;
                    let records = &self.run.lanes.get(lane)?.records;
                    let spec = &self.run.record.spec;
                    // A token that is not weighed yet shows its first weight.
                    let step = self.weights_step.max(self.step + 1);
                    let weights = weights_at(spec, kind, records, step, Some(step_norm));
                    weights.get(self.step).copied()
                })
                .collect();
            self.cells(ui, label, tooltip, |ui, lane| {
                let text = number(values.get(lane).copied().flatten(), 3);
                let text = RichText::new(text).monospace();
                let name = self.names.get(lane);
                let applied = name.is_some_and(|n| n.kind.is_soft() && n.step_norm == step_norm);
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
