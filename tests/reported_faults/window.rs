//! The whole window on the built-in model, driven through its accessible names.

use egui::{Modifiers, vec2};
use egui_kittest::Harness;
use softcfg_studio::engine::trace::RunStatus;
use softcfg_studio::engine::{Engine, EngineOptions};
use softcfg_studio::ui::app::persistence::StoredSettings;
use softcfg_studio::ui::app::studio::StudioApp;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// As the system reports the key, outside macOS.
pub const CTRL: Modifiers = Modifiers { ctrl: true, command: true, ..Modifiers::NONE };

pub type Window = Harness<'static, StudioApp>;

/// A window of this size, as `finish` sets it up, whose model is there and which decodes only when asked.
pub fn window(
    (width, height): (f32, f32),
    stored: StoredSettings,
    finish: impl Fn(&egui::Context, StudioApp) -> StudioApp + 'static,
) -> Window {
    let stored = StoredSettings { live: Some(false), first_start: false, ..stored };
    let mut window = Harness::builder()
        .with_size(vec2(width, height))
        .with_max_steps(30)
        // As in the real window: a box where a glyph is missing.
        .allow_missing_glyphs()
        .build_eframe(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let waker = Arc::new(move || ctx.request_repaint());
            let options = EngineOptions { decoder_threads: Some(1), waker };
            let engine = Engine::start(options).expect("threads");
            finish(&creation.egui_ctx, StudioApp::new(&creation.egui_ctx, engine, stored.clone()))
        });
    wait(&mut window, "the built-in model", |window| window.state().state.model_is_ready());
    window.run_steps(3);
    window
}

/// The usual window.
pub fn usual() -> Window {
    window((1400.0, 900.0), StoredSettings::default(), |_, app| app)
}

/// Frames until `done`.
pub fn wait(window: &mut Window, what: &str, mut done: impl FnMut(&Window) -> bool) {
    let begun = Instant::now();
    while !done(window) {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen in {PATIENCE:?}");
        window.step();
        std::thread::sleep(Duration::from_millis(2));
    }
    window.step();
}

/// Decodes a run to its end.
pub fn decode(window: &mut Window) {
    window.key_press_modifiers(CTRL, egui::Key::Enter);
    wait(window, "the run", |window| {
        let run = window.state().state.shown_run();
        run.is_some_and(|run| run.status == RunStatus::Finished)
    });
    window.run_steps(2);
}

/// Messages that the window shows.
pub fn notices(window: &Window) -> Vec<String> {
    let notices = &window.state().state.panels.notices.list;
    notices.iter().map(|notice| notice.message.clone()).collect()
}
