//! What panels share of how runs are looked at: the run, its step cursor, the token in focus, the lane
//! whose distributions are shown, and the view's settings. A token marked in one panel is marked in all.

use crate::engine::trace::RunId;
use crate::ui::state::cursor::Cursor;
use crate::ui::state::focus::Focus;
use crate::ui::state::run_view::RunView;
use crate::ui::state::view::ViewSettings;

/// The one value that all panels of the centre read and write.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shared {
    /// The run in view.
    pub shown: Option<RunId>,
    /// Its step cursor.
    pub cursor: Cursor,
    /// The token in focus.
    pub focus: Focus,
    /// The lane whose distributions the inspector shows; a click on a lane's token chooses it.
    pub lane: usize,
    /// How runs are looked at.
    pub view: ViewSettings,
}

impl Shared {
    /// The run in view, among `runs`.
    pub fn run<'a>(&self, runs: &'a [RunView]) -> Option<&'a RunView> {
        RunView::find(runs, self.shown?)
    }

    /// The token to look at closely: the one in focus, else the one at the cursor.
    pub fn step_in_view(&self, run: &RunView) -> Option<usize> {
        let focused = self.focus.focus().filter(|&step| step < run.steps());
        focused.or_else(|| self.cursor.steps_shown(run).checked_sub(1))
    }
}
