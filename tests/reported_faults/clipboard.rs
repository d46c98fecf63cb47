//! Copy and paste. `screenshots/clipboard.sh` does the same through the real window and the clipboard of a
//! screen.

use crate::window::{CTRL, Window, usual};
use egui::accesskit::Role;
use egui::{Event, Key, OutputCommand};
use egui_kittest::kittest::Queryable;
use softcfg_studio::prompts::condition::Condition;
use softcfg_studio::ui::notices::panel::NoticeKind;

fn prompt(window: &Window) -> String {
    match &window.state().state.settings.shared.condition {
        Condition::Prompt { text, .. } => text.clone(),
        Condition::Class(_) => String::new(),
    }
}

/// What the last frame put on the clipboard.
fn copied(window: &Window) -> Option<String> {
    let commands = &window.output().platform_output.commands;
    commands.iter().find_map(|command| match command {
        OutputCommand::CopyText(text) => Some(text.clone()),
        _ => None,
    })
}

// Source: fragcolor-xyz/shards#359.
#[test]
fn a_person_pastes_a_prompt_and_copies_it() {
    let mut window = usual();
    window.get_by_role_and_label(Role::MultilineTextInput, "Prompt").focus();
    window.step();
    window.key_press_modifiers(CTRL, Key::A);
    window.step();
    window.event(Event::Paste("two red cats on green".into()));
    window.step();
    assert_eq!(prompt(&window), "two red cats on green");
    window.key_press_modifiers(CTRL, Key::A);
    window.step();
    window.event(Event::Copy);
    window.step();
    assert_eq!(copied(&window).as_deref(), Some("two red cats on green"));
}

// Source: found in use.
#[test]
fn a_person_copies_a_message_with_its_button() {
    let mut window = usual();
    let message = "This checkpoint is damaged. Download it again: /models/a.bin";
    window.state_mut().state.notify(NoticeKind::Error, message);
    window.run_steps(3);
    window.get_by_label("Copy message").click();
    let mut found = None;
    for _ in 0..4 {
        window.step();
        found = found.or(copied(&window));
    }
    assert_eq!(found.as_deref(), Some(message));
}

/// Events reach no clipboard by themselves: the window has to be built with one.
// Source: found in use.
#[test]
fn a_person_who_copies_to_another_program_has_a_window_built_with_a_clipboard() {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("the manifest");
    let eframe = manifest.split("\neframe = ").nth(1).and_then(|rest| rest.split(']').next());
    assert!(eframe.expect("eframe is used").contains("\"clipboard\""));
}
