//! What previews and the window cost the decoder: the built-in model's default run decoded alone, by
//! the engine with previews, under a window that lays out and tessellates a frame when something asks
//! for one, as it does by itself, and under one that does so 60 times a second, as when a pointer moves,
//! in turn within one run. A measurement, so it is run by name on an idle machine, optimised:
//! `cargo test --release --test window_speed -- --ignored --nocapture`.

use egui::vec2;
use egui_kittest::Harness;
use softcfg_studio::engine::settings::RunSettings;
use softcfg_studio::engine::trace::{RunRecord, RunStatus};
use softcfg_studio::engine::worker::decode_pool;
use softcfg_studio::engine::{Engine, EngineOptions, Event, decode};
use softcfg_studio::models::card::Model;
use softcfg_studio::opening::builtin;
use softcfg_studio::ui::app::persistence::StoredSettings;
use softcfg_studio::ui::app::studio::StudioApp;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 20;
const FRAME: Duration = Duration::from_micros(16_667);
const PATIENCE: Duration = Duration::from_secs(60);
/// The last pictures of a run are made after it; the next measurement does not pay for them.
const LAST_PICTURES: Duration = Duration::from_millis(300);
/// How many times as long a run may take under the open window as alone.
const BAR: f64 = 1.03;

type Window = Harness<'static, StudioApp>;

fn engine(waker: Arc<dyn Fn() + Send + Sync>) -> Engine {
    Engine::start(EngineOptions { decoder_threads: Some(1), waker }).expect("threads")
}

/// Seconds of decoding, as `generate` does it.
fn alone(model: &Model, settings: &RunSettings) -> f64 {
    let spec = settings.validate(&model.card).expect("a run");
    let record = RunRecord::new(1, spec, model.card.layout.clone());
    let pool = decode_pool(Some(1)).expect("a thread");
    pool.install(|| decode::run(model, &record, &mut || ()));
    assert_eq!(record.status(), RunStatus::Finished);
    record.elapsed().as_secs_f64()
}

/// Seconds of decoding by an engine whose previews are made and taken, and painted by nobody.
fn with_previews(engine: &Engine, model: &Model, settings: &RunSettings) -> f64 {
    let record = engine.generate(settings.validate(&model.card).expect("a run"));
    let begun = Instant::now();
    while !record.status().is_over() {
        assert!(begun.elapsed() < PATIENCE);
        while engine.next_event().is_some() {}
        std::thread::sleep(Duration::from_millis(4));
    }
    assert_eq!(record.status(), RunStatus::Finished);
    record.elapsed().as_secs_f64()
}

/// One frame as the window paints it, all but the drawing by the graphics card.
fn frame(window: &mut Window) -> Duration {
    let begun = Instant::now();
    window.step();
    let shapes = window.output().shapes.clone();
    std::hint::black_box(window.ctx.tessellate(shapes, 1.0));
    begun.elapsed()
}

/// When the window paints a frame.
#[derive(Clone, Copy, PartialEq)]
enum Frames {
    WhenAskedFor,
    SixtyASecond,
}

/// Seconds of decoding under the window; adds the seconds of each of its frames to `spent`.
fn with_window(window: &mut Window, frames: Frames, spent: &mut Vec<f64>) -> f64 {
    let before = window.state().state.runs.len();
    window.state_mut().state.actions.push(softcfg_studio::ui::action::Action::Generate);
    frame(window);
    let begun = Instant::now();
    let mut next = Instant::now();
    loop {
        assert!(begun.elapsed() < PATIENCE);
        if frames == Frames::SixtyASecond || window.ctx.has_requested_repaint() {
            spent.push(frame(window).as_secs_f64());
        }
        let state = &window.state().state;
        if state.runs.len() > before
            && let Some(run) = state.shown_run()
            && run.status.is_over()
        {
            assert_eq!(run.status, RunStatus::Finished);
            return run.record.elapsed().as_secs_f64();
        }
        next += FRAME;
        match next.checked_duration_since(Instant::now()) {
            Some(rest) => std::thread::sleep(rest),
            None => next = Instant::now(),
        }
    }
}

fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * at) as usize]
}

/// Of two runs the second: each engine has a model of its own, and the first brings it back into the
/// cache from which the small model decodes.
fn second(mut run: impl FnMut() -> f64) -> f64 {
    let mut after_the_last = || {
        std::thread::sleep(LAST_PICTURES);
        run()
    };
    after_the_last();
    after_the_last()
}

/// How many times as long as alone, within a round.
fn to_alone(times: &[[f64; 4]], place: usize) -> f64 {
    let ratios: Vec<f64> = times.iter().map(|round| round[place] / round[0]).collect();
    quantile(&ratios, 0.5)
}

#[test]
#[ignore = "a measurement for an idle machine"]
fn an_open_window_leaves_the_decoder_its_speed() {
    let model = builtin::load().expect("the built-in model");
    let settings = RunSettings::default();
    let previews = engine(Arc::new(|| ()));
    previews.load_builtin();
    while !matches!(previews.wait(PATIENCE).expect("an answer"), Event::ModelReady(_)) {}
    let stored = StoredSettings { live: Some(false), ..StoredSettings::default() };
    let mut window: Window =
        Harness::builder().with_size(vec2(1400.0, 900.0)).build_eframe(move |creation| {
            let ctx = creation.egui_ctx.clone();
            let engine = engine(Arc::new(move || ctx.request_repaint()));
            StudioApp::new(&creation.egui_ctx, engine, stored)
        });
    let finished = |window: &Window| {
        let run = window.state().state.shown_run();
        run.is_some_and(|run| run.status == RunStatus::Finished)
    };
    let begun = Instant::now();
    while !finished(&window) {
        assert!(begun.elapsed() < PATIENCE);
        frame(&mut window);
    }
    // The window's settings are the defaults of the model: the same run in all three.
    let mut settings = settings;
    settings.shared.sampling = model.card.defaults.sampling;
    assert_eq!(window.state().state.settings.lanes, settings.lanes);
    assert_eq!(window.state().state.settings.shared, settings.shared);
    let (mut times, mut open, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times.push([
            second(|| alone(&model, &settings)),
            second(|| with_previews(&previews, &model, &settings)),
            second(|| with_window(&mut window, Frames::WhenAskedFor, &mut open)),
            second(|| with_window(&mut window, Frames::SixtyASecond, &mut busy)),
        ]);
    }
    let names = ["alone", "with previews", "window open", "60 frames a second"];
    for (place, name) in names.iter().enumerate() {
        let seconds: Vec<f64> = times.iter().map(|round| round[place]).collect();
        let (middle, to_alone) = (quantile(&seconds, 0.5), to_alone(&times, place));
        println!("{name:<20}{middle:.3} s, {to_alone:.3} times alone");
    }
    for (name, frames) in [(names[2], &open), (names[3], &busy)] {
        println!(
            "{name:<20}{:>3.0} frames a run, {:.1} ms median, {:.1} ms at the 95th percentile",
            frames.len() as f64 / (2 * ROUNDS) as f64,
            1e3 * quantile(frames, 0.5),
            1e3 * quantile(frames, 0.95)
        );
    }
    assert!(to_alone(&times, 2) <= BAR, "the open window costs the decoder more than 3 %");
}
