//! The timeline: one bar for the step cursor of all lanes, with buttons beside it; keys and playback move
//! the same cursor.

use crate::engine::trace::RunId;
use crate::ui::action::Action;
use crate::ui::commands::table;
use crate::ui::commands::table::Command;
use crate::ui::kit::controls::{icon_button, icon_toggle};
use crate::ui::kit::lane::LaneName;
use crate::ui::state::cursor::{Cursor, Move};
use crate::ui::state::run_view::RunView;
use crate::ui::state::shared::Shared;
use crate::ui::theme;
use crate::ui::timeline::bar::Bar;
use egui::{Align, Context, Layout, TextStyle, Ui, vec2};
use egui_material_icons::icons::{
    ICON_CHEVRON_LEFT, ICON_CHEVRON_RIGHT, ICON_FIRST_PAGE, ICON_LAST_PAGE, ICON_PAUSE,
    ICON_PLAY_ARROW,
};

/// Longest time between two frames that playback makes up for, in seconds.
const LONGEST_FRAME: f32 = 0.1;

/// What playback keeps between frames.
#[derive(Debug, Default)]
pub struct TimelinePanel {
    /// Fractions of a step that playback still owes.
    owed: f32,
    known_run: Option<RunId>,
}

/// What the timeline reads.
pub struct TimelineInput<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Names of its lanes.
    pub names: &'a [LaneName],
}

impl TimelinePanel {
    /// Follows the newest step, or moves on by itself. Called once a frame, before the panels.
    pub fn advance(&mut self, ctx: &Context, run: &RunView, shared: &mut Shared) {
        let cursor = &mut shared.cursor;
        if self.known_run.is_none() {
            cursor.following = true;
        }
        self.known_run = Some(run.record.id);
        let done = run.steps_done();
        if cursor.following {
            cursor.position = done;
        }
        if !cursor.playing {
            self.owed = 0.0;
            return;
        }
        let seconds = ctx.input(|input| input.stable_dt).min(LONGEST_FRAME);
        self.owed += seconds * shared.view.play_speed.max(0.0);
        let whole = self.owed.floor();
        self.owed -= whole;
        cursor.position = cursor.position.saturating_add(whole as usize).min(done);
        if cursor.position >= done && !run.status.is_decoding() {
            cursor.playing = false;
        } else {
            ctx.request_repaint();
        }
    }
}

impl TimelineInput<'_> {
    /// The timeline in one row; returns what it asks for.
    pub fn show(&self, ui: &mut Ui, shared: &mut Shared) -> Option<Action> {
        let mut action = None;
        let palette = theme::palette(ui.ctx());
        let Shared { cursor, focus, .. } = shared;
        let (width, run) = (ui.available_width(), self.run);
        ui.allocate_ui_with_layout(vec2(width, 32.0), Layout::left_to_right(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            ui.add_enabled_ui(run.is_some(), |ui| action = buttons(ui, run, cursor));
            let (done, steps) = run.map_or((0, 0), |run| (run.steps_done(), run.steps()));
            let digits = steps.to_string().len().max(3);
            let counter = format!("{:>digits$} / {steps}", cursor.position.min(done));
            let font = TextStyle::Monospace.resolve(ui.style());
            let galley = ui.painter().layout_no_wrap(counter.clone(), font, palette.text);
            ui.add_space(8.0);
            let bar_width = (ui.available_width() - galley.size().x - 14.0).max(40.0);
            let bar = Bar { run, names: self.names, palette };
            bar.show(ui, cursor, focus, bar_width);
            ui.add_space(8.0);
            let tooltip = format!("Tokens drawn at the cursor, of {steps}. {done} are done.");
            ui.add(egui::Label::new(egui::RichText::new(counter).monospace()).extend())
                .on_hover_text(tooltip);
        });
        action
    }
}

fn buttons(ui: &mut Ui, run: Option<&RunView>, cursor: &mut Cursor) -> Option<Action> {
    let go = |ui: &mut Ui, cursor: &mut Cursor, icon, command: &Command, by: Move| {
        if icon_button(ui, icon, command.label, command.hint()).clicked()
            && let Some(run) = run
        {
            cursor.go_in(by, run);
        }
    };
    go(ui, cursor, ICON_FIRST_PAGE, &table::FIRST_STEP, Move::Start);
    go(ui, cursor, ICON_CHEVRON_LEFT, &table::STEP_BACK, Move::By(-1));
    let mut playing = cursor.playing;
    let name = if playing { "Pause" } else { "Play" };
    let icons = (ICON_PAUSE, ICON_PLAY_ARROW);
    if icon_toggle(ui, &mut playing, icons, name, table::PLAY.hint()).changed()
        && let Some(run) = run
    {
        cursor.toggle_play(run);
    }
    let waits = run.is_some_and(|run| run.waits_at(cursor.position));
    let command = &table::STEP_FORWARD;
    let forward = icon_button(ui, ICON_CHEVRON_RIGHT, command.label, command.hint()).clicked();
    if let Some(run) = run.filter(|_| forward && !waits) {
        cursor.go_in(Move::By(1), run);
    }
    go(ui, cursor, ICON_LAST_PAGE, &table::NEWEST_STEP, Move::Newest);
    (forward && waits).then_some(Action::DecodeStep)
}
