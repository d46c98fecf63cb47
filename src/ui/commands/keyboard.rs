//! From keys to actions, by the table of commands.

use crate::ui::action::Action;
use crate::ui::commands::situation::Situation;
use crate::ui::commands::table::{ALL, Command, Reach};
use egui::{Context, Id, Key, KeyboardShortcut};

/// Who has the keyboard as a frame begins, before panels change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keyboard {
    /// A text field is being typed into.
    pub typing: bool,
    /// A menu or popup is open; it takes Escape.
    pub popup: bool,
    /// A control has the keyboard, which may use arrows and Space itself.
    pub control: bool,
}

impl Keyboard {
    /// As it is now; `timeline` is the one control whose keys are those of the centre.
    pub fn now(ctx: &Context, timeline: Id) -> Self {
        let on_timeline = ctx.memory(|memory| memory.focused()) == Some(timeline);
        Self {
            typing: ctx.text_edit_focused(),
            popup: egui::Popup::is_any_open(ctx),
            control: ctx.egui_wants_keyboard_input() && !on_timeline,
        }
    }

    fn reads(self, command: &Command, key: KeyboardShortcut) -> bool {
        if key.modifiers.command || key.logical_key == Key::F1 {
            return true;
        }
        let free = !self.typing && !self.popup;
        match command.reach {
            Reach::Window => free,
            Reach::Centre => free && !self.control,
        }
    }
}

/// What the keys of this frame that panels have left ask for. A key of a command that cannot be given
/// stays with the panels.
pub fn handle(ctx: &Context, keyboard: Keyboard, situation: &Situation) -> Vec<Action> {
    let keys = ALL.iter().flat_map(|command| command.keys.iter().map(move |key| (*command, *key)));
    // Those with Shift first: egui takes Ctrl+S for pressed when Ctrl+Shift+S is.
    let (with_shift, without): (Vec<_>, Vec<_>) = keys.partition(|(_, key)| key.modifiers.shift);
    let mut actions = Vec::new();
    for (command, key) in with_shift.into_iter().chain(without) {
        if !keyboard.reads(command, key) {
            continue;
        }
        if let Some(action) = (command.action)(situation)
            && ctx.input_mut(|input| input.consume_shortcut(&key))
        {
            actions.push(action);
        }
    }
    actions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::shared::Shared;
    use crate::ui::state::zoom::WindowZoom;
    use crate::ui::theme::ThemeChoice;
    use egui::Modifiers;

    fn situation(shared: &Shared, sheet_open: bool) -> Situation<'_> {
        Situation {
            runs: &[],
            shared,
            sheet_open,
            can_open_models: false,
            recent: &[],
            draws_scenarios: false,
            theme: ThemeChoice::Dark,
            zoom: WindowZoom::default(),
        }
    }

    fn press(
        situation: &Situation,
        key: Key,
        modifiers: Modifiers,
        keyboard: Keyboard,
    ) -> Vec<Action> {
        let ctx = Context::default();
        let event =
            egui::Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers };
        let held = egui::Event::ModifiersChanged(modifiers);
        let input = egui::RawInput { events: vec![held, event], ..Default::default() };
        let mut actions = Vec::new();
        let mut output = ctx.run_ui(input, |ui| actions = handle(ui.ctx(), keyboard, situation));
        output.textures_delta.clear();
        actions
    }

    const FREE: Keyboard = Keyboard { typing: false, popup: false, control: false };
    const TYPING: Keyboard = Keyboard { typing: true, popup: false, control: true };

    #[test]
    fn ctrl_enter_generates_while_typing_too() {
        let shared = Shared::default();
        for keyboard in [FREE, TYPING] {
            let actions =
                press(&situation(&shared, false), Key::Enter, Modifiers::COMMAND, keyboard);
            assert_eq!(actions, [Action::Generate]);
        }
    }

    #[test]
    fn a_question_mark_that_is_typed_opens_nothing() {
        let shared = Shared::default();
        let situation = situation(&shared, false);
        assert_eq!(press(&situation, Key::Questionmark, Modifiers::SHIFT, TYPING), []);
        let free = press(&situation, Key::Questionmark, Modifiers::SHIFT, FREE);
        assert_eq!(free, [Action::ToggleSheet]);
    }

    #[test]
    fn shift_makes_another_shortcut_of_the_same_letter() {
        let shared = Shared::default();
        let situation = situation(&shared, false);
        let both = Modifiers::COMMAND | Modifiers::SHIFT;
        assert_eq!(press(&situation, Key::L, both, FREE), [Action::ToggleLive]);
        assert_eq!(press(&situation, Key::L, Modifiers::COMMAND, FREE), [Action::EditPrompt]);
    }

    #[test]
    fn escape_closes_the_sheet_before_it_lets_go_of_the_token() {
        let mut shared = Shared::default();
        shared.focus.pinned = Some(3);
        let escape = |open| press(&situation(&shared, open), Key::Escape, Modifiers::NONE, FREE);
        assert_eq!(escape(true), [Action::ToggleSheet]);
        assert_eq!(escape(false), [Action::Unpin]);
    }

    #[test]
    fn a_key_of_a_command_that_cannot_be_given_does_nothing() {
        let shared = Shared::default();
        let situation = situation(&shared, false);
        assert_eq!(press(&situation, Key::O, Modifiers::COMMAND, FREE), []);
        assert_eq!(press(&situation, Key::ArrowLeft, Modifiers::NONE, FREE), []);
    }
}
