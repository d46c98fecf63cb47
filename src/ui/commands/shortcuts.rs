//! Shortcuts: one table that both handles the keys and fills the sheet.

use crate::ui::action::Action;
use crate::ui::kit::fonts;
use crate::ui::settings::prompt_field;
use crate::ui::settings::panel::dice_seed;
use crate::ui::app::state::State;
use crate::ui::theme::palette;
use egui::{Context, Frame, Id, Key, KeyboardShortcut, Modal, Modifiers, Ui};

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Start a run.
    Generate,
    /// Close the sheet, stop the run, or let go of the pinned token; the first that applies.
    Escape,
    /// Give the keyboard to the prompt.
    EditPrompt,
    /// Take a new seed.
    NewSeed,
    /// Switch Live.
    ToggleLive,
    /// Save the image of the lane under the pointer, else of the last lane.
    SaveImage,
    /// Save the trace.
    SaveTrace,
    /// Take the settings of the run in view back.
    RestoreSettings,
    /// Choose files of a model.
    OpenModel,
    /// Dark or light.
    SwitchTheme,
    /// Show or hide the sheet.
    ToggleSheet,
}

/// One line of the table.
pub struct Shortcut {
    /// Group in the sheet.
    pub group: &'static str,
    /// The keys as they are read.
    pub keys: &'static str,
    /// What they do.
    pub does: &'static str,
    /// The key; `None` where the panel in question, or egui, handles it itself.
    pub key: Option<(KeyboardShortcut, Command)>,
}

const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND, key)
}

const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::COMMAND.plus(Modifiers::SHIFT), key)
}

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn line(
    group: &'static str,
    keys: &'static str,
    does: &'static str,
    key: Option<(KeyboardShortcut, Command)>,
) -> Shortcut {
    Shortcut { group, keys, does, key }
}

/// All of them. Those with more modifiers stand first: egui lets Ctrl+S match Ctrl+Shift+S.
pub static SHORTCUTS: &[Shortcut] = &[
    line("Run", "Ctrl+Enter", "Generate", Some((ctrl(Key::Enter), Command::Generate))),
    line("Run", "Esc", "Stop, or let go of the token", Some((plain(Key::Escape), Command::Escape))),
    line("Run", "Ctrl+L", "Edit the prompt", Some((ctrl(Key::L), Command::EditPrompt))),
    line("Run", "Ctrl+D", "New seed", Some((ctrl(Key::D), Command::NewSeed))),
    line("Run", "Ctrl+Shift+L", "Live on or off", Some((ctrl_shift(Key::L), Command::ToggleLive))),
    line(
        "Run",
        "Ctrl+R",
        "Take the run's settings back",
        Some((ctrl(Key::R), Command::RestoreSettings)),
    ),
    line("Timeline", "← →", "One token back or on", None),
    line("Timeline", "↑ ↓", "One row back or on", None),
    line("Timeline", "Home End", "First or newest token", None),
    line("Timeline", "Space", "Play or pause", None),
    line("Images", "Wheel, drag", "Zoom and move all lanes", None),
    line("Images", "Double click", "Fit", None),
    line("Images", "Click", "Pin a token", None),
    line("Images", "Alt", "Flip: the other lane", None),
    line("Files", "Ctrl+S", "Save the image pointed at", Some((ctrl(Key::S), Command::SaveImage))),
    line("Files", "Ctrl+Shift+S", "Save trace", Some((ctrl_shift(Key::S), Command::SaveTrace))),
    line("Files", "Ctrl+O", "Open model", Some((ctrl(Key::O), Command::OpenModel))),
    line("Window", "Ctrl+T", "Dark or light", Some((ctrl(Key::T), Command::SwitchTheme))),
    line("Window", "Ctrl and + or −", "Larger or smaller", None),
    line("Window", "? or F1", "This list", Some((plain(Key::F1), Command::ToggleSheet))),
    line("", "", "", Some((plain(Key::Questionmark), Command::ToggleSheet))),
];

/// Who has the keyboard as a frame begins, before panels change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyboard {
    /// A text field is being typed into.
    pub typing: bool,
    /// A menu or popup is open; it takes Escape.
    pub popup: bool,
}

impl Keyboard {
    /// As it is now.
    pub fn now(ctx: &Context) -> Self {
        Self { typing: ctx.text_edit_focused(), popup: egui::Popup::is_any_open(ctx) }
    }
}

/// Handles the keys that panels have left. Call it after the panels, with the keyboard as it was
/// before them.
pub fn handle(ctx: &Context, state: &mut State, keyboard: Keyboard) {
    // More modifiers first, see `SHORTCUTS`.
    let with_shift =
        |shortcut: &&Shortcut| shortcut.key.is_some_and(|(key, _)| key.modifiers.shift);
    let order = SHORTCUTS.iter().filter(with_shift);
    let order = order.chain(SHORTCUTS.iter().filter(|shortcut| !with_shift(shortcut)));
    for (key, command) in order.filter_map(|shortcut| shortcut.key) {
        let letter_or_escape = !key.modifiers.command;
        let function_key = key.logical_key == Key::F1;
        if letter_or_escape && !function_key && (keyboard.typing || keyboard.popup) {
            continue;
        }
        if ctx.input_mut(|input| input.consume_shortcut(&key)) {
            carry_out(ctx, state, command);
        }
    }
}

