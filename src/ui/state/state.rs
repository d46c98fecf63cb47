//! Everything the window knows: the settings being edited, the runs of the sitting, how they are
//! looked at, notices. Panels borrow it; [`crate::ui::app::action::Action`]s change what lies outside it.

use crate::compute::device_kind::DeviceKind;
use crate::engine::settings::{Field, FieldError, RunSettings};
use crate::engine::trace::{RunId, RunRecord, RunStatus, StepRecord};
use crate::models::card::ModelCard;
use crate::opening::request::OpenRequest;
use crate::ui::app::action::Action;
use crate::ui::history::history::Thumbnails;
use crate::ui::open_model::open_dialog::OpenDialog;
use crate::ui::state::centre::CentreState;
use crate::ui::state::view::{Cursor, Focus, ViewSettings};
use crate::ui::theme::ThemeChoice;
use image::RgbImage;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One lane of a run as the window holds it.
#[derive(Default)]
pub struct LaneView {
    /// Trace rows drained so far; the window paints from these, without a lock.
    pub records: Vec<StepRecord>,
    /// Newest pixels, and how many tokens they hold.
    pub newest: Option<(usize, Arc<RgbImage>)>,
    /// Pixels asked for at other cursor positions, by tokens held.
    pub at_cursor: HashMap<usize, Arc<RgbImage>>,
}

/// One run as the window holds it.
pub struct RunView {
    /// The run; its spec, layout and status.
    pub record: Arc<RunRecord>,
    /// One entry per lane, in order.
    pub lanes: Vec<LaneView>,
    /// Status as of this frame.
    pub status: RunStatus,
    /// First step at which the first two lanes part, as of this frame.
    pub first_divergence: Option<usize>,
    /// For each lane the first step at which it parts from the first one, as of this frame.
    pub divergences: Vec<Option<usize>>,
    /// Steps at which the first two lanes drew different tokens, as of this frame.
    pub tokens_that_differ: usize,
    /// Steps every lane has done, as of this frame; stays when the rows of a run out of view are
    /// given back.
    pub steps_done: usize,
    /// Time spent decoding, as of this frame.
    pub elapsed: Duration,
    /// Time spent on previews while decoding, as of this frame.
    pub preview_time: Duration,
    /// Started by a change of the settings, not by the button.
    pub by_live: bool,
}

impl RunView {
    /// A view of a run that has just begun.
    pub fn new(record: Arc<RunRecord>) -> Self {
        let lanes = record.lanes().iter().map(|_| LaneView::default()).collect();
        Self {
            record,
            lanes,
            status: RunStatus::Starting,
            first_divergence: None,
            divergences: Vec::new(),
            tokens_that_differ: 0,
            steps_done: 0,
            elapsed: Duration::ZERO,
            preview_time: Duration::ZERO,
            by_live: false,
        }
    }

    /// Steps every lane has done, as of this frame.
    pub fn steps_done(&self) -> usize {
        self.lanes.iter().map(|lane| lane.records.len()).min().unwrap_or(0)
    }

    /// Takes over what the decoder has added since the last frame.
    pub fn refresh(&mut self) {
        let before = self.steps_done();
        // Status first: once it says that the run is over, no row comes after the ones read below.
        self.status = self.record.status();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            self.record.read_new(index, &mut lane.records);
        }
        self.elapsed = self.record.elapsed();
        self.preview_time = self.record.preview_time();
        self.steps_done = self.steps_done();
        if self.steps_done != before && self.lanes.len() >= 2 {
            self.first_divergence = self.record.first_divergence(0, 1);
            let lanes = 0..self.lanes.len();
            self.divergences = lanes.map(|lane| self.record.first_divergence(0, lane)).collect();
            self.tokens_that_differ = self.record.tokens_that_differ(0, 1);
        }
    }

    /// Gives back what can be read again from the record: rows, and pixels at other positions.
    pub fn release(&mut self) {
        for lane in &mut self.lanes {
            lane.records = Vec::new();
            lane.at_cursor = HashMap::new();
        }
    }

    /// T.
    pub fn steps(&self) -> usize {
        self.record.spec.steps
    }
}

/// State of the model menu.
#[derive(Default)]
pub enum ModelStatus {
    /// Nothing loaded yet.
    #[default]
    Loading,
    /// Ready for runs.
    Ready(Arc<ModelCard>),
    /// Could not be loaded.
    Failed(String),
}

/// How grave a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// Something was done.
    Info,
    /// Something is not as asked.
    Warning,
    /// Something failed.
    Error,
}

/// A message that can be dismissed and copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How grave.
    pub kind: NoticeKind,
    /// What is wrong, then what to do.
    pub message: String,
    /// When it was said; information goes by itself after a while.
    pub since: Instant,
}

/// What the lower panel shows where the inspector has no room of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LowerTab {
    /// The plots.
    #[default]
    Plots,
    /// The inspector.
    Inspector,
}

/// Sizes of the panels that can be dragged, in points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PanelSizes {
    /// Width of the settings.
    pub settings: f32,
    /// Width of the inspector.
    pub inspector: f32,
    /// Height of the plots.
    pub plots: f32,
}

impl Default for PanelSizes {
    fn default() -> Self {
        Self { settings: 290.0, inspector: 320.0, plots: 240.0 }
    }
}

/// A model that was opened before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentModel {
    /// Name as the menu shows it.
    pub name: String,
    /// How to open it again.
    pub request: OpenRequest,
}

impl RecentModel {
    /// Models that are remembered.
    const KEPT: usize = 8;

