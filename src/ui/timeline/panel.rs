//! The timeline: one bar for the step cursor of all lanes, with the rows of the image, the steps
//! done and the first divergence on it; keys and playback move the same cursor.

use crate::ui::kit::token_text;
use crate::ui::lanes::geometry::steps_per_row;
use crate::ui::lanes::paint::{nested, nested_diamond};
use crate::ui::kit::lane::{LaneName, icon_button, icon_toggle, lane_dot};
use crate::ui::app::state::{RunView, State};
use crate::ui::state::view::Cursor;
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Align, Context, EventFilter, Key, Layout, Modifiers, PopupAnchor, Rect, Response, Sense,
    Stroke, TextStyle, Tooltip, Ui, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{
    ICON_CHEVRON_LEFT, ICON_CHEVRON_RIGHT, ICON_FIRST_PAGE, ICON_LAST_PAGE, ICON_PAUSE,
    ICON_PLAY_ARROW,
};

/// Longest time between two frames that playback makes up for, in seconds.
const LONGEST_FRAME: f32 = 0.1;

/// What playback remembers between frames.
#[derive(Debug, Default)]
pub struct Playback {
    owed: f32,
    known_run: Option<crate::engine::trace::RunId>,
}

/// A move of the step cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// By this many tokens.
    By(isize),
    /// By this many rows of the image.
    Rows(isize),
    /// Before the first token.
    Start,
    /// To the newest token; follows from then on.
    Newest,
    /// To this many tokens.
    To(usize),
}

/// Moves the cursor within the tokens that are drawn.
pub fn move_cursor(cursor: &mut Cursor, by: Move, done: usize, steps_per_row: usize) {
    let now = cursor.position.min(done);
    let (position, following) = match by {
        Move::By(tokens) => (now.saturating_add_signed(tokens), false),
        Move::Rows(rows) => {
            let tokens = isize::try_from(steps_per_row).unwrap_or(isize::MAX).saturating_mul(rows);
            (now.saturating_add_signed(tokens), false)
        }
        Move::Start => (0, false),
        Move::Newest => (done, true),
        Move::To(position) => (position, false),
    };
    cursor.move_to(position, done);
    cursor.following = following;
    cursor.playing = false;
}

/// Starts or stops playback; from the end it starts over.
fn toggle_play(cursor: &mut Cursor, run: &RunView) {
    cursor.playing = !cursor.playing;
    if cursor.playing {
        let at_end = cursor.position >= run.steps_done() && run.status.is_over();
        if at_end {
            cursor.position = 0;
        }
        cursor.following = false;
    }
}

/// Left and Right move by a token, Up and Down by a row, Home and End to the ends, Space plays, Esc
/// lets the pinned token go. Not while a control has the keyboard.
pub fn handle_keys(ctx: &Context, state: &mut State) {
    let on_bar = ctx.memory(|memory| memory.focused()) == Some(bar_id());
    if ctx.egui_wants_keyboard_input() && !on_bar {
        return;
    }
    let pressed = |key| ctx.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    if state.focus.pinned.is_some() && pressed(Key::Escape) {
        state.focus.pinned = None;
    }
    let State { runs, shown, cursor, .. } = state;
    let Some(run) = runs.iter().rev().find(|run| Some(run.record.id) == *shown) else { return };
    let moves = [
        (Key::ArrowLeft, Move::By(-1)),
        (Key::ArrowRight, Move::By(1)),
        (Key::ArrowUp, Move::Rows(-1)),
        (Key::ArrowDown, Move::Rows(1)),
        (Key::Home, Move::Start),
        (Key::End, Move::Newest),
    ];
    for (key, by) in moves {
        if pressed(key) {
            move_cursor(cursor, by, run.steps_done(), steps_per_row(&run.record.layout));
        }
    }
    if pressed(Key::Space) {
        toggle_play(cursor, run);
    }
}

