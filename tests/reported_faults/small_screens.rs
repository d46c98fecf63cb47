//! The window on small screens, on screens with a large scale, and at the size a person chooses.

use crate::window::{CTRL, Window, decode, wait, window};
use egui::accesskit::Role;
use egui::{Context, Key, Pos2, RawInput, Rect, Vec2, ViewportCommand, ViewportId, vec2};
use egui_kittest::kittest::{NodeT, Queryable};
use softcfg_studio::ui::app::persistence::StoredSettings;
use softcfg_studio::ui::app::screen::FitScreen;
use softcfg_studio::ui::notices::panel::NoticeKind;

/// 1920×1080 at 200 %, less the bars of the system.
const SMALL: (f32, f32) = (900.0, 500.0);

fn small() -> Window {
    let mut window = window(SMALL, StoredSettings::default(), |_, app| app);
    decode(&mut window);
    window
}

fn in_sight(window: &Window, names: &[&str]) {
    let screen = Rect::from_min_size(Pos2::ZERO, Vec2::from(SMALL));
    for name in names {
        let mut rects = window.query_all_by_label(name).map(|node| node.rect());
        let whole = |rect: Rect| screen.contains_rect(rect) && rect.area() > 0.0;
        assert!(rects.any(whole), "{name} is cut off or not there");
    }
}

// Source: elementary/settings-display#328 (a smallest size of 1000×650 does not fit 1920×1080 at 200 %).
#[test]
fn a_person_reaches_every_panel_on_a_laptop_at_200_percent() {
    let mut window = small();
    let always = ["Model", "Scenarios", "Shortcuts", "Prompt", "Generate", "Step cursor"];
    in_sight(&window, &always);
    in_sight(&window, &["CFG image", "SoftCFG image", "Restore settings"]);
    // Images are what the window is for.
    assert!(window.get_by_label("CFG image").rect().width() > 180.0);
    for (tab, inside) in
        [("Plots", "Save plot data"), ("Inspector", "entropy"), ("Images", "Fit images")]
    {
        window.get_by_role_and_label(Role::Button, tab).click();
        window.run_steps(3);
        in_sight(&window, &always);
        assert!(window.query_all_by_label_contains(inside).next().is_some(), "{tab}");
    }
    // The settings scroll, to the last one.
    window.get_by_label("This machine").scroll_to_me();
    window.run_steps(30);
    in_sight(&window, &["This machine", "Generate"]);
}

// Source: found in use (the sheet of shortcuts was taller than the window).
#[test]
fn a_person_reads_sheet_palette_dialogs_and_messages_on_a_small_screen() {
    let mut window = small();
    let screen = Rect::from_min_size(Pos2::ZERO, Vec2::from(SMALL));
    let whole = |window: &Window, what: &str| {
        for node in window.root().children_recursive() {
            let node = node.accesskit_node();
            let Some(place) = node.bounding_box().filter(|_| node.role() == Role::Window) else {
                continue;
            };
            let rect = Rect::from_min_max(
                Pos2::new(place.x0 as f32, place.y0 as f32),
                Pos2::new(place.x1 as f32, place.y1 as f32),
            );
            assert!(screen.contains_rect(rect), "{what} at {rect:?}");
        }
    };
    window.key_press(Key::F1);
    window.run_steps(3);
    in_sight(&window, &["Shortcuts"]);
    whole(&window, "the sheet");
    window.set_size(vec2(1400.0, 900.0));
    window.run_steps(4);
    let sheet = ["Usual size", "Commands", "Fit", "Save trace"];
    for name in sheet {
        assert!(window.query_all_by_value(name).next().is_some(), "{name} is not on the sheet");
    }
    window.set_size(Vec2::from(SMALL));
    window.run_steps(4);
    window.key_press(Key::Escape);
    window.run_steps(3);
    window.key_press_modifiers(CTRL, Key::P);
    window.run_steps(3);
    in_sight(&window, &["Search commands"]);
    whole(&window, "the palette");
    window.key_press(Key::Escape);
    window.run_steps(3);
    window.state_mut().state.notify(NoticeKind::Error, "Something failed. ".repeat(12));
    window.run_steps(3);
    in_sight(&window, &["Copy message", "Dismiss message"]);
}

// Source: found in use.
#[test]
fn a_person_makes_the_window_larger_and_finds_it_so_the_next_day() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("window.json");
    let mut first = window((1400.0, 900.0), StoredSettings::load(file.clone()), |_, app| app);
    let zoom = |window: &Window| window.ctx.zoom_factor();
    assert_eq!(zoom(&first), 1.0);
    first.key_press_modifiers(CTRL, Key::Plus);
    first.run_steps(3);
    first.key_press_modifiers(CTRL, Key::Equals);
    first.run_steps(3);
    assert_eq!(zoom(&first), 1.25);
    first.key_press_modifiers(CTRL, Key::Minus);
    first.run_steps(3);
    assert_eq!(zoom(&first), 1.1);
    drop(first);
    let mut second = window((1400.0, 900.0), StoredSettings::load(file), |_, app| app);
    wait(&mut second, "the zoom", |window| zoom(window) == 1.1);
    // By the menu, which has the same commands.
    second.get_by_label("Size").click();
    second.run_steps(3);
    second.get_by_label("Usual size").click();
    second.run_steps(3);
    assert_eq!(zoom(&second), 1.0);
}

/// Whether the window fills the work area of such a screen.
fn fills(screen: Vec2) -> bool {
    let ctx = Context::default();
    let mut fit = FitScreen::default();
    let mut input = RawInput::default();
    input.viewports.entry(ViewportId::ROOT).or_default().monitor_size = Some(screen);
    let mut output = ctx.run_ui(input, |ui| fit.follow(ui.ctx()));
    output.textures_delta.clear();
    let commands = &output.viewport_output[&ViewportId::ROOT].commands;
    commands.contains(&ViewportCommand::Maximized(true))
}

// Source: elementary/settings-display#328.
#[test]
fn a_person_opens_the_window_on_a_screen_that_is_too_small_for_it() {
    assert!(fills(vec2(960.0, 540.0)));
    assert!(fills(vec2(1366.0, 768.0)));
    assert!(!fills(vec2(1920.0, 1080.0)));
}