    /// Puts a model at the front of `recent`, once. Paths that are not Unicode cannot be written to
    /// the settings and are left out.
    pub fn remember(recent: &mut Vec<Self>, name: String, request: OpenRequest) {
        let mut paths = request.paths.iter().chain(&request.tokenizer);
        if request.paths.is_empty() || !paths.all(|path| path.to_str().is_some()) {
            return;
        }
        recent.retain(|other| other.request.paths != request.paths);
        recent.insert(0, Self { name, request });
        recent.truncate(Self::KEPT);
    }
}

/// State of the window's frame: what is open, typed half, or measured.
#[derive(Default)]
pub struct Shell {
    /// The sheet of shortcuts is open.
    pub shortcuts_open: bool,
    /// The scenario whose words are shown above the lanes.
    pub scenario: Option<usize>,
    /// Typed into the search of subjects or classes.
    pub search: String,
    /// The seed as it is being typed; what it stands for lies in the settings.
    pub seed_text: String,
    /// The typed seed is not a number.
    pub seed_error: Option<String>,
    /// The run that was asked to stop.
    pub stopping: Option<RunId>,
    /// What the lower panel shows where the inspector has no room of its own.
    pub lower_tab: LowerTab,
    /// Sizes of the panels that can be dragged.
    pub panels: PanelSizes,
    /// The window is too narrow for an inspector of its own.
    pub narrow: bool,
    /// The window is too low for large thumbnails and rows of two lines.
    pub low: bool,
    /// Time the window takes for a frame, smoothed, in milliseconds.
    pub frame_milliseconds: f32,
    /// Model files can be opened.
    pub can_open_models: bool,
    /// Files that were chosen are being looked at.
    pub surveying: bool,
    /// What was found, while the person decides.
    pub opening: Option<OpenDialog>,
    /// Name of the model that is being loaded, and how far it is, 0 to 1.
    pub loading: Option<(String, f32)>,
    /// Models that were opened, the newest first.
    pub recent: Vec<RecentModel>,
    /// A file dialog is open or a file is being written.
    pub saving: bool,
    /// Where the plots were painted, to cut a picture of them out of the window.
    pub plots_rect: Option<egui::Rect>,
    /// Small pictures of the history.
    pub thumbnails: Thumbnails,
}

/// The whole window's state.
#[derive(Default)]
pub struct State {
    /// The model.
    pub model: ModelStatus,
    /// What the settings panel edits.
    pub settings: RunSettings,
    /// What is wrong with the settings, refreshed each frame they change.
    pub field_errors: Vec<FieldError>,
    /// Re-decode on a change of prompt, γ, k, step norm or seed.
    pub live: bool,
    /// Keep the seed on Generate.
    pub seed_locked: bool,
    /// Dark or light.
    pub theme: ThemeChoice,
    /// Decoder threads of the next run; `None` is physical cores minus one.
    pub decoder_threads: Option<usize>,
    /// Where models are put; chosen when the program is started.
    pub device: DeviceKind,
    /// What is open, typed half, or measured.
    pub shell: Shell,
    /// How runs are looked at.
    pub view: ViewSettings,
    /// The step cursor of the shown run.
    pub cursor: Cursor,
    /// The token in focus.
    pub focus: Focus,
    /// Runs of the sitting, oldest first.
    pub runs: Vec<RunView>,
    /// Which of them is shown.
    pub shown: Option<RunId>,
    /// Messages, oldest first.
    pub notices: Vec<Notice>,
    /// Pictures of codes of the present model.
    pub swatches: HashMap<u32, Arc<RgbImage>>,
    /// What panels asked for this frame.
    pub actions: Vec<Action>,
    /// Textures and caches of the centre; nothing that has to last.
    pub centre: CentreState,
}

impl State {
    /// The model, once it is ready.
    pub fn card(&self) -> Option<&Arc<ModelCard>> {
        match &self.model {
            ModelStatus::Ready(card) => Some(card),
            _ => None,
        }
    }

    /// Whether a model is ready for runs.
    pub fn model_is_ready(&self) -> bool {
        matches!(self.model, ModelStatus::Ready(_))
    }

    /// The run in view.
    pub fn shown_run(&self) -> Option<&RunView> {
        let id = self.shown?;
        self.runs.iter().rev().find(|run| run.record.id == id)
    }

    /// The run in view, to change.
    pub fn shown_run_mut(&mut self) -> Option<&mut RunView> {
        let id = self.shown?;
        self.runs.iter_mut().rev().find(|run| run.record.id == id)
    }

    /// Adds a message.
    pub fn notify(&mut self, kind: NoticeKind, message: impl Into<String>) {
        self.notices.push(Notice { kind, message: message.into(), since: Instant::now() });
    }

    /// The message of a field that is wrong.
    pub fn field_error(&self, field: Field) -> Option<&str> {
        self.field_errors
            .iter()
            .find(|error| error.field == field)
            .map(|error| error.message.as_str())
    }

    /// The run that is being decoded, if any.
    pub fn running(&self) -> Option<&RunView> {
        self.runs.iter().rev().find(|run| !run.status.is_over())
    }

    /// Puts another run in view, at its newest step.
    pub fn show_run(&mut self, id: RunId) {
        if self.shown != Some(id) {
            if let Some(run) = self.shown_run_mut()
                && run.status.is_over()
            {
                run.release();
            }
            self.shown = Some(id);
        }
        let Some(run) = self.shown_run_mut() else { return };
        run.refresh();
        let (position, following, steps) = (run.steps_done, !run.status.is_over(), run.steps());
        // A pinned token stays: runs are compared at it.
        self.focus.pinned = self.focus.pinned.filter(|step| *step < steps);
        self.cursor = Cursor { position, following, playing: false };
    }

    /// Changes the seed, here and in the field.
    pub fn set_seed(&mut self, seed: u64) {
        self.settings.sampling.seed = seed;
        self.shell.seed_text = seed.to_string();
        self.shell.seed_error = None;
    }
}
