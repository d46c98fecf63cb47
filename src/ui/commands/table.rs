//! The table of commands: menus, buttons, shortcuts, the sheet and the palette are made from it.

use crate::engine::trace::RunStatus;
use crate::ui::action::Action;
use crate::ui::commands::situation::Situation;
use crate::ui::kit::controls::Hint;
use crate::ui::state::cursor::Move;
use crate::ui::state::zoom::ZoomStep;
use egui::{Key, KeyboardShortcut, Modifiers};

/// Groups of the sheet, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Runs and their settings.
    Run,
    /// The step cursor.
    Timeline,
    /// The lanes' images.
    Images,
    /// What is opened and saved.
    Files,
    /// The window itself.
    Window,
}

impl Group {
    /// Title in the sheet.
    pub fn title(self) -> &'static str {
        match self {
            Self::Run => "Run",
            Self::Timeline => "Timeline",
            Self::Images => "Images",
            Self::Files => "Files",
            Self::Window => "Window",
        }
    }
}

/// Where the keyboard may be for a command's keys to be read. Keys with Ctrl and function keys are read
/// wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere but in a text field or a menu.
    Window,
    /// Where no control has the keyboard.
    Centre,
}

/// One command.
pub struct Command {
    /// Group in the sheet.
    pub group: Group,
    /// Name in menus, sheet and palette, and what a button is called.
    pub label: &'static str,
    /// What it does, in one sentence.
    pub tooltip: &'static str,
    /// The keys, the one that is shown first.
    pub keys: &'static [KeyboardShortcut],
    /// Where its keys are read.
    pub reach: Reach,
    /// What it asks for; `None` while it cannot be given.
    pub action: fn(&Situation) -> Option<Action>,
}

impl Command {
    /// Its tooltip, with its keys.
    pub const fn hint(&self) -> Hint {
        self.hint_with("")
    }

