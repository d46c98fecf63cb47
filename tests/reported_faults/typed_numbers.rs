//! Numbers as people type them, and what becomes of those that are none.

use crate::program::{refused, succeeds};
use crate::window::{CTRL, Window, usual};
use egui::accesskit::Role;
use egui::{Event, Key};
use egui_kittest::kittest::Queryable;

fn scale(window: &Window) -> f32 {
    window.state().state.settings.shared.guidance.scale.guidance_scale
}

/// Clicks a number and types over it.
fn type_into(window: &mut Window, name: &str, text: &str) {
    window.get_by_role_and_label(Role::SpinButton, name).click();
    window.run_steps(3);
    window.key_press_modifiers(CTRL, Key::A);
    window.step();
    window.event(Event::Text(text.into()));
    window.run_steps(2);
}

fn leave(window: &mut Window, key: Key) {
    window.key_press(key);
    window.run_steps(3);
}

const SCALE: &str = "Guidance scale γ value";

// Source: MochiDiffusion#367 (decimal comma).
#[test]
fn a_person_types_a_decimal_comma_a_minus_or_spaces() {
    let mut window = usual();
    for (text, number) in [("7,5", 7.5), ("2.25", 2.25), (" 3 ", 3.0), ("−2", -2.0)] {
        type_into(&mut window, SCALE, text);
        leave(&mut window, Key::Enter);
        assert_eq!(scale(&window), number, "{text}");
    }
    // A number that is out of range is one, and is named by the check of the settings.
    assert!(window.query_by_label_contains("The guidance scale γ is -2").is_some());
}

// Source: found in use ("nan" became inf, "abc" went back without a word).
#[test]
fn a_person_types_what_is_no_number_and_mends_it() {
    let mut window = usual();
    let before = scale(&window);
    for (text, said) in [
        ("abc", "“abc” is not a number; use a number of 0 or more"),
        ("nan", "“nan” is not a finite number"),
        ("7,5,1", "“7,5,1” is not a number"),
        ("1e99", "“1e99” is too large"),
    ] {
        type_into(&mut window, SCALE, text);
        leave(&mut window, Key::Enter);
        assert_eq!(scale(&window), before, "{text}");
        assert!(window.query_by_label_contains(said).is_some(), "{text}");
        let field = window.get_by_role_and_label(Role::SpinButton, SCALE);
        assert_eq!(field.value().as_deref(), Some(text), "what was typed stays");
    }
    let used = format!("Until then {before:.1} is used");
    assert!(window.query_by_label_contains(&used).is_some());
    type_into(&mut window, SCALE, "7,5");
    assert!(window.query_by_label_contains("is used").is_none());
    leave(&mut window, Key::Enter);
    assert_eq!(scale(&window), 7.5);
}

// Source: found in use.
#[test]
fn a_person_gives_up_a_number_with_escape() {
    let mut window = usual();
    let before = scale(&window);
    type_into(&mut window, SCALE, "9x");
    leave(&mut window, Key::Escape);
    assert_eq!(scale(&window), before);
    assert!(window.query_by_label_contains("is not a number").is_none());
    type_into(&mut window, SCALE, "9");
    assert_eq!(scale(&window), 9.0);
    leave(&mut window, Key::Escape);
    assert_eq!(scale(&window), before);
}

// Source: found in use: the other fields for numbers.
#[test]
fn a_person_types_a_seed_that_is_none_and_finds_it_again() {
    let mut window = usual();
    let seed = |window: &Window| window.state().state.settings.shared.sampling.seed;
    let before = seed(&window);
    window.get_by_role_and_label(Role::TextInput, "Seed").focus();
    window.step();
    window.key_press_modifiers(CTRL, Key::A);
    window.event(Event::Text("12x".into()));
    window.run_steps(2);
    leave(&mut window, Key::Enter);
    assert_eq!(seed(&window), before);
    assert!(window.query_by_label_contains("“12x” is not a number").is_some());
    let field = window.get_by_role_and_label(Role::TextInput, "Seed");
    assert_eq!(field.value().as_deref(), Some("12x"));
}

// Source: found in use.
#[test]
fn a_person_gives_a_decimal_comma_to_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let call = |scale| {
        [
            "generate",
            "--prompt",
            "a red cat",
            "--lanes",
            "cfg",
            "--out",
            "run",
            "--overwrite",
            "--guidance-scale",
            scale,
        ]
    };
    succeeds(folder.path(), &call("2,5"));
    let run = std::fs::read_to_string(folder.path().join("run/run.json")).expect("run.json");
    let run: serde_json::Value = serde_json::from_str(&run).expect("JSON");
    assert!(run.to_string().contains("\"guidance-scale\":2.5"), "{run}");
    for (scale, said) in [
        ("abc", "--guidance-scale “abc” is not a number; use a number of 0 or more"),
        ("nan", "“nan” is not a finite number"),
        ("inf", "“inf” is not a finite number"),
        ("1e39", "“1e39” is too large"),
        ("1.000,5", "“1.000,5” is not a number"),
    ] {
        let message = refused(folder.path(), &call(scale), 2);
        assert!(message.contains(said), "{message}");
    }
}
