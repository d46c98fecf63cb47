//! Runs with made-up but plausible traces, to show panels without a model: entropies fall from row to
//! row, confidence follows them, the lanes draw the same tokens up to a step and part there.

use image::{Rgb, RgbImage};
use softcfg_studio::compute::layout::{StepKind, TokenLayout};
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::engine::settings::{LaneSpec, RunSettings, RunSpec};
use softcfg_studio::engine::trace::{RunRecord, RunStatus, StepRecord, TOP_COUNT, TopTokens};
use softcfg_studio::guidance::schedule::ScaleRule;
use softcfg_studio::guidance::{Guidance, Preset};
use softcfg_studio::models::card::ModelIdentity;
use softcfg_studio::ui::app::state::State;
use softcfg_studio::ui::state::run_view::RunView;
use std::sync::Arc;

/// Step at which the lanes part.
pub const DIVERGENCE: usize = 23;
/// Side of a token in pixels.
pub const PIXELS: u32 = 8;

/// A number in 0..1 that depends on its arguments only.
pub fn noise(a: usize, b: usize) -> f32 {
    let mut x = (a as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (b as u64).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 31;
    x = x.wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^= x >> 29;
    (x >> 40) as f32 / (1u64 << 24) as f32
}

fn top(step: usize, salt: usize, first: u32, share: f32) -> TopTokens {
    let mut top = TopTokens { count: TOP_COUNT, ..TopTokens::default() };
    let mut rest = 1.0;
    for rank in 0..TOP_COUNT {
        let code = (noise(step * 31 + rank, salt) * 2560.0) as u32;
        top.ids[rank] = if rank == 0 { first } else { code };
        top.probabilities[rank] = rest * share;
        rest *= 1.0 - share;
    }
    top
}

/// The record of one lane at one step.
pub fn record(kind: Preset, lane: usize, layout: &TokenLayout, step: usize) -> StepRecord {
    let progress = step as f32 / layout.len().max(1) as f32;
    let guidance = kind.applied_to(Guidance::default());
    let (guided, soft) = (guidance.is_guided(), guidance.is_perturbed());
    let forced = matches!(layout.steps().get(step), Some(StepKind::RowEnd { .. }));
    let same = step < DIVERGENCE || noise(step, 5) < 0.4;
    let token = (noise(step, if same { 1 } else { 100 + lane }) * 2560.0) as u32;
    let wave = 0.5 + 0.5 * (step as f32 * 0.39).sin();
    let conditional = (0.16 + 0.34 * wave * noise(step, 2)) * (1.0 - 0.45 * progress);
    let gap = if soft { 0.22 - 0.05 * progress } else { 0.2 * (1.0 - progress) };
    let unconditional = conditional + gap * (0.6 + 0.4 * noise(step, 3 + lane));
    let scale = 1.0 + 3.0 * 0.5 * (1.0 - (std::f32::consts::PI * progress.powf(1.4)).cos());
    let confidence = (1.0 - 1.6 * conditional + 0.1 * noise(step, 4)).clamp(0.02, 0.99);
    let delta = 34.0 * (1.0 - 0.7 * progress) + 9.0 * noise(step, 7);
    StepRecord {
        step,
        token,
        forced,
        confidence: if forced { 1.0 } else { confidence },
        sampled_probability: confidence * 0.8,
        entropy_conditional: conditional,
        entropy_unconditional: guided.then_some(unconditional),
        entropy_guided: (conditional - gap * 0.5 * (scale - 1.0) / 3.0).max(0.01),
        scale: if guided { scale } else { 1.0 },
        guiding_delta: guided.then_some(delta * if soft { 1.15 } else { 1.0 }),
        delta: (kind == Preset::Cfg).then_some(delta),
        delta_context: None,
        delta_cosine: None,
        budget: 0.6 * step as f32,
        budget_normalized: if step == 0 { 0.0 } else { 1.0 },
        top_conditional: top(step, 11, token, confidence),
        top_unconditional: if guided {
            top(step, 12 + lane, token ^ 3, 0.18)
        } else {
            TopTokens::default()
        },
        top_guided: top(step, 13, token, (confidence * 1.1).min(0.97)),
    }
}

/// A scene of a disc left of a box on a ground; lanes differ in where and how large they are.
pub fn picture(layout: &TokenLayout, lane: usize) -> Arc<RgbImage> {
    let (width, height) = (layout.columns() as u32 * PIXELS, layout.rows() as u32 * PIXELS);
    let (w, h) = (width.max(1) as f32, height.max(1) as f32);
    let shift = lane as f32 * 0.03;
    Arc::new(RgbImage::from_fn(width.max(1), height.max(1), |x, y| {
        let (u, v) = (x as f32 / w, y as f32 / h);
        let disc = ((u - 0.3 + shift).powi(2) + (v - 0.55 - shift).powi(2)).sqrt();
        if disc < 0.17 + 0.5 * shift {
            return Rgb([(235.0 - 300.0 * disc) as u8, 170, 60]);
        }
        if (u - 0.72).abs() < 0.16 + shift && (v - 0.6).abs() < 0.1 + shift {
            return Rgb([205, (40.0 + 60.0 * v) as u8, 50]);
        }
        Rgb([(50.0 + 30.0 * v) as u8, (90.0 + 50.0 * (1.0 - v)) as u8, (170.0 + 40.0 * v) as u8])
    }))
}

/// A run of these lanes with `done` steps drawn.
pub fn run(id: u64, kinds: &[Preset], layout: TokenLayout, done: usize) -> RunView {
    let settings = RunSettings { lanes: kinds.to_vec(), ..RunSettings::default() };
    let model = ModelIdentity {
        name: "Emoji scenes".into(),
        family: "SimpleAR".into(),
        sha256: "0".repeat(64),
        precision: Precision::F32,
        device: Default::default(),
    };
    let lanes = settings.named_lanes().into_iter().map(|(name, settings)| LaneSpec {
        name,
        settings,
        scale_rule: ScaleRule::default(),
        unconditional_text: None,
    });
    let spec = RunSpec { lanes: lanes.collect(), model, steps: layout.len() };
    let record_of_run = Arc::new(RunRecord::new(id, spec, layout.clone()));
    let mut view = RunView::new(record_of_run);
    for (lane, (&kind, lane_view)) in kinds.iter().zip(&mut view.lanes).enumerate() {
        lane_view.records = (0..done).map(|step| record(kind, lane, &layout, step)).collect();
        if done > 0 && layout.columns() > 0 {
            lane_view.newest = Some((done, picture(&layout, lane)));
        }
    }
    let over = done >= layout.len();
    view.status = if over { RunStatus::Finished } else { RunStatus::Running };
    view.first_divergence = (kinds.len() > 1 && done > DIVERGENCE).then_some(DIVERGENCE);
    view.divergences = (0..kinds.len())
        .map(|lane| {
            let records = |lane: usize| view.lanes[lane].records.iter().map(|record| record.token);
            records(0).zip(records(lane)).position(|(a, b)| a != b)
        })
        .collect();
    view
}

/// A window that shows such a run at its newest step.
pub fn state(kinds: &[Preset], layout: TokenLayout, done: usize) -> State {
    let mut state = State::default();
    state.runs.push(run(1, kinds, layout, done));
    state.shared.shown = Some(1);
    state.shared.cursor.position = done;
    state.shared.cursor.following = true;
    state
}
