//! A lane's identity in the window: its name in three lengths, its colour, its dot.

use crate::engine::settings::{LaneKind, RunSettings};
use crate::ui::state::run_view::RunView;
use crate::ui::theme::Palette;
use egui::{Color32, Rect, Response, RichText, Sense, Ui, vec2};

/// Name and colour of a lane as it was run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneName {
    /// Its guidance.
    pub kind: LaneKind,
    /// Whether its weights are step-normalized.
    pub step_norm: bool,
    /// "SoftCFG"
    pub label: &'static str,
    /// The same everywhere.
    pub colour: Color32,
}

impl LaneName {
    /// Name of a lane.
    pub fn new(kind: LaneKind, step_norm: bool, palette: &Palette) -> Self {
        let label = kind.label(step_norm);
        Self { kind, step_norm, label, colour: palette.lane(kind, step_norm) }
    }

    /// Names of all lanes of a run, or of those the settings ask for while there is none.
    pub fn all(run: Option<&RunView>, settings: &RunSettings, palette: &Palette) -> Vec<Self> {
        match run {
            Some(run) => {
                let spec = &run.record.spec;
                let lanes = run.record.lanes().iter();
                lanes.map(|&kind| Self::new(kind, spec.step_norm(kind), palette)).collect()
            }
            None => {
                let lanes = settings.lanes.iter();
                lanes.map(|&kind| Self::new(kind, settings.step_norm, palette)).collect()
            }
        }
    }

    /// Name above narrow images, which the lane's colour helps to tell.
    pub fn narrow(&self) -> &'static str {
        match self.kind {
            LaneKind::SoftCfgNoStepNorm => "No step norm",
            _ => self.label,
        }
    }

    /// Name for narrow columns.
    pub fn short(&self) -> &'static str {
        match (self.kind, self.step_norm) {
            (LaneKind::None, _) => "None",
            (LaneKind::Cfg, _) => "CFG",
            (LaneKind::SoftCfg, true) => "Soft",
            (LaneKind::SoftCfg, false) | (LaneKind::SoftCfgNoStepNorm, _) => "Soft −N",
        }
    }

    /// What the lane's unconditional branch is, in a few words.
    pub fn summary(&self) -> &'static str {
        match (self.kind, self.step_norm) {
            (LaneKind::None, _) => "conditional branch alone",
            (LaneKind::Cfg, _) => "plain unconditional branch",
            (LaneKind::SoftCfg, true) => "confident tokens weigh less",
            (LaneKind::SoftCfg, false) | (LaneKind::SoftCfgNoStepNorm, _) => {
                "confident tokens weigh less, unlimited"
            }
        }
    }

    /// The same in the paper's terms.
    pub fn explanation(&self) -> &'static str {
        match (self.kind, self.step_norm) {
            (LaneKind::None, _) => "Samples from the conditional logits z_c without guidance.",
            (LaneKind::Cfg, _) => {
                "Classifier-free guidance: z_u + scale_s (z_c - z_u), the unconditional branch as it is."
            }
            (LaneKind::SoftCfg, true) => {
                "SoftCFG: the unconditional branch sees each drawn token's value times ŵ, less the more confident the model was of it (Eq. 3), with step normalization (Eq. 9)."
            }
            (LaneKind::SoftCfg, false) | (LaneKind::SoftCfgNoStepNorm, _) => {
                "SoftCFG without step normalization: the unconditional branch sees each drawn token's value times w = 1 - confidence (Eq. 3); the total is not limited."
            }
        }
    }
}

/// A lane's dot and name.
pub fn lane_label(ui: &mut Ui, name: &LaneName) -> Response {
    let from_right = ui.layout().prefer_right_to_left();
    if !from_right {
        lane_dot(ui, name.colour);
    }
    let label = egui::Label::new(RichText::new(name.label).strong()).truncate();
    let response = ui.add(label).on_hover_text(name.explanation());
    if from_right {
        lane_dot(ui, name.colour);
    }
    response
}

/// The dot beside a lane's name.
pub fn lane_dot(ui: &mut Ui, colour: Color32) -> Rect {
    let (rect, _) = ui.allocate_exact_size(vec2(10.0, 14.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.5, colour);
    rect
}
