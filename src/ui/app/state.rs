//! Everything the window knows: the settings being edited, the runs of the session, what is shared of how
//! they are looked at, and the panels with what each keeps. Panels see only what `inputs` hands them.

use crate::compute::device_kind::DeviceKind;
use crate::engine::settings::{RunSettings, SettingError};
use crate::engine::trace::RunId;
use crate::models::card::ModelCard;
use crate::ui::action::Action;
use crate::ui::app::arrangement::Arrangement;
use crate::ui::commands::panel::CommandsPanel;
use crate::ui::file_dialog::panel::FileDialogPanel;
use crate::ui::history::panel::HistoryPanel;
use crate::ui::inspector::panel::InspectorPanel;
use crate::ui::lanes::panel::LanesPanel;
use crate::ui::notices::panel::{NoticeKind, NoticesPanel};
use crate::ui::open_model::panel::OpenModelPanel;
use crate::ui::plots::panel::PlotsPanel;
use crate::ui::settings::form::SettingsPanel;
use crate::ui::state::cursor::Cursor;
use crate::ui::state::dice;
use crate::ui::state::model::{ModelStatus, RecentModel};
use crate::ui::state::run_view::RunView;
use crate::ui::state::shared::Shared;
use crate::ui::state::zoom::WindowZoom;
use crate::ui::theme::ThemeChoice;
use crate::ui::timeline::panel::TimelinePanel;
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;

/// What the panels keep between frames, one entry a panel that keeps anything.
#[derive(Default)]
pub struct Panels {
    /// Settings of the next run.
    pub settings: SettingsPanel,
    /// The lanes' images.
    pub lanes: LanesPanel,
    /// The timeline.
    pub timeline: TimelinePanel,
    /// The plots.
    pub plots: PlotsPanel,
    /// The inspector.
    pub inspector: InspectorPanel,
    /// The history.
    pub history: HistoryPanel,
    /// The dialog for opening models.
    pub open_model: OpenModelPanel,
    /// The dialog for files, where the system has none.
    pub file_dialog: FileDialogPanel,
    /// Messages.
    pub notices: NoticesPanel,
    /// The sheet of shortcuts and the command palette.
    pub commands: CommandsPanel,
}

/// What goes on outside the panels.
#[derive(Default)]
pub struct Progress {
    /// The run that was asked to stop.
    pub stopping: Option<RunId>,
    /// Files that were chosen are being looked at.
    pub surveying: bool,
    /// Name of the model that is being loaded, and how far it is, 0 to 1.
    pub loading: Option<(String, f32)>,
    /// A file dialog is open or a file is being written.
    pub saving: bool,
    /// Time the window takes for a frame, smoothed, in milliseconds.
    pub frame_ms: f32,
}

/// The whole window's state.
#[derive(Default)]
pub struct State {
    /// The model.
    pub model: ModelStatus,
    /// Models that were opened, the newest first.
    pub recent: Vec<RecentModel>,
    /// Model files can be opened.
    pub can_open_models: bool,
    /// What the settings panel edits.
    pub settings: RunSettings,
    /// What is wrong with the settings, refreshed each frame they change.
    pub problems: Vec<SettingError>,
    /// Re-decode on a change of prompt, γ, k, step norm or seed.
    pub live: bool,
    /// Keep the seed on Generate.
    pub seed_locked: bool,
    /// Dark or light.
    pub theme: ThemeChoice,
    /// How large everything is.
    pub zoom: WindowZoom,
    /// Decoder threads of the next run; `None` is physical cores minus one.
    pub decoder_threads: Option<usize>,
    /// Where models are put; chosen when the program is started.
    pub device: DeviceKind,
    /// The scenario whose words are shown above the lanes.
    pub scenario: Option<usize>,
    /// Runs of the session, oldest first.
    pub runs: Vec<RunView>,
    /// Pictures of codes of the present model.
    pub swatches: HashMap<u32, Arc<RgbImage>>,
    /// What panels share of how runs are looked at.
    pub shared: Shared,
    /// What goes on outside the panels.
    pub progress: Progress,
    /// Which panel stands where.
    pub arrangement: Arrangement,
    /// What the panels keep.
    pub panels: Panels,
    /// What panels asked for this frame.
    pub actions: Vec<Action>,
}

impl State {
    /// The model, once it is ready.
    pub fn card(&self) -> Option<&Arc<ModelCard>> {
        self.model.card()
    }

    /// Whether a model is ready for runs.
    pub fn model_is_ready(&self) -> bool {
        self.card().is_some()
    }

    /// The run in view.
    pub fn shown_run(&self) -> Option<&RunView> {
        self.shared.run(&self.runs)
    }

    /// The run that is being decoded, if any.
    pub fn running(&self) -> Option<&RunView> {
        self.runs.iter().rev().find(|run| !run.status.is_over())
    }

    /// Adds a message.
    pub fn notify(&mut self, kind: NoticeKind, message: impl Into<String>) {
        self.panels.notices.notify(kind, message);
    }

    /// Puts another run in view, at its newest step.
    pub fn show_run(&mut self, id: RunId) {
        let Self { runs, shared, .. } = self;
        if shared.shown != Some(id) {
            let before = shared.shown.and_then(|before| RunView::find_mut(runs, before));
            if let Some(run) = before.filter(|run| run.status.is_over()) {
                run.release();
            }
            shared.shown = Some(id);
        }
        let Some(run) = RunView::find_mut(runs, id) else { return };
        run.refresh();
        let (position, following, steps) = (run.steps_done, !run.status.is_over(), run.steps());
        // A pinned token stays: runs are compared at it.
        shared.focus.pinned = shared.focus.pinned.filter(|step| *step < steps);
        shared.cursor = Cursor { position, following, playing: false };
    }

    /// Carries out an action that changes nothing outside this state; gives back any other.
    pub fn apply(&mut self, action: Action) -> Option<Action> {
        match action {
            Action::ShowRun(id) => self.show_run(id),
            Action::DismissScenario => self.scenario = None,
            Action::NewSeed => self.settings.shared.sampling.seed = dice::seed(),
            Action::ToggleLive => self.live = !self.live,
            Action::MoveCursor(by) => {
                if let Some(run) = self.shared.run(&self.runs) {
                    self.shared.cursor.go_in(by, run);
                }
            }
            Action::TogglePlay => {
                if let Some(run) = self.shared.run(&self.runs) {
                    self.shared.cursor.toggle_play(run);
                }
            }
            Action::Unpin => self.shared.focus.pinned = None,
            Action::SetOverlay(overlay) => self.shared.view.set_overlay(overlay),
            Action::SetComparison(comparison) => self.shared.view.comparison = comparison,
            Action::SetPlotTab(tab) => {
                self.shared.view.plot_tab = tab;
                self.arrangement.show_plots();
            }
            Action::FitImages => self.shared.view.fit_images(),
            Action::SetTheme(theme) => self.theme = theme,
            Action::SetZoom(zoom) => self.zoom = zoom,
            Action::ToggleSheet => self.panels.commands.toggle_sheet(),
            Action::TogglePalette => self.panels.commands.toggle_palette(),
            other => return Some(other),
        }
        None
    }
}
