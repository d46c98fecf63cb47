//! Hands each panel what it reads, and collects what it asks for.

use crate::ui::app::state::State;
use crate::ui::commands::keyboard;
use crate::ui::commands::keyboard::Keyboard;
use crate::ui::commands::situation::Situation;
use crate::ui::history::panel::HistoryInput;
use crate::ui::inspector::panel::InspectorInput;
use crate::ui::kit::lane::LaneName;
use crate::ui::lanes::panel::LanesInput;
use crate::ui::open_model::panel::OpenModelInput;
use crate::ui::plots::panel::PlotsInput;
use crate::ui::settings::form::Form;
use crate::ui::settings::panel as settings_panel;
use crate::ui::status_bar::bar::StatusBar;
use crate::ui::theme::palette;
use crate::ui::timeline::panel::TimelineInput;
use crate::ui::top_bar::bar::TopBar;
use egui::{Context, Rect, Ui};

/// The model, the scenarios, theme and shortcuts.
pub fn top_bar(ui: &mut Ui, state: &mut State) {
    let bar = TopBar {
        model: &state.model,
        loading: state.progress.loading.as_ref(),
        surveying: state.progress.surveying,
        can_open_models: state.can_open_models,
        recent: &state.recent,
        situation: &situation(state, state.panels.commands.sheet_open),
    };
    let actions = bar.show(ui);
    state.actions.extend(actions);
}

/// Speed, steps, differences.
pub fn status_bar(ui: &mut Ui, state: &mut State) {
    let bar = StatusBar {
        run: state.shared.run(&state.runs),
        model: &state.model,
        frame_ms: state.progress.frame_ms,
        narrow: state.arrangement.narrow,
    };
    bar.show(ui);
}

/// The runs of the session.
pub fn history(ui: &mut Ui, state: &mut State) {
    let input = HistoryInput {
        runs: &state.runs,
        shown: state.shared.shown,
        saving: state.progress.saving,
        low: state.arrangement.low,
    };
    state.actions.extend(state.panels.history.show(ui, &input));
}

/// The settings of the next run.
pub fn settings(ui: &mut Ui, state: &mut State) {
    let running = state.runs.iter().rev().find(|run| !run.status.is_over());
    let mut form = Form {
        settings: &mut state.settings,
        live: &mut state.live,
        seed_locked: &mut state.seed_locked,
        model: &state.model,
        problems: &state.problems,
        running,
        stopping: state.progress.stopping,
        cursor_step: state.shared.cursor.step(),
        decoder_threads: state.decoder_threads,
        device: state.device,
        low: state.arrangement.low,
        tight: state.arrangement.tight,
        panel: &mut state.panels.settings,
        actions: Vec::new(),
    };
    settings_panel::show(ui, &mut form);
    let actions = form.actions;
    state.actions.extend(actions);
}

/// The lanes' images.
pub fn lanes(ui: &mut Ui, state: &mut State) {
    let run = state.shared.run(&state.runs);
    let invitation = match (state.model.card().is_some(), state.problems.is_empty()) {
        (false, _) => "Loading the model",
        (true, true) => "Press Ctrl+Enter to generate",
        (true, false) => "Correct what is marked to generate",
    };
    let input = LanesInput {
        run,
        names: &LaneName::all(run, &state.settings, palette(ui.ctx())),
        layout: state.model.card().map(|card| &card.layout),
        invitation,
    };
    state.actions.extend(state.panels.lanes.show(ui, &input, &mut state.shared));
}

/// The step cursor's bar.
pub fn timeline(ui: &mut Ui, state: &mut State) {
    let run = state.shared.run(&state.runs);
    let names = LaneName::all(run, &state.settings, palette(ui.ctx()));
    let action = TimelineInput { run, names: &names }.show(ui, &mut state.shared);
    state.actions.extend(action);
}

/// Moves the step cursor on while it follows or plays; once a frame, before the panels.
pub fn advance_playback(ctx: &Context, state: &mut State) {
    if let Some(run) = state.shared.run(&state.runs) {
        state.panels.timeline.advance(ctx, run, &mut state.shared);
    }
}

/// The plots.
pub fn plots(ui: &mut Ui, state: &mut State) {
    let run = state.shared.run(&state.runs);
    let names = LaneName::all(run, &state.settings, palette(ui.ctx()));
    let input = PlotsInput { run, names: &names };
    state.actions.extend(state.panels.plots.show(ui, &input, &mut state.shared));
}

/// The token in view.
pub fn inspector(ui: &mut Ui, state: &mut State) {
    let run = state.shared.run(&state.runs);
    let names = LaneName::all(run, &state.settings, palette(ui.ctx()));
    let input = InspectorInput { run, names: &names, swatches: &state.swatches };
    state.actions.extend(state.panels.inspector.show(ui, &input, &mut state.shared));
}

/// The dialog for opening models while it is open, and what a drop would do.
pub fn open_model(ctx: &Context, state: &mut State) {
    let input =
        OpenModelInput { can_open_models: state.can_open_models, saving: state.progress.saving };
    state.actions.extend(state.panels.open_model.show(ctx, &input));
}

/// The sheet of shortcuts and the command palette, while they are open.
pub fn commands(ctx: &Context, state: &mut State) {
    let mut panel = std::mem::take(&mut state.panels.commands);
    let action = panel.show(ctx, &situation(state, panel.sheet_open));
    state.panels.commands = panel;
    state.actions.extend(action);
}

/// What the keys that no panel took ask for.
pub fn keys(ctx: &Context, state: &mut State, keyboard: Keyboard) {
    let situation = situation(state, state.panels.commands.sheet_open);
    let actions = keyboard::handle(ctx, keyboard, &situation);
    state.actions.extend(actions);
}

fn situation(state: &State, sheet_open: bool) -> Situation<'_> {
    Situation {
        runs: &state.runs,
        shared: &state.shared,
        sheet_open,
        can_open_models: state.can_open_models,
        recent: &state.recent,
        draws_scenarios: state.model.draws_scenarios(),
        theme: state.theme,
        zoom: state.zoom,
    }
}

/// Messages, at the lower right of `inside`.
pub fn notices(ctx: &Context, state: &mut State, inside: Rect) {
    state.actions.extend(state.panels.notices.show(ctx, inside));
}