/// Follows the newest step, or moves on by itself. Called once a frame, before the panels.
pub fn advance_playback(ctx: &Context, state: &mut State) {
    let State { runs, shown, cursor, view, centre, .. } = state;
    let Some(run) = runs.iter().rev().find(|run| Some(run.record.id) == *shown) else { return };
    let playback = &mut centre.playback;
    if playback.known_run.is_none() {
        cursor.following = true;
    }
    playback.known_run = Some(run.record.id);
    let done = run.steps_done();
    if cursor.following {
        cursor.position = done;
    }
    if !cursor.playing {
        playback.owed = 0.0;
        return;
    }
    let seconds = ctx.input(|input| input.stable_dt).min(LONGEST_FRAME);
    playback.owed += seconds * view.play_speed.max(0.0);
    let whole = playback.owed.floor();
    playback.owed -= whole;
    cursor.position = cursor.position.saturating_add(whole as usize).min(done);
    if cursor.position >= done && run.status.is_over() {
        cursor.playing = false;
    } else {
        ctx.request_repaint();
    }
}

fn bar_id() -> egui::Id {
    egui::Id::unique("step cursor")
}

/// The timeline in one row.
pub fn show(ui: &mut Ui, state: &mut State) {
    let palette = theme::palette(ui.ctx());
    let State { runs, shown, cursor, focus, .. } = state;
    let run = runs.iter().rev().find(|run| Some(run.record.id) == *shown);
    let width = ui.available_width();
    ui.allocate_ui_with_layout(vec2(width, 32.0), Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        ui.add_enabled_ui(run.is_some(), |ui| buttons(ui, run, cursor));
        let (done, steps) = run.map_or((0, 0), |run| (run.steps_done(), run.steps()));
        let digits = steps.to_string().len().max(3);
        let counter = format!("{:>digits$} / {steps}", cursor.position.min(done));
        let font = TextStyle::Monospace.resolve(ui.style());
        let galley = ui.painter().layout_no_wrap(counter.clone(), font, palette.text);
        ui.add_space(8.0);
        let bar_width = (ui.available_width() - galley.size().x - 14.0).max(40.0);
        bar(ui, run, cursor, focus, bar_width, palette);
        ui.add_space(8.0);
        let tooltip = format!("Tokens drawn at the cursor, of {steps}. {done} are done.");
        ui.add(egui::Label::new(egui::RichText::new(counter).monospace()).extend())
            .on_hover_text(tooltip);
    });
}

fn buttons(ui: &mut Ui, run: Option<&RunView>, cursor: &mut Cursor) {
    let mut go = |ui: &mut Ui, icon, name: &str, tooltip: &str, by: Move| {
        if icon_button(ui, icon, name, tooltip).clicked()
            && let Some(run) = run
        {
            move_cursor(cursor, by, run.steps_done(), steps_per_row(&run.record.layout));
        }
    };
    go(ui, ICON_FIRST_PAGE, "First step", "To before the first token (Home).", Move::Start);
    go(ui, ICON_CHEVRON_LEFT, "Step back", "Back by one token (Left); by a row: Up.", Move::By(-1));
    let mut playing = cursor.playing;
    let icon = if playing { ICON_PAUSE } else { ICON_PLAY_ARROW };
    let name = if playing { "Pause" } else { "Play" };
    let toggled = icon_toggle(ui, icon, &mut playing, name, "Plays the drawing again (Space).");
    if toggled.changed()
        && let Some(run) = run
    {
        toggle_play(cursor, run);
    }
    let mut go = |ui: &mut Ui, icon, name: &str, tooltip: &str, by: Move| {
        if icon_button(ui, icon, name, tooltip).clicked()
            && let Some(run) = run
        {
            move_cursor(cursor, by, run.steps_done(), steps_per_row(&run.record.layout));
        }
    };
    go(
        ui,
        ICON_CHEVRON_RIGHT,
        "Step forward",
        "On by one token (Right); by a row: Down.",
        Move::By(1),
    );
    go(
        ui,
        ICON_LAST_PAGE,
        "Newest step",
        "To the newest token, and follows it (End).",
        Move::Newest,
    );
}

/// Where a number of tokens lies on the bar.
fn x_of(track: Rect, position: usize, steps: usize) -> f32 {
    track.left() + track.width() * position as f32 / steps.max(1) as f32
}