    /// Its tooltip with the paper's term.
    pub const fn hint_with(&self, term: &'static str) -> Hint {
        Hint { does: self.tooltip, term, keys: self.keys }
    }
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

fn on_cursor(situation: &Situation, by: Move) -> Option<Action> {
    situation.shown().map(|_| Action::MoveCursor(by))
}

fn zoom(situation: &Situation, step: ZoomStep) -> Option<Action> {
    situation.zoom.after(step).map(Action::SetZoom)
}

macro_rules! commands {
    ($($name:ident: $group:ident, $reach:ident, $label:literal, $tooltip:literal, [$($key:expr),*], $action:expr;)*) => {
        $(
            #[doc = $tooltip]
            pub static $name: Command = Command {
                group: Group::$group,
                label: $label,
                tooltip: $tooltip,
                keys: &[$($key),*],
                reach: Reach::$reach,
                action: $action,
            };
        )*
        /// All of them, in the order of the sheet.
        pub static ALL: &[&Command] = &[$(&$name),*];
    };
}

commands! {
    GENERATE: Run, Window, "Generate",
        "Decodes all lanes with the settings, with the same noise in each.",
        [ctrl(Key::Enter)], |_| Some(Action::Generate);
    STOP: Run, Window, "Stop, or let go of the token",
        "Stops after the present step; what is drawn stays. Lets go of the pinned token if nothing runs.",
        [plain(Key::Escape)], |situation| {
            if situation.sheet_open {
                Some(Action::ToggleSheet)
            } else if situation.running().is_some() {
                Some(Action::Cancel)
            } else {
                situation.shared.focus.pinned.map(|_| Action::Unpin)
            }
        };
    PAUSE: Run, Window, "Pause or resume the run",
        "Halts the run after the present step, or lets it go on; a step forward then decodes one token.",
        [plain(Key::P)], |situation| {
            let paused = situation.running()?.status == RunStatus::Paused;
            Some(Action::SetPaused(!paused))
        };
    EDIT_PROMPT: Run, Window, "Edit the prompt",
        "Gives the keyboard to the prompt.",
        [ctrl(Key::L)], |_| Some(Action::EditPrompt);
    NEW_SEED: Run, Window, "New seed",
        "Takes a new seed.",
        [ctrl(Key::D)], |_| Some(Action::NewSeed);
    TOGGLE_LIVE: Run, Window, "Live on or off",
        "Decodes again after every change of the settings, or only when asked.",
        [ctrl_shift(Key::L)], |_| Some(Action::ToggleLive);
    RESTORE: Run, Window, "Restore settings",
        "Takes the settings of the run in view back into the settings panel.",
        [ctrl(Key::R)], |situation| Some(Action::RestoreSettings(situation.shown()?.record.id));
    STEP_BACK: Timeline, Centre, "Step back",
        "Back by one token; by a row: Up.",
        [plain(Key::ArrowLeft)], |situation| on_cursor(situation, Move::By(-1));
    STEP_FORWARD: Timeline, Centre, "Step forward",
        "On by one token, which a paused run decodes at its newest; by a row: Down.",
        [plain(Key::ArrowRight)], |situation| {
            let run = situation.shown()?;
            let waits = run.waits_at(situation.shared.cursor.position);
            if waits { Some(Action::DecodeStep) } else { on_cursor(situation, Move::By(1)) }
        };
    ROW_BACK: Timeline, Centre, "Row back",
        "Back by one row of the image.",
        [plain(Key::ArrowUp)], |situation| on_cursor(situation, Move::Rows(-1));
    ROW_FORWARD: Timeline, Centre, "Row forward",
        "On by one row of the image.",
        [plain(Key::ArrowDown)], |situation| on_cursor(situation, Move::Rows(1));
    FIRST_STEP: Timeline, Centre, "First step",
        "To before the first token.",
        [plain(Key::Home)], |situation| on_cursor(situation, Move::Start);
    NEWEST_STEP: Timeline, Centre, "Newest step",
        "To the newest token, and follows it.",
        [plain(Key::End)], |situation| on_cursor(situation, Move::Newest);
    PLAY: Timeline, Centre, "Play or pause",
        "Plays the drawing again.",
        [plain(Key::Space)], |situation| situation.shown().map(|_| Action::TogglePlay);
    FIT_IMAGES: Images, Window, "Fit images",
        "Shows the whole images again. The wheel zooms at the pointer, dragging moves, a double click fits.",
        [], |_| Some(Action::FitImages);
    SAVE_IMAGE: Files, Window, "Save the image pointed at",
        "Saves the image of the lane under the pointer, else of the last lane, with its settings inside.",
        [ctrl(Key::S)], |situation| {
            let run = situation.shown()?;
            let pointed = situation.shared.focus.lane();
            let lane = pointed.unwrap_or(run.lanes.len().saturating_sub(1));
            Some(Action::SaveImage { run: run.record.id, lane, with_overlay: false })
        };
    SAVE_TRACE: Files, Window, "Save trace",
        "Saves every number of every step of the run in view, as CSV or JSON.",
        [ctrl_shift(Key::S)], |situation| {
            Some(Action::SaveTrace { run: situation.shown()?.record.id })
        };
    SAVE_PLOT_DATA: Files, Window, "Save plot data",
        "Saves the data of the plot in view as a CSV file.",
        [], |situation| Some(Action::SavePlotData { run: situation.shown()?.record.id });
    SAVE_PLOT_PICTURE: Files, Window, "Save plot picture",
        "Saves a picture of the plot as it is.",
        [], |situation| situation.shown().map(|_| Action::SavePlotPicture);
    OPEN_MODEL: Files, Window, "Open model…",
        "Opens the weight files of a model.",
        [ctrl(Key::O)], |situation| situation.can_open_models.then_some(Action::OpenModel);
    BUILTIN_MODEL: Files, Window, "Built-in model",
        "Goes back to the model inside the program.",
        [], |_| Some(Action::LoadBuiltin);
    SWITCH_THEME: Window, Window, "Switch theme",
        "Switches between dark and light.",
        [ctrl(Key::T)], |situation| Some(Action::SetTheme(situation.theme.other()));
    ZOOM_IN: Window, Window, "Larger",
        "Shows everything in the window larger.",
        [ctrl(Key::Plus), ctrl(Key::Equals)], |situation| zoom(situation, ZoomStep::Larger);
    ZOOM_OUT: Window, Window, "Smaller",
        "Shows everything in the window smaller, so that more has room.",
        [ctrl(Key::Minus)], |situation| zoom(situation, ZoomStep::Smaller);
    ZOOM_USUAL: Window, Window, "Usual size",
        "Shows everything in the size that the screen asks for.",
        [ctrl(Key::Num0)], |situation| zoom(situation, ZoomStep::Usual);
    PALETTE: Window, Window, "Commands",
        "Lists everything that can be done here; type to find it.",
        [ctrl(Key::P)], |_| Some(Action::TogglePalette);
    SHORTCUTS: Window, Window, "Shortcuts",
        "Lists all shortcuts.",
        [plain(Key::Questionmark), plain(Key::F1)], |_| Some(Action::ToggleSheet);
}

/// What the mouse does, or egui by itself; lines of the sheet that are no commands.
pub static GESTURES: &[(Group, &str, &str)] = &[
    (Group::Images, "Wheel, drag", "Zoom and move all lanes"),
    (Group::Images, "Double click", "Fit"),
    (Group::Images, "Click", "Pin a token"),
    (Group::Images, "Alt", "Flip: the other lane"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_and_no_name_stands_twice() {
        let (mut keys, mut labels) = (HashSet::new(), HashSet::new());
        for command in ALL {
            for key in command.keys {
                let Modifiers { shift, command, .. } = key.modifiers;
                assert!(keys.insert((key.logical_key, shift, command)), "{:?}", key.logical_key);
            }
            assert!(labels.insert(command.label), "{}", command.label);
            assert!(command.tooltip.ends_with('.'), "{}", command.label);
        }
    }
}
