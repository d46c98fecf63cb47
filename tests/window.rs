//! The whole window on the real built-in model, driven through its accessible names: generate,
//! cancel, scrub, hover, restore from history, a bad prompt, a damaged settings file.

use egui::{Key, Modifiers, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use softcfg_studio::compute::device_kind::DeviceKind;
use softcfg_studio::engine::trace::RunStatus;
use softcfg_studio::engine::{Engine, EngineOptions};
use softcfg_studio::prompts::condition::Condition;
use softcfg_studio::ui::app::persistence::StoredSettings;
use softcfg_studio::ui::app::studio::StudioApp;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::tempdir;

const PATIENCE: Duration = Duration::from_secs(60);

/// As the system reports the key, outside macOS.
const CTRL: Modifiers = Modifiers { ctrl: true, command: true, ..Modifiers::NONE };

type Window = Harness<'static, StudioApp>;

fn window(stored: StoredSettings) -> Window {
    Harness::builder().with_size(vec2(1400.0, 900.0)).with_max_steps(30).build_eframe(
        move |creation| {
            let ctx = creation.egui_ctx.clone();
            let waker = Arc::new(move || ctx.request_repaint());
            let options = EngineOptions { decoder_threads: Some(1), waker };
            let engine = Engine::start(options).expect("threads");
            StudioApp::new(&creation.egui_ctx, engine, stored.clone())
        },
    )
}

/// Frames until `done`, as the window would paint them.
fn wait(window: &mut Window, what: &str, mut done: impl FnMut(&StudioApp) -> bool) {
    let begun = Instant::now();
    while !done(window.state()) {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen in {PATIENCE:?}");
        window.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    window.step();
}

fn shown_status(app: &StudioApp) -> Option<RunStatus> {
    app.state.shown_run().map(|run| run.status.clone())
}

fn finished(app: &StudioApp) -> bool {
    shown_status(app) == Some(RunStatus::Finished)
}

/// A window whose first run is done, and that decodes only when asked.
fn settled() -> Window {
    let mut window = window(StoredSettings { live: Some(false), ..StoredSettings::default() });
    wait(&mut window, "the first run", finished);
    window
}

#[test]
fn the_first_start_decodes_the_default_prompt_unasked_and_the_lanes_part() {
    let mut window = window(StoredSettings::default());
    wait(&mut window, "the first rows", |app| {
        app.state.shown_run().is_some_and(|run| run.steps_done() >= 32)
    });
    window.get_by_label("CFG image");
    window.get_by_label("SoftCFG image");
    wait(&mut window, "the end of the run", finished);
    let run = window.state().state.shown_run().expect("a run");
    assert_eq!(run.steps_done(), run.steps());
    assert!(run.first_divergence.is_some(), "a stranger would see two equal images");
    assert!(window.state().state.live, "the built-in model is quick enough to follow the hand");
}

#[test]
fn generate_and_stop_are_one_button_in_one_place() {
    let mut window = settled();
    let place = window.get_by_label("Generate").rect();
    window.get_by_label("Generate").click();
    wait(&mut window, "the second run", |app| app.state.runs.len() == 2);
    wait(&mut window, "its first step", |app| {
        app.state.shown_run().is_some_and(|run| run.steps_done() >= 1)
    });
    let stop = window.get_by_label("Stop");
    assert_eq!(stop.rect(), place, "the button moved");
    stop.click();
    wait(&mut window, "the stop", |app| shown_status(app).is_some_and(|s| s.is_over()));
    let run = window.state().state.shown_run().expect("a run");
    assert_eq!(run.status, RunStatus::Cancelled);
    assert!(run.steps_done() < run.steps(), "the run was stopped too late to tell");
    window.get_by_label("Generate");
}

#[test]
fn a_paused_run_halts_decodes_step_by_step_and_goes_on() {
    let mut window = settled();
    assert!(window.get_by_label("Pause run").accesskit_node().is_disabled());
    window.key_press_modifiers(CTRL, Key::Enter);
    wait(&mut window, "the second run", |app| app.state.runs.len() == 2);
    window.get_by_label("Pause run").click();
    wait(&mut window, "the pause", |app| shown_status(app) == Some(RunStatus::Paused));
    let steps = |app: &StudioApp| app.state.shown_run().expect("a run").steps_done();
    let before = steps(window.state());
    window.get_by_label("Stop");
    // The step key at the newest token decodes one more; behind it, it only moves the cursor.
    window.key_press(Key::ArrowRight);
    wait(&mut window, "one more step", |app| steps(app) == before + 1);
    assert_eq!(window.state().state.shared.cursor.position, before + 1);
    window.key_press(Key::ArrowLeft);
    window.step();
    window.key_press(Key::ArrowRight);
    for _ in 0..5 {
        window.step();
    }
    assert_eq!(steps(window.state()), before + 1);
    window.get_by_label("Step forward").click();
    wait(&mut window, "another step", |app| steps(app) == before + 2);
    assert_eq!(shown_status(window.state()), Some(RunStatus::Paused));
    window.key_press(Key::P);
    wait(&mut window, "the end of the run", finished);
}

#[test]
fn live_takes_the_place_of_a_paused_run_which_stays_in_the_history() {
    let mut window = settled();
    window.state_mut().state.live = true;
    window.state_mut().state.settings.shared.guidance.scale.guidance_scale = 5.5;
    wait(&mut window, "a run by Live", |app| app.state.runs.len() == 2);
    window.key_press(Key::P);
    wait(&mut window, "the pause", |app| shown_status(app) == Some(RunStatus::Paused));
    let paused = window.state().state.shown_run().expect("a run").record.id;
    window.state_mut().state.settings.shared.guidance.scale.guidance_scale = 6.0;
    wait(&mut window, "the next run's end", |app| app.state.runs.len() == 3 && finished(app));
    let runs = &window.state().state.runs;
    let before = runs.iter().find(|run| run.record.id == paused).expect("the paused run stays");
    assert_eq!(before.status, RunStatus::Cancelled);
}

#[test]
fn keys_generate_and_cancel() {
    let mut window = settled();
    window.key_press_modifiers(CTRL, Key::Enter);
    wait(&mut window, "the second run", |app| app.state.runs.len() == 2);
    wait(&mut window, "its first step", |app| {
        app.state.shown_run().is_some_and(|run| run.steps_done() >= 1)
    });
    window.key_press(Key::Escape);
    wait(&mut window, "the stop", |app| shown_status(app) == Some(RunStatus::Cancelled));
}

#[test]
fn scrubbing_moves_the_cursor_and_the_inspector_follows() {
    let mut window = settled();
    let steps = window.state().state.shown_run().expect("a run").steps();
    assert_eq!(window.state().state.shared.cursor.position, steps);
    window.key_press(Key::Home);
    window.step();
    let home = window.state().state.shared.cursor.position;
    for _ in 0..3 {
        window.key_press(Key::ArrowRight);
        window.step();
    }
    assert_eq!(window.state().state.shared.cursor.position, home + 3);
    let step = window.state().state.shared.cursor.step().expect("a step");
    window.step();
    assert!(
        window.query_all_by_label_contains(&format!("Token {step}")).next().is_some(),
        "the inspector does not show the cursor's token"
    );
}

#[test]
fn hovering_an_image_marks_the_token_and_a_click_pins_it() {
    let mut window = settled();
    let image = window.get_by_label("CFG image").rect();
    window.hover_at(image.center());
    for _ in 0..3 {
        window.step();
    }
    let hovered = window.state().state.shared.focus.hovered().expect("a token under the pointer");
    assert!(window.query_all_by_label_contains(&format!("Token {hovered}")).next().is_some());
    for pressed in [true, false] {
        window.event(egui::Event::PointerButton {
            pos: image.center(),
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: Modifiers::default(),
        });
        window.step();
    }
    assert_eq!(window.state().state.shared.focus.pinned, Some(hovered));
    window.key_press(Key::Escape);
    window.step();
    assert_eq!(window.state().state.shared.focus.pinned, None);
}

#[test]
fn a_live_change_decodes_again_and_history_brings_the_settings_back() {
    let mut window = settled();
    let before = window.state().state.settings.clone();
    window.state_mut().state.live = true;
    window.step();
    window.state_mut().state.settings.shared.guidance.scale.guidance_scale = 6.5;
    wait(&mut window, "the run that follows the slider", |app| {
        app.state.runs.len() == 2 && finished(app)
    });
    let spec = &window.state().state.shown_run().expect("a run").record.spec;
    assert_eq!(spec.lanes[0].settings.guidance.scale.guidance_scale, 6.5);

    let first = window.state().state.runs[0].record.id;
    window.state_mut().state.live = false;
    window.step();
    window.state_mut().state.actions.push(softcfg_studio::ui::action::Action::ShowRun(first));
    window.step();
    let run = window.state().state.shown_run().expect("the first run");
    assert_eq!(run.record.id, first);
    assert_eq!(run.lanes[0].records.len(), run.steps(), "the trace is not whole");
    window.get_by_label("Restore settings").click();
    window.step();
    window.step();
    assert_eq!(window.state().state.settings, before);
}

#[test]
fn an_unknown_word_is_named_and_nothing_is_lost() {
    let mut window = settled();
    window.state_mut().state.settings.shared.condition =
        Condition::Prompt { text: "a unicorn on blue".into(), negative: None };
    for _ in 0..3 {
        window.step();
    }
    let message = "Emoji scenes does not know “unicorn”";
    assert!(
        window.query_all_by_label_contains(message).next().is_some(),
        "no message names the word"
    );
    window.key_press_modifiers(CTRL, Key::Enter);
    for _ in 0..5 {
        window.step();
    }
    let state = &window.state().state;
    assert_eq!(state.runs.len(), 1, "a run was started with a prompt that cannot be drawn");
    assert_eq!(shown_status(window.state()), Some(RunStatus::Finished));
}

#[test]
fn numbers_that_make_no_sense_are_named_under_their_field() {
    let mut window = settled();
    window.state_mut().state.settings.shared.guidance.scale.guidance_scale = f32::NAN;
    window.state_mut().state.settings.shared.sampling.top_p = 0.0;
    for _ in 0..3 {
        window.step();
    }
    let fields: Vec<_> = window.state().state.problems.iter().map(|e| e.key).collect();
    use softcfg_studio::engine::settings::SettingKey;
    assert!(
        [SettingKey::GuidanceScale, SettingKey::TopP]
            .iter()
            .all(|key| fields.contains(&Some(*key))),
        "{fields:?}"
    );
    assert!(window.query_all_by_label_contains("0 or more").next().is_some());
}

#[test]
fn a_damaged_settings_file_gives_defaults_and_is_kept() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("window.json");
    std::fs::write(&file, "{ \"settings\": 7, ").expect("a file");
    let stored = StoredSettings::load(file.clone());
    let mut window = window(stored);
    window.step();
    assert!(
        window
            .state()
            .state
            .panels
            .notices
            .list
            .iter()
            .any(|notice| notice.message.contains(".bak")),
        "no notice says where the old file is: {:?}",
        window.state().state.panels.notices.list
    );
    let kept = std::fs::read_dir(folder.path())
        .expect("readable")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains(".bak"))
        .expect("the old file is kept");
    assert_eq!(std::fs::read_to_string(kept).expect("text"), "{ \"settings\": 7, ");
}

