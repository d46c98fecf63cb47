//! The engine over a small decoder made for these tests: cancelling, panics, determinism, and a
//! window that stalls.

mod engine_support;

use engine_support::{Behaviour, settings, spec, test_model};
use softcfg_studio::compute::linear::{default_decoder_threads, most_decoder_threads};
use softcfg_studio::engine::preview_queue::PREVIEW_SHARE;
use softcfg_studio::engine::trace::{RunRecord, RunStatus};
use softcfg_studio::engine::worker::decode_pool;
use softcfg_studio::engine::{Engine, EngineOptions, Event, Preview, decode};
use softcfg_studio::guidance::{CacheRule, Preset};
use softcfg_studio::models::card::ModelCard;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// An engine with the model that behaves so, and the model's card.
fn engine_with(behaviour: Behaviour) -> (Engine, Arc<ModelCard>) {
    let options = EngineOptions { decoder_threads: Some(1), waker: Arc::new(|| {}) };
    let (engine, model) = (Engine::start(options).expect("threads"), test_model(behaviour));
    let card = model.card.clone();
    engine.install(model);
    (engine, card)
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn tokens(record: &RunRecord, lane: usize) -> Vec<u32> {
    record.lane(lane).iter().map(|record| record.token).collect()
}

#[test]
fn a_run_fills_its_record_and_ends() {
    let (engine, card) = engine_with(Behaviour::default());
    let record = engine.generate(spec(&card, &settings()));
    wait_until("the end of the run", || record.status().is_over());
    assert_eq!(record.status(), RunStatus::Finished);
    assert_eq!(record.steps_done(), card.layout.len());
    let steps: Vec<usize> = record.lane(1).iter().map(|record| record.step).collect();
    assert_eq!(steps, (0..card.layout.len()).collect::<Vec<_>>());
}

#[test]
fn cancelling_stops_within_one_step_and_keeps_what_is_there() {
    let (engine, card) =
        engine_with(Behaviour { pause: Duration::from_millis(20), ..Behaviour::default() });
    let record = engine.generate(spec(&card, &settings()));
    wait_until("the third step", || record.steps_done() >= 3);
    engine.cancel(record.id);
    let at_cancel = record.steps_done();
    wait_until("the end of the run", || record.status().is_over());
    assert_eq!(record.status(), RunStatus::Cancelled);
    // The step under way may still finish; none begins after it.
    assert!((at_cancel..=at_cancel + 1).contains(&record.steps_done()));
    assert_eq!(record.lane(0).len(), record.steps_done());
    // Cancelling a run that is over, or one that never was, does nothing.
    engine.cancel(record.id);
    engine.cancel(999);
    let next = engine.generate(spec(&card, &settings()));
    wait_until("the next run's first step", || next.steps_done() >= 1);
}

#[test]
fn a_paused_run_makes_single_steps_and_draws_what_it_draws_at_once() {
    let (engine, card) =
        engine_with(Behaviour { pause: Duration::from_millis(5), ..Behaviour::default() });
    let whole = engine.generate(spec(&card, &settings()));
    wait_until("the end of the first run", || whole.status().is_over());
    let record = engine.generate(spec(&card, &settings()));
    engine.pause(record.id);
    let paused = || record.status() == RunStatus::Paused;
    wait_until("the pause", paused);
    let before = record.steps_done();
    for step in 1..=3 {
        engine.step_once(record.id);
        wait_until("a step", || record.steps_done() == before + step);
    }
    wait_until("the clock's rest", || {
        let clock = record.elapsed();
        std::thread::sleep(Duration::from_millis(5));
        clock == record.elapsed()
    });
    let clock = record.elapsed();
    std::thread::sleep(Duration::from_millis(60));
    assert!(paused() && record.steps_done() == before + 3, "it went on by itself");
    assert_eq!(record.elapsed(), clock, "the clock runs while the run halts");
    let mut events = std::iter::from_fn(|| engine.next_event());
    assert!(events.any(|event| matches!(event, Event::RunPaused(id) if id == record.id)));
    engine.resume(record.id);
    wait_until("the end of the run", || record.status().is_over());
    assert_eq!(record.status(), RunStatus::Finished);
    for lane in 0..2 {
        assert_eq!(record.lane(lane), whole.lane(lane));
    }
    // A run that is over, or never was, has nothing to pause.
    for run in [record.id, 999] {
        engine.pause(run);
        engine.step_once(run);
        engine.resume(run);
    }
    assert_eq!(record.status(), RunStatus::Finished);
}

#[test]
fn a_paused_run_is_shown_as_it_stands_though_its_clock_stands_still() {
    // A picture of 30 ms is paid for by 200 ms of decoding, which do not pass in a pause.
    let (engine, card) = engine_with(Behaviour {
        pause: Duration::from_millis(5),
        preview_pause: Duration::from_millis(15),
        live: false,
        ..Behaviour::default()
    });
    let record = engine.generate(spec(&card, &settings()));
    wait_until("the third step", || record.steps_done() >= 3);
    engine.pause(record.id);
    wait_until("the pause", || record.status() == RunStatus::Paused);
    let steps = record.steps_done();
    let mut shown = [false; 2];
    wait_until("pictures of both lanes", || {
        for event in std::iter::from_fn(|| engine.next_event()) {
            if let Event::Preview(preview) = event {
                shown[preview.lane] |= preview.steps == steps;
            }
        }
        shown == [true; 2]
    });
}

#[test]
fn a_paused_run_is_cancelled_replaced_and_ended_by_other_models_and_the_end_of_the_engine() {
    let slow = || Behaviour { pause: Duration::from_millis(5), ..Behaviour::default() };
    let (engine, card) = engine_with(slow());
    let paused_run = || {
        let record = engine.generate(spec(&card, &settings()));
        wait_until("the first step", || record.steps_done() >= 1);
        engine.pause(record.id);
        wait_until("the pause", || record.status() == RunStatus::Paused);
        record
    };
    let cancelled = |record: &RunRecord| {
        wait_until("the end of the paused run", || record.status().is_over());
        assert_eq!(record.status(), RunStatus::Cancelled);
        assert!(record.steps_done() >= 1, "what was drawn stays");
    };
    let record = paused_run();
    engine.cancel(record.id);
    cancelled(&record);
    let record = paused_run();
    let next = engine.generate(spec(&card, &settings()));
    cancelled(&record);
    wait_until("the end of the run", || next.status().is_over());
    assert_eq!(next.status(), RunStatus::Finished);
    let record = paused_run();
    engine.install(test_model(slow()));
    cancelled(&record);
    let record = paused_run();
    drop(engine);
    cancelled(&record);
}

#[test]
fn a_newer_run_replaces_the_ones_before() {
    let (engine, card) =
        engine_with(Behaviour { pause: Duration::from_millis(5), ..Behaviour::default() });
    let runs: Vec<_> = (0..20).map(|_| engine.generate(spec(&card, &settings()))).collect();
    let (last, earlier) = runs.split_last().expect("twenty runs");
    wait_until("the last run's end", || last.status().is_over());
    assert_eq!(last.status(), RunStatus::Finished);
    assert!(earlier.iter().all(|run| run.status() == RunStatus::Cancelled));
}

#[test]
fn a_panic_becomes_a_message_and_the_next_run_works() {
    let (engine, card) = engine_with(Behaviour { panic_at_pass: Some(5), ..Behaviour::default() });
    let record = engine.generate(spec(&card, &settings()));
    wait_until("the end of the run", || record.status().is_over());
    let RunStatus::Failed(message) = record.status() else {
        panic!("the run should have failed, not {:?}", record.status());
    };
    assert!(message.contains("the decoder panicked as asked"), "{message}");
    assert!(record.steps_done() > 0, "the steps before the panic stay");
    let next = engine.generate(spec(&card, &settings()));
    wait_until("the next run's end", || next.status().is_over());
    assert_eq!(next.status(), RunStatus::Finished);
}

#[test]
fn logits_that_are_not_finite_stop_the_run_and_name_the_step() {
    let model = test_model(Behaviour { nan_at_pass: Some(6), ..Behaviour::default() });
    let record = RunRecord::new(1, spec(&model.card, &settings()), model.card.layout.clone());
    decode::run(&model, &record, &mut || {});
    let RunStatus::Failed(message) = record.status() else {
        panic!("the run should have failed, not {:?}", record.status());
    };
    assert!(message.contains(&format!("step {}", record.steps_done())), "{message}");
    assert!(message.contains("cfg"), "{message}");
}

#[test]
fn a_stalled_window_loses_no_trace_rows() {
    // Nobody drains events or previews; the channels are far smaller than the run.
    let (engine, card) = engine_with(Behaviour { grid: (24, 24), ..Behaviour::default() });
    for _ in 0..3 {
        let record = engine.generate(spec(&card, &settings()));
        wait_until("the end of the run", || record.status().is_over());
        assert_eq!(record.status(), RunStatus::Finished);
        for lane in 0..2 {
            assert_eq!(record.lane(lane).len(), 576);
        }
    }
}

#[test]
fn slow_previews_keep_to_their_share_of_the_decoding_time() {
    let (engine, card) = engine_with(Behaviour {
        pause: Duration::from_millis(5),
        preview_pause: Duration::from_millis(15),
        live: false,
        ..Behaviour::default()
    });
    let record = engine.generate(spec(&card, &settings()));
    let (mut longest, mut pictures, mut before) = (Duration::ZERO, 0, Duration::ZERO);
    wait_until("the end of the run", || {
        let spent = record.preview_time();
        if spent > before {
            (longest, pictures, before) = (longest.max(spent - before), pictures + 1, spent);
        }
        record.status().is_over()
    });
    // Two pictures may have been added between two looks; each is at least two sleeps of a pair.
    assert!(pictures >= 1 && before >= Duration::from_millis(30), "{pictures} in {before:?}");
    // Both sides are measured on the same clock by the engine itself, so load on the machine moves
    // them alike: a picture that takes long is paid for before the next one begins.
    let paid = before.saturating_sub(longest);
    let share = record.elapsed().mul_f64(PREVIEW_SHARE);
    assert!(paid <= share, "{paid:?} of previews in {:?}", record.elapsed());
    // The last pictures are made all the same.
    previews_of(&engine, &record);
}

/// The previews of a run up to its last ones, in the order in which they came.
fn previews_of(engine: &Engine, record: &RunRecord) -> Vec<Preview> {
    let (mut found, lanes) = (Vec::<Preview>::new(), record.lanes().len());
    wait_until("the last pictures", || {
        found.extend(std::iter::from_fn(|| engine.next_event()).filter_map(|event| match event {
            Event::Preview(preview) if preview.run == record.id => Some(preview),
            _ => None,
        }));
        let last = found.iter().filter(|preview| preview.steps == record.layout.len());
        last.count() >= lanes
    });
    found
}

#[test]
fn pictures_of_a_quick_model_come_lane_by_lane_of_one_step_and_once_for_equal_lanes() {
    let (engine, card) =
        engine_with(Behaviour { pause: Duration::from_millis(2), ..Behaviour::default() });
    for (guidance_scale, equal) in [(1.0, true), (3.0, false)] {
        let mut settings = settings();
        settings.shared.guidance.scale.guidance_scale = guidance_scale;
        settings.lanes = vec![Preset::None, Preset::Cfg];
        let record = engine.generate(spec(&card, &settings));
        let previews = previews_of(&engine, &record);
        assert_eq!(tokens(&record, 0) == tokens(&record, 1), equal);
        let pairs: Vec<_> = previews.chunks(2).collect();
        for pair in &pairs {
            assert_eq!((pair[0].lane, pair[1].lane), (0, 1));
            assert_eq!(pair[0].steps, pair[1].steps);
        }
        let last = pairs.last().expect("a pair");
        assert_eq!(Arc::ptr_eq(&last[0].image, &last[1].image), equal);
    }
}

#[test]
fn the_end_of_a_run_is_shown_before_previews_have_paid_for_themselves() {
    // A picture of 1.6 s is paid for after 10.7 s; the run ends after 2.4 s, while the thread waits.
    let (engine, card) = engine_with(Behaviour {
        pause: Duration::from_millis(50),
        preview_pause: Duration::from_millis(1600),
        live: false,
        ..Behaviour::default()
    });
    let mut settings = settings();
    settings.lanes = vec![Preset::Cfg];
    let record = engine.generate(spec(&card, &settings));
    wait_until("the end of the run", || record.status().is_over());
    let over = Instant::now();
    previews_of(&engine, &record);
    assert!(over.elapsed() < Duration::from_millis(6000), "{:?}", over.elapsed());
}

#[test]
fn reading_new_rows_in_pieces_gives_every_row_once() {
    let (engine, card) =
        engine_with(Behaviour { pause: Duration::from_millis(1), ..Behaviour::default() });
    let record = engine.generate(spec(&card, &settings()));
    let mut drained = Vec::new();
    while !record.status().is_over() {
        record.read_new(0, &mut drained);
    }
    record.read_new(0, &mut drained);
    assert_eq!(drained, record.lane(0));
}

#[test]
fn tokens_do_not_depend_on_threads_or_other_lanes() {
    let run = |lanes: &[Preset], threads: usize, cache_rule: CacheRule, delta_context: bool| {
        let model = test_model(Behaviour::default());
        let mut settings = settings();
        settings.lanes = lanes.to_vec();
        settings.shared.delta_context = delta_context;
        let guidance = &mut settings.shared.guidance;
        guidance.perturbation.cache_rule = cache_rule;
        guidance.scale.guidance_scale = 12.0;
        guidance.scale.cosine_power = 0.0;
        let record = RunRecord::new(1, spec(&model.card, &settings), model.card.layout.clone());
        let pool = decode_pool(Some(threads)).expect("threads");
        pool.install(|| decode::run(&model, &record, &mut || {}));
        assert_eq!(record.status(), RunStatus::Finished);
        (0..lanes.len()).map(|lane| tokens(&record, lane)).collect::<Vec<_>>()
    };
    use Preset::{Cfg, None, SoftCfg, SoftCfgNoStepNorm};
    for rule in [CacheRule::TwoPass, CacheRule::Exact] {
        let all = run(&[None, Cfg, SoftCfg, SoftCfgNoStepNorm], 2, rule, false);
        // Nine rows: more than one pass takes.
        assert_eq!(all, run(&[None, Cfg, SoftCfg, SoftCfgNoStepNorm], 1, rule, true));
        for (index, lane) in [None, Cfg, SoftCfg, SoftCfgNoStepNorm].into_iter().enumerate() {
            assert_eq!(run(&[lane], 1, rule, false), [all[index].clone()], "{lane} alone, {rule}");
        }
        assert_ne!(all[1], all[2], "the test is blind if guidance makes no difference");
    }
}

#[test]
fn threads_are_changed_between_runs_and_change_nothing_of_what_is_drawn() {
    let (engine, card) = engine_with(Behaviour { grid: (16, 16), ..Behaviour::default() });
    let run = |threads: Option<usize>| {
        engine.set_decoder_threads(threads);
        let record = engine.generate(spec(&card, &settings()));
        // The run that decodes keeps its threads.
        wait_until("the first step", || record.steps_done() > 0);
        engine.set_decoder_threads(Some(5));
        wait_until("the end of the run", || record.status().is_over());
        assert_eq!(record.status(), RunStatus::Finished);
        (record.threads(), tokens(&record, 0), tokens(&record, 1))
    };
    let one = run(Some(1));
    assert_eq!(one.0, Some(1));
    for threads in [2, 3] {
        let other = run(Some(threads));
        assert_eq!(other.0, Some(threads.min(most_decoder_threads())));
        assert_eq!((&other.1, &other.2), (&one.1, &one.2), "{threads} threads");
    }
    assert_eq!(run(Some(0)).0, Some(1), "at least one");
    assert_eq!(run(None).0, Some(default_decoder_threads()));
}
