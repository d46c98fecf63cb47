//! What the settings panel reads and edits in one frame, and what it keeps between frames.

use crate::compute::device_kind::DeviceKind;
use crate::engine::settings::{RunSettings, SettingError, SettingKey};
use crate::engine::trace::RunId;
use crate::ui::action::Action;
use crate::ui::kit::typed_number::TypedNumber;
use crate::ui::state::model::ModelStatus;
use crate::ui::state::run_view::RunView;

/// What the panel keeps between frames: what is typed half.
#[derive(Default)]
pub struct SettingsPanel {
    /// Typed into the search of subjects or classes.
    pub search: String,
    /// The seed as it is typed.
    pub seed: Option<TypedNumber<u64>>,
}

/// One frame of the panel.
pub struct Form<'a> {
    /// Settings of the next run.
    pub settings: &'a mut RunSettings,
    /// Re-decode on every change.
    pub live: &'a mut bool,
    /// Keep the seed on Generate.
    pub seed_locked: &'a mut bool,
    /// The model.
    pub model: &'a ModelStatus,
    /// What is wrong with the settings.
    pub problems: &'a [SettingError],
    /// The run that is being decoded, if any.
    pub running: Option<&'a RunView>,
    /// The run that was asked to stop.
    pub stopping: Option<RunId>,
    /// The cursor's step in the shown run.
    pub cursor_step: Option<usize>,
    /// Decoder threads of the next run; `None` is the default.
    pub decoder_threads: Option<usize>,
    /// Where models are put.
    pub device: DeviceKind,
    /// The window is low: names stand beside their sliders.
    pub low: bool,
    /// The window is very low: only what is needed most stands fixed.
    pub tight: bool,
    /// What the panel keeps.
    pub panel: &'a mut SettingsPanel,
    /// What it asks for.
    pub actions: Vec<Action>,
}

impl<'a> Form<'a> {
    /// The message of a setting that is wrong; of the list of lanes for `None`.
    pub fn problem(&self, key: Option<SettingKey>) -> Option<&'a str> {
        let problems = self.problems;
        problems.iter().find(|problem| problem.key == key).map(|problem| problem.message.as_str())
    }
}