#[test]
fn the_window_fits_a_small_screen() {
    let mut window = settled();
    window.set_size(vec2(1000.0, 650.0));
    for _ in 0..4 {
        window.step();
    }
    let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(1000.0, 650.0));
    for name in ["Generate", "CFG image", "SoftCFG image", "Step cursor"] {
        let rect = window.get_by_label(name).rect();
        assert!(screen.contains_rect(rect), "{name} is cut off: {rect:?}");
        assert!(rect.area() > 0.0, "{name} has no room");
    }
}

#[test]
fn the_palette_finds_a_command_and_gives_it() {
    use softcfg_studio::ui::state::view::Overlay;
    use softcfg_studio::ui::theme::ThemeChoice;
    let mut window = settled();
    let open = |window: &mut Window, words: &str| {
        window.key_press_modifiers(CTRL, Key::P);
        window.run_steps(3);
        window.get_by_label("Search commands");
        window.event(egui::Event::Text(words.into()));
        window.run_steps(2);
    };
    open(&mut window, "theme light");
    window.key_press(Key::Enter);
    window.run_steps(3);
    assert_eq!(window.state().state.theme, ThemeChoice::Light);
    assert!(window.query_by_label("Search commands").is_none(), "it stays open");
    // "off", "confidence", "entropy"
    open(&mut window, "overlay:");
    for _ in 0..2 {
        window.key_press(Key::ArrowDown);
        window.step();
    }
    window.key_press(Key::Enter);
    window.run_steps(3);
    assert_eq!(window.state().state.shared.view.overlay, Overlay::Entropy);
    open(&mut window, "new seed");
    window.key_press(Key::Escape);
    window.run_steps(3);
    assert!(window.query_by_label("Search commands").is_none(), "Escape does not close it");
    let before = window.state().state.settings.shared.sampling.seed;
    open(&mut window, "new seed");
    let entries = window.query_all_by_label("New seed");
    // The button of the settings lies under the palette.
    entries.last().expect("the entry").click();
    window.run_steps(3);
    assert_ne!(window.state().state.settings.shared.sampling.seed, before);
}