/// The number of tokens nearest to a place on the bar.
fn position_at(track: Rect, x: f32, steps: usize) -> usize {
    let fraction = ((x - track.left()) / track.width().max(1.0)).clamp(0.0, 1.0);
    (fraction * steps as f32).round() as usize
}

fn bar(
    ui: &mut Ui,
    run: Option<&RunView>,
    cursor: &mut Cursor,
    focus: &mut crate::ui::state::view::Focus,
    width: f32,
    palette: &Palette,
) {
    let (_, rect) = ui.allocate_space(vec2(width, 30.0));
    let response = ui.interact(rect, bar_id(), Sense::click_and_drag());
    let track = Rect::from_center_size(rect.center(), vec2(rect.width() - 16.0, 4.0));
    let (done, steps) = run.map_or((0, 0), |run| (run.steps_done(), run.steps()));
    if let Some(run) = run {
        interact(ui, &response, run, cursor, track, focus);
    }
    let shown = cursor.position.min(done);
    describe(ui, &response, shown, done);

    let painter = ui.painter_at(rect);
    painter.rect_filled(track, 2.0, palette.raised);
    let to =
        |position| Rect::from_min_max(track.min, pos2(x_of(track, position, steps), track.max.y));
    if steps > 0 {
        painter.rect_filled(to(done), 2.0, palette.secondary.gamma_multiply(0.55));
        painter.rect_filled(to(shown), 2.0, palette.accent);
    }
    let Some(run) = run else { return };
    row_ticks(&painter, run, track, palette);
    let mark = |step: usize| x_of(track, step, steps);
    if let Some(step) = focus.focus().filter(|&step| step < steps) {
        let x = 0.5 * (mark(step) + mark(step + 1));
        painter.vline(x, rect.y_range().shrink(5.0), Stroke::new(2.0, palette.text));
    }
    let knob = pos2(mark(shown), track.center().y);
    let border = Stroke::new(2.0, palette.panel);
    painter.circle(knob, 7.0, palette.accent, border);
    if response.has_focus() {
        painter.circle_stroke(knob, 10.0, Stroke::new(1.5, palette.accent));
    }
    let parted: Vec<_> =
        divergences(run, palette).map(|(step, name)| (step, name.colour)).collect();
    // Closer than this they would hide one another.
    let within = (6.0 * steps as f32 / track.width().max(1.0)) as usize;
    for (step, nested, colour) in nested(&parted, within) {
        let at = pos2(mark(step), track.top() - 7.0);
        nested_diamond(&painter, at, 6.5, nested, colour, palette.panel);
    }
}

fn interact(
    ui: &Ui,
    response: &Response,
    run: &RunView,
    cursor: &mut Cursor,
    track: Rect,
    focus: &mut crate::ui::state::view::Focus,
) {
    let (done, steps) = (run.steps_done(), run.steps());
    let per_row = steps_per_row(&run.record.layout);
    let requests = ui.input(|input| {
        use egui::accesskit::{Action, ActionData};
        let count = |action| input.num_accesskit_action_requests(response.id, action) as isize;
        let set = input.accesskit_action_requests(response.id, Action::SetValue);
        let value = set.filter_map(|request| match request.data {
            Some(ActionData::NumericValue(value)) => Some(value),
            _ => None,
        });
        (value.last(), count(Action::Increment) - count(Action::Decrement))
    });
    if let (Some(value), _) = requests {
        move_cursor(cursor, Move::To(value.max(0.0) as usize), done, per_row);
    } else if requests.1 != 0 {
        move_cursor(cursor, Move::By(requests.1), done, per_row);
    }
    if response.has_focus() {
        let arrows =
            EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
        ui.ctx().memory_mut(|memory| memory.set_focus_lock_filter(response.id, arrows));
    }
    if (response.dragged() || response.clicked())
        && let Some(pointer) = response.interact_pointer_pos()
    {
        move_cursor(cursor, Move::To(position_at(track, pointer.x, steps)), done, per_row);
    } else if let Some(pointer) = response.hover_pos()
        && let Some(step) = position_at(track, pointer.x, steps).checked_sub(1)
        && step < done
    {
        focus.hover(step, None);
    }
    let Some(pointer) = response.hover_pos() else { return };
    let layer = response.layer_id;
    let anchor = PopupAnchor::Position(pos2(pointer.x, track.top() - 12.0));
    let position = position_at(track, pointer.x, steps).min(done);
    let text = match position.checked_sub(1) {
        Some(step) => token_text::token_name(&run.record.layout, step),
        None => "Before the first token".into(),
    };
    let palette = theme::palette(ui.ctx());
    let parted = divergences(run, palette).filter(|(step, _)| step + 1 == position);
    let parted: Vec<LaneName> = parted.map(|(_, name)| name).collect();
    let first = LaneName::of_run(run, palette).first().map_or("the first lane", |name| name.label);
    let mut tooltip = Tooltip::always_open(ui.ctx().clone(), layer, response.id, anchor).gap(4.0);
    tooltip.popup = tooltip.popup.align(egui::RectAlign::TOP);
    tooltip.show(|ui| {
        ui.label(text);
        for name in parted {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                lane_dot(ui, name.colour);
                ui.label(format!("{} parts from {first} here.", name.label));
            });
        }
    });
}

