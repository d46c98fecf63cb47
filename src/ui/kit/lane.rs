//! A lane's identity in the window: its name in three lengths, its colour, its dot.

use crate::engine::settings::RunSettings;
use crate::guidance::presets::PresetInfo;
use crate::guidance::{Guidance, Preset};
use crate::ui::state::run_view::RunView;
use crate::ui::theme::Palette;
use egui::{Color32, Rect, Response, RichText, Sense, Ui, vec2};

/// Name and colour of a lane as it was run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaneName {
    /// Its guidance.
    pub guidance: Guidance,
    /// What is known of the preset that describes it.
    pub info: &'static PresetInfo,
    /// "SoftCFG"
    pub label: &'static str,
    /// The same everywhere.
    pub colour: Color32,
}

impl LaneName {
    /// Name of a lane that is guided so.
    pub fn new(guidance: Guidance, palette: &Palette) -> Self {
        let preset = Preset::of(&guidance);
        let info = preset.info();
        Self { guidance, info, label: info.label, colour: palette.lane(preset) }
    }

    /// Names of all lanes of a run, or of those the settings ask for while there is none.
    pub fn all(run: Option<&RunView>, settings: &RunSettings, palette: &Palette) -> Vec<Self> {
        let name = |guidance| Self::new(guidance, palette);
        match run {
            Some(run) => {
                run.record.lanes().iter().map(|lane| name(lane.settings.guidance)).collect()
            }
            None => settings.lanes.iter().map(|&preset| name(settings.guidance(preset))).collect(),
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
    let response = ui.add(label).on_hover_text(name.info.explanation);
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