#[test]
fn a_device_is_named_where_it_is_not_the_cpu() {
    let mut window = window(StoredSettings { live: Some(false), ..StoredSettings::default() });
    wait(&mut window, "the first run", finished);
    window.set_size(vec2(1400.0, 1400.0));
    window.get_by_label("This machine").click();
    for _ in 0..30 {
        window.step();
    }
    assert!(window.query_by_label("Decodes on").is_none());
    window.state_mut().state.device = DeviceKind::Cuda;
    window.step();
    assert!(
        window.query_by_label("Decodes on").is_some() && window.query_by_label("CUDA").is_some()
    );
}

#[test]
fn decoder_threads_are_chosen_without_a_restart_and_kept() {
    let most = softcfg_studio::compute::linear::most_decoder_threads();
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("window.json");
    let stored = StoredSettings { live: Some(false), ..StoredSettings::load(file.clone()) };
    let mut window = window(stored);
    wait(&mut window, "the first run", finished);
    // Room for everything that scrolls in a smaller one.
    window.set_size(vec2(1400.0, 1400.0));
    window.step();
    window.step();
    window.get_by_label("This machine").click();
    for _ in 0..30 {
        window.step();
    }
    let number = window.get_by_role_and_label(egui::accesskit::Role::SpinButton, "Decoder threads");
    number.click();
    window.step();
    window.step();
    window.event(egui::Event::Text("9999".into()));
    window.step();
    window.step();
    // More than there are is refused, and the field says so.
    assert!(window.query_by_label_contains("“9999” is too large").is_some());
    assert_eq!(window.state().state.decoder_threads, None);
    window.key_press_modifiers(CTRL, Key::A);
    window.step();
    window.event(egui::Event::Text(most.to_string()));
    window.step();
    window.key_press(Key::Enter);
    window.step();
    // One core leaves no choice.
    let choice = (most > 1).then_some(most);
    assert_eq!(window.state().state.decoder_threads, choice);
    window.get_by_label("Generate").click();
    wait(&mut window, "the second run", |app| app.state.runs.len() == 2 && finished(app));
    let run = window.state().state.shown_run().expect("a run");
    assert_eq!(run.record.threads(), Some(most));
    drop(window);
    let stored = StoredSettings::load(file);
    assert_eq!(stored.decoder_threads, choice);
    // The next session begins with them.
    let mut window = self::window(StoredSettings { first_start: true, ..stored });
    wait(&mut window, "a run", finished);
    assert_eq!(window.state().state.shown_run().expect("a run").record.threads(), Some(most));
}
