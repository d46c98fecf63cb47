//! Text-to-image miniatures in the window: the authors' schedule, unconditional prompts, prompts in
//! tokens and what is cut off, long pastes, grids that are not square.

mod open_support;

use egui::accesskit::Role;
use egui::{Key, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use open_support::*;
use softcfg_studio::engine::trace::RunStatus;
use softcfg_studio::engine::{Engine, EngineOptions};
use softcfg_studio::guidance::schedule::Schedule;
use softcfg_studio::opening::offer;
use softcfg_studio::opening::request::{OpenRequest, SystemResources};
use softcfg_studio::prompts::check::MAX_PROMPT_CHARACTERS;
use softcfg_studio::prompts::condition::Condition;
use softcfg_studio::ui::action::Action;
use softcfg_studio::ui::app::persistence::StoredSettings;
use softcfg_studio::ui::app::studio::StudioApp;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

type Window = Harness<'static, StudioApp>;

/// A window on a model that is opened from files.
fn window(request: OpenRequest, size: egui::Vec2) -> Window {
    let stored =
        StoredSettings { live: Some(false), first_start: false, ..StoredSettings::default() };
    let mut window =
        Harness::builder().with_size(size).with_max_steps(30).build_eframe(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let waker = Arc::new(move || ctx.request_repaint());
            let options = EngineOptions { decoder_threads: Some(1), waker };
            let engine = Engine::start(options).expect("threads");
            let app = StudioApp::new(&creation.egui_ctx, engine, stored.clone());
            app.with_model_opener(Box::new(|_, _| ()))
        });
    wait(&mut window, "the built-in model", |app| app.state.model_is_ready());
    let before = name(window.state());
    let opened = offer::survey(&request, &SystemResources::default()).expect("a model");
    assert!(opened.missing.is_empty(), "{:?}", opened.missing);
    window.state_mut().state.actions.push(Action::LoadModel(request));
    wait(&mut window, "the model", |app| name(app) != before);
    window
}

fn wait(window: &mut Window, what: &str, mut done: impl FnMut(&StudioApp) -> bool) {
    let begun = Instant::now();
    while !done(window.state()) {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen in {PATIENCE:?}");
        window.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    window.step();
    window.step();
}

fn name(app: &StudioApp) -> String {
    app.state.card().map(|card| card.identity.name.clone()).unwrap_or_default()
}

fn simple_ar(folder: &Path) -> OpenRequest {
    simple_ar_request(simple_ar_with_cosmos_codes(folder))
}

fn type_prompt(window: &mut Window, text: &str) {
    window.state_mut().state.settings.shared.condition =
        Condition::Prompt { text: text.into(), negative: None };
    window.step();
    window.step();
}

fn negative(window: &Window) -> Option<String> {
    match &window.state().state.settings.shared.condition {
        Condition::Prompt { negative, .. } => negative.clone(),
        Condition::Class(_) => panic!("a prompt is asked for"),
    }
}

fn run(window: &mut Window) {
    window.get_by_label("Generate").click();
    let runs = window.state().state.runs.len();
    wait(window, "the run", |app| {
        app.state.runs.len() > runs
            && app.state.shown_run().is_some_and(|run| run.status == RunStatus::Finished)
    });
}

fn choose(window: &mut Window, list: &str, choice: &str) {
    window.get_by_role_and_label(Role::ComboBox, list).click();
    settle(window);
    window.get_by_label(choice).click();
    settle(window);
}

/// A few frames: popups open in the frame after the one that was clicked in.
fn settle(window: &mut Window) {
    for _ in 0..4 {
        window.step();
    }
}

fn says(window: &Window, text: &str) -> bool {
    window.query_all_by_label_contains(text).next().is_some()
}

#[test]
fn the_authors_schedule_is_chosen_recorded_and_restored() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut window = window(simple_ar(folder.path()), vec2(1400.0, 900.0));
    type_prompt(&mut window, "a red cat");
    choose(&mut window, "Schedule", "Authors' code");
    assert_eq!(window.state().state.settings.shared.guidance.scale.schedule, Schedule::Authors);
    window.step();
    // k has no effect now, and says so by being off.
    assert!(window.get_by_label("Cosine power k value").accesskit_node().is_disabled());
    run(&mut window);
    let app = window.state();
    let record = app.state.shown_run().expect("a run");
    assert!(record.lanes[0].records.iter().all(|record| record.scale == 6.0));
    let id = record.record.id;
    window.state_mut().state.settings.shared.guidance.scale.schedule = Schedule::Cosine;
    window.step();
    window.state_mut().state.actions.push(Action::RestoreSettings(id));
    window.step();
    assert_eq!(window.state().state.settings.shared.guidance.scale.schedule, Schedule::Authors);
}

