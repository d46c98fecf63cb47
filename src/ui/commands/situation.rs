//! What decides whether a command can be given, and what it acts on.

use crate::ui::state::model::RecentModel;
use crate::ui::state::run_view::RunView;
use crate::ui::state::shared::Shared;
use crate::ui::state::zoom::WindowZoom;
use crate::ui::theme::ThemeChoice;

/// The window as commands see it.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// Runs of the session, oldest first.
    pub runs: &'a [RunView],
    /// How they are looked at.
    pub shared: &'a Shared,
    /// The sheet of shortcuts is open.
    pub sheet_open: bool,
    /// Model files can be opened.
    pub can_open_models: bool,
    /// Models that were opened, the newest first.
    pub recent: &'a [RecentModel],
    /// The model draws scenarios.
    pub draws_scenarios: bool,
    /// Dark or light.
    pub theme: ThemeChoice,
    /// How large everything is.
    pub zoom: WindowZoom,
}

impl<'a> Situation<'a> {
    /// The run in view.
    pub fn shown(&self) -> Option<&'a RunView> {
        self.shared.run(self.runs)
    }

    /// The run that is being decoded or paused, if any.
    pub fn running(&self) -> Option<&'a RunView> {
        self.runs.iter().rev().find(|run| !run.status.is_over())
    }
}