/// Where lanes part from the first one.
fn divergences(run: &RunView, palette: &Palette) -> impl Iterator<Item = (usize, LaneName)> {
    let names = LaneName::of_run(run, palette);
    run.divergences.iter().copied().zip(names).filter_map(|(step, name)| Some((step?, name)))
}

fn describe(ui: &Ui, response: &Response, shown: usize, done: usize) {
    let value = shown as f64;
    response.widget_info(|| WidgetInfo::slider(ui.is_enabled(), value, "Step cursor"));
    ui.ctx().accesskit_node_builder(response.id, |node| {
        use egui::accesskit::Action;
        node.set_min_numeric_value(0.0);
        node.set_max_numeric_value(done as f64);
        node.set_numeric_value_step(1.0);
        node.add_action(Action::SetValue);
        node.add_action(Action::Increment);
        node.add_action(Action::Decrement);
        node.set_description("Tokens drawn. Drag, or use the arrow keys.");
    });
}

fn row_ticks(painter: &egui::Painter, run: &RunView, track: Rect, palette: &Palette) {
    let starts = run.record.layout.row_starts();
    let spacing = track.width() / starts.len().max(1) as f32;
    let every = (6.0 / spacing).ceil().max(1.0) as usize;
    let steps = run.steps();
    let stroke = Stroke::new(1.0, palette.secondary.gamma_multiply(0.6));
    for &start in starts.iter().step_by(every) {
        let from = track.bottom() + 3.0;
        painter.vline(x_of(track, start, steps), from..=from + 4.0, stroke);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_stays_within_what_is_drawn() {
        let mut cursor = Cursor { position: 10, following: true, playing: true };
        move_cursor(&mut cursor, Move::By(-1), 40, 16);
        assert_eq!(cursor, Cursor { position: 9, following: false, playing: false });
        move_cursor(&mut cursor, Move::Rows(-1), 40, 16);
        assert_eq!(cursor.position, 0);
        move_cursor(&mut cursor, Move::Rows(1), 40, 16);
        assert_eq!(cursor.position, 16);
        move_cursor(&mut cursor, Move::To(99), 40, 16);
        assert_eq!(cursor.position, 40);
        move_cursor(&mut cursor, Move::Start, 40, 16);
        assert_eq!((cursor.position, cursor.following), (0, false));
        move_cursor(&mut cursor, Move::Newest, 40, 16);
        assert_eq!((cursor.position, cursor.following), (40, true));
    }

    #[test]
    fn places_on_the_bar_and_back() {
        let track = Rect::from_min_size(pos2(20.0, 0.0), vec2(300.0, 4.0));
        for position in [0, 1, 103, 255, 256] {
            assert_eq!(position_at(track, x_of(track, position, 256), 256), position);
        }
        assert_eq!(position_at(track, -50.0, 256), 0);
        assert_eq!(position_at(track, 9000.0, 256), 256);
        assert_eq!(position_at(track, 50.0, 0), 0);
    }
}