#[test]
fn the_unconditional_prompt_is_chosen_and_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut window = window(simple_ar(folder.path()), vec2(1400.0, 1200.0));
    type_prompt(&mut window, "a red cat");
    window.get_by_label("Method").click();
    for _ in 0..12 {
        window.step();
    }
    assert!(says(&window, "bad hands, bad teeth"), "the authors' text is shown");
    choose(&mut window, "Unconditional prompt", "None, as in training");
    assert_eq!(negative(&window).as_deref(), Some(""));
    assert!(!says(&window, "bad hands"));
    choose(&mut window, "Unconditional prompt", "Own text");
    // One's own begins with what the authors write.
    assert!(negative(&window).is_some_and(|text| text.starts_with("An image of aerial view")));
    let field = window.get_by_label("Own unconditional prompt");
    field.focus();
    window.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
    window.step();
    window.key_press(Key::Backspace);
    window.step();
    window.step();
    // Emptied to be typed anew, the field stays.
    assert_eq!(negative(&window).as_deref(), Some(""));
    window.get_by_label("Own unconditional prompt").type_text("blurred");
    window.step();
    window.step();
    assert_eq!(negative(&window).as_deref(), Some("blurred"));
    run(&mut window);
    let app = window.state();
    let spec = &app.state.shown_run().expect("a run").record.spec;
    assert_eq!(spec.lanes[0].unconditional_text.as_deref(), Some("<|t2i|>blurred<|soi|>"));
}

#[test]
fn a_prompt_is_counted_in_tokens_and_what_is_cut_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut window = window(caption_model(folder.path()), vec2(1400.0, 900.0));
    type_prompt(&mut window, "a red cat");
    assert!(says(&window, "4 of 12 tokens"));
    assert!(!says(&window, "cut off"));
    type_prompt(&mut window, "a red cat a blue dog a red car a blue cat a red dog");
    assert!(says(&window, "16 of 12 tokens"));
    assert!(says(&window, "The last 4 tokens do not fit and are cut off"));
    assert!(says(&window, "cat a red dog"));
    assert!(window.state().state.problems.is_empty(), "it can be drawn");
    type_prompt(&mut window, "a \u{7} cat");
    assert!(says(&window, "U+0007"));
    assert!(window.get_by_label("Generate").accesskit_node().is_disabled());
}

#[test]
fn a_hundred_thousand_characters_are_cut_to_what_the_field_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut window = window(simple_ar(folder.path()), vec2(1000.0, 650.0));
    type_prompt(&mut window, "");
    let generate = window.get_by_label("Generate").rect();
    window.get_by_role_and_label(Role::MultilineTextInput, "Prompt").focus();
    window.step();
    window.event(egui::Event::Paste("red cat ".repeat(12_500)));
    window.step();
    window.step();
    let Condition::Prompt { text, .. } = &window.state().state.settings.shared.condition else {
        panic!("a prompt")
    };
    assert_eq!(text.chars().count(), MAX_PROMPT_CHARACTERS);
    assert!(says(&window, "The rest of what was pasted is left out"));
    // The field scrolls: what stands below moves by the note and no more.
    let moved = window.get_by_label("Generate").rect().top() - generate.top();
    assert!(moved < 140.0, "Generate moved by {moved}");
    // A text that long from a settings file is refused before it is measured.
    type_prompt(&mut window, &"cat ".repeat(25_000));
    assert!(says(&window, "10000 characters"));
    type_prompt(&mut window, "a red cat");
    assert!(!says(&window, "10000 characters"));
}

#[test]
fn a_grid_that_is_not_square_is_shown_in_every_view() {
    use softcfg_studio::engine::quantities::quantity::Axis;
    use softcfg_studio::ui::state::view::{Comparison, Overlay};
    for size in [vec2(1400.0, 900.0), vec2(1000.0, 650.0)] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut window = window(lumina_request(folder.path(), (4, 8)), size);
        type_prompt(&mut window, "a red cat");
        run(&mut window);
        wait(&mut window, "the pixels", |app| {
            let run = app.state.shown_run().expect("a run");
            run.lanes.iter().all(|lane| lane.newest.as_ref().is_some_and(|(steps, _)| *steps == 36))
        });
        let run = window.state().state.shown_run().expect("a run");
        let (_, image) = run.lanes[0].newest.as_ref().expect("pixels");
        assert_eq!(image.dimensions(), (64, 32));
        for comparison in
            [Comparison::SideBySide, Comparison::Wipe, Comparison::Flip, Comparison::Difference]
        {
            for overlay in [Overlay::Off, Overlay::Confidence, Overlay::Weight, Overlay::Delta] {
                let view = &mut window.state_mut().state.shared.view;
                (view.comparison, view.overlay) = (comparison, overlay);
                window.step();
            }
        }
        window.state_mut().state.shared.view.comparison = Comparison::SideBySide;
        for tab in [Axis::Entropy, Axis::Confidence, Axis::Delta] {
            window.state_mut().state.shared.view.plot_tab = tab;
            window.step();
        }
        // Every step can be pointed at, the row ends too, and each says what it is.
        for step in 0..36 {
            window.state_mut().state.shared.focus.pinned = Some(step);
            window.state_mut().state.shared.cursor.position = step + 1;
            window.step();
        }
        window.state_mut().state.shared.focus.pinned = Some(8);
        window.state_mut().state.arrangement.tab =
            softcfg_studio::ui::app::arrangement::CentreTab::Inspector;
        window.step();
        window.step();
        assert!(says(&window, "end of row"), "step 8 is the end of the first row");
        assert!(window.state().state.panels.notices.list.iter().all(|notice| {
            notice.kind != softcfg_studio::ui::notices::panel::NoticeKind::Error
        }));
    }
}