fn carry_out(ctx: &Context, state: &mut State, command: Command) {
    let shown = state.shown_run().map(|run| (run.record.id, run.lanes.len()));
    match command {
        Command::Generate => state.actions.push(Action::Generate),
        Command::Escape => {
            if state.shell.shortcuts_open {
                state.shell.shortcuts_open = false;
            } else if state.running().is_some() {
                state.actions.push(Action::Cancel);
            } else {
                state.focus.pinned = None;
            }
        }
        Command::EditPrompt => ctx.memory_mut(|memory| memory.request_focus(prompt_field::id())),
        Command::NewSeed => state.set_seed(dice_seed()),
        Command::ToggleLive => state.live = !state.live,
        Command::SaveImage => {
            if let Some((run, lanes)) = shown {
                let lane = state.focus.lane().unwrap_or(lanes.saturating_sub(1));
                state.actions.push(Action::SaveImage { run, lane, with_overlay: false });
            }
        }
        Command::SaveTrace => {
            state.actions.extend(shown.map(|(run, _)| Action::SaveTrace { run }));
        }
        Command::RestoreSettings => {
            state.actions.extend(shown.map(|(run, _)| Action::RestoreSettings(run)));
        }
        Command::OpenModel => {
            if state.shell.can_open_models {
                state.actions.push(Action::OpenModel);
            }
        }
        Command::SwitchTheme => state.theme = state.theme.other(),
        Command::ToggleSheet => state.shell.shortcuts_open = !state.shell.shortcuts_open,
    }
}

/// The sheet, over everything.
pub fn sheet(ctx: &Context, state: &mut State) {
    if !state.shell.shortcuts_open {
        return;
    }
    let colours = palette(ctx);
    let frame = Frame::window(&ctx.global_style()).inner_margin(20).fill(colours.panel);
    let modal = Modal::new(Id::unique("shortcuts")).frame(frame).show(ctx, |ui| {
        ui.set_width(640.0);
        ui.label(fonts::title("Shortcuts"));
        ui.add_space(4.0);
        ui.columns(2, |columns| {
            let [left, right] = columns else { return };
            for group in ["Run", "Files"] {
                table(left, group, state.shell.can_open_models);
            }
            for group in ["Timeline", "Images", "Window"] {
                table(right, group, state.shell.can_open_models);
            }
        });
    });
    if modal.should_close() {
        state.shell.shortcuts_open = false;
    }
}

fn table(ui: &mut Ui, group: &str, can_open_models: bool) {
    let colours = palette(ui.ctx());
    ui.label(fonts::group(group).color(colours.secondary));
    ui.spacing_mut().item_spacing.y = 6.0;
    egui::Grid::new(group).num_columns(2).min_col_width(112.0).spacing([12.0, 0.0]).show(
        ui,
        |ui| {
            for shortcut in SHORTCUTS.iter().filter(|shortcut| shortcut.group == group) {
                let opens = shortcut.key.is_some_and(|(_, command)| command == Command::OpenModel);
                if opens && !can_open_models {
                    continue;
                }
                ui.label(fonts::number(shortcut.keys));
                ui.label(shortcut.does);
                ui.end_row();
            }
        },
    );
    ui.add_space(10.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_stands_twice_and_every_line_is_in_a_group() {
        let mut seen = HashSet::new();
        for shortcut in SHORTCUTS {
            if let Some((key, _)) = shortcut.key {
                let Modifiers { shift, command, .. } = key.modifiers;
                assert!(seen.insert((key.logical_key, shift, command)), "{:?}", key.logical_key);
            }
            let groups = ["Run", "Timeline", "Images", "Files", "Window"];
            assert!(shortcut.keys.is_empty() || groups.contains(&shortcut.group));
        }
    }

    fn press(state: &mut State, key: Key, modifiers: Modifiers, keyboard: Keyboard) {
        let ctx = Context::default();
        let event =
            egui::Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let held = egui::Event::ModifiersChanged(modifiers);
        let input = egui::RawInput { events: vec![held, event], ..Default::default() };
        let mut output = ctx.run_ui(input, |ui| handle(ui.ctx(), state, keyboard));
        output.textures_delta.clear();
    }

    const FREE: Keyboard = Keyboard { typing: false, popup: false };
    const TYPING: Keyboard = Keyboard { typing: true, popup: false };

    #[test]
    fn ctrl_enter_generates_while_typing_too() {
        for keyboard in [FREE, TYPING] {
            let mut state = State::default();
            press(&mut state, Key::Enter, Modifiers::COMMAND, keyboard);
            assert_eq!(state.actions, [Action::Generate]);
        }
    }

    #[test]
    fn a_question_mark_that_is_typed_opens_nothing() {
        let mut state = State::default();
        press(&mut state, Key::Questionmark, Modifiers::SHIFT, TYPING);
        assert!(!state.shell.shortcuts_open);
        press(&mut state, Key::Questionmark, Modifiers::SHIFT, FREE);
        assert!(state.shell.shortcuts_open);
    }

    #[test]
    fn shift_makes_another_shortcut_of_the_same_letter() {
        let mut state = State::default();
        press(&mut state, Key::L, Modifiers::COMMAND | Modifiers::SHIFT, FREE);
        assert!(state.live);
        press(&mut state, Key::L, Modifiers::COMMAND, FREE);
        assert!(state.live);
    }

    #[test]
    fn escape_closes_the_sheet_before_it_lets_go_of_the_token() {
        let mut state = State::default();
        state.shell.shortcuts_open = true;
        state.focus.pinned = Some(3);
        press(&mut state, Key::Escape, Modifiers::NONE, FREE);
        assert_eq!((state.shell.shortcuts_open, state.focus.pinned), (false, Some(3)));
        press(&mut state, Key::Escape, Modifiers::NONE, FREE);
        assert_eq!(state.focus.pinned, None);
    }
}
