//! Everything the window knows: the settings being edited, the runs of the sitting, how they are
//! looked at, notices. Panels borrow it; [`crate::ui::action::Action`]s change what lies outside it.

use crate::engine::settings::{FieldError, RunSettings};
use crate::engine::trace::{RunId, RunRecord, RunStatus, StepRecord};
use crate::models::card::ModelCard;
use crate::ui::action::Action;
use crate::ui::centre::CentreState;
use crate::ui::view::{Cursor, Focus, ViewSettings};
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;

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
}

impl RunView {
    /// A view of a run that has just begun.
    pub fn new(record: Arc<RunRecord>) -> Self {
        let lanes = record.lanes().iter().map(|_| LaneView::default()).collect();
        Self { record, lanes, status: RunStatus::Starting, first_divergence: None }
    }

    /// Steps every lane has done, as of this frame.
    pub fn steps_done(&self) -> usize {
        self.lanes.iter().map(|lane| lane.records.len()).min().unwrap_or(0)
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
        self.notices.push(Notice { kind, message: message.into() });
    }
}
