//! The trace: one record per lane and step, in an append-only store that the decoder fills and
//! anybody reads. Rows cannot be lost to a stalled window, because no channel carries them.

use crate::compute::layout::TokenLayout;
use crate::engine::control::{RunControl, Turn};
use crate::engine::settings::{LaneSpec, RunSpec};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Entries kept of each distribution.
pub const TOP_COUNT: usize = 8;

/// The most probable codes of one distribution, most probable first.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TopTokens {
    /// Number of entries filled: 8, or the codebook's size if that is smaller.
    pub count: usize,
    /// Codes.
    pub ids: [u32; TOP_COUNT],
    /// Their probabilities.
    pub probabilities: [f32; TOP_COUNT],
}

impl TopTokens {
    /// Code and probability, most probable first.
    pub fn entries(&self) -> impl Iterator<Item = (u32, f32)> {
        self.ids.into_iter().zip(self.probabilities).take(self.count)
    }
}

/// What one lane did at one step. Distributions run over the codes, before temperature and filters
/// unless said otherwise; natural logarithms throughout.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// From 0.
    pub step: usize,
    /// Code sampled, or the forced id at a row end.
    pub token: u32,
    /// Whether the token was forced by position.
    pub forced: bool,
    /// Confidence of this token by the run's definition; 1 where forced.
    pub confidence: f32,
    /// Probability of the token in the guided distribution after temperature and filters.
    pub sampled_probability: f32,
    /// Normalized entropy of z_c (Eq. 11-13).
    pub entropy_conditional: f32,
    /// Normalized entropy of the branch that guides: z_ũ in SoftCFG lanes, else z_u; `None` without
    /// guidance.
    pub entropy_unconditional: Option<f32>,
    /// Normalized entropy of the guided logits.
    pub entropy_guided: f32,
    /// scale_s; the paper's γ_t is this minus 1.
    pub scale: f32,
    /// ‖z_c - z_g‖, z_g the branch that guides (z_ũ in SoftCFG lanes); `None` without guidance.
    pub guiding_delta: Option<f32>,
    /// ‖Δ‖ = ‖z_c - z_u‖, where a clean unconditional branch runs.
    pub delta: Option<f32>,
    /// ‖Δctx‖ = ‖z_u - z_ũ‖, where measured.
    pub delta_context: Option<f32>,
    /// Cosine of Δ and Δctx, where measured.
    pub delta_cosine: Option<f32>,
    /// Σ(1-w_i) over the tokens seen at this step.
    pub budget: f32,
    /// Σ(1-ŵ_i) over the tokens seen at this step.
    pub budget_normalized: f32,
    /// Top of the conditional distribution.
    pub top_conditional: TopTokens,
    /// Top of the guiding unconditional distribution; empty without guidance.
    pub top_unconditional: TopTokens,
    /// Top of the guided distribution.
    pub top_guided: TopTokens,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum RunStatus {
    /// Waiting for the worker, or encoding the prompt.
    Starting,
    /// Decoding.
    Running,
    /// Halted by the person, but for single steps; goes on when asked.
    Paused,
    /// All steps done.
    Finished,
    /// Stopped by the person; the steps done stay.
    Cancelled,
    /// Stopped by an error or a panic; the steps done stay.
    Failed(String),
}

impl RunStatus {
    /// Whether no more steps will come.
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::Starting | Self::Running | Self::Paused)
    }

    /// Whether the decoder is at work on it.
    pub fn is_decoding(&self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }
}

/// Number of a run, unique within a session.
pub type RunId = u64;

/// A run and its trace, shared between the decoder and everybody who looks on.
#[derive(Debug)]
pub struct RunRecord {
    /// Number of the run.
    pub id: RunId,
    /// What it was made from.
    pub spec: RunSpec,
    /// Which step draws which cell.
    pub layout: TokenLayout,
    /// When it was asked for.
    pub created: SystemTime,
    control: RunControl,
    /// Nanoseconds spent on previews while the run was decoding.
    previews: AtomicU64,
    /// Threads that decode; 0 before.
    threads: AtomicUsize,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    status: RunStatus,
    lanes: Vec<Vec<StepRecord>>,
    /// Since when the clock runs, if it does.
    started: Option<Instant>,
    /// What it showed before.
    elapsed: Duration,
}

impl Progress {
    fn elapsed(&self) -> Duration {
        self.elapsed + self.started.map_or(Duration::ZERO, |started| started.elapsed())
    }

    fn stop_clock(&mut self) {
        self.elapsed = self.elapsed();
        self.started = None;
    }
}

impl RunRecord {
    /// A record without steps, with room for all of them.
    pub fn new(id: RunId, spec: RunSpec, layout: TokenLayout) -> Self {
        let lanes = spec.lanes.iter().map(|_| Vec::with_capacity(spec.steps)).collect();
        let progress =
            Progress { status: RunStatus::Starting, lanes, started: None, elapsed: Duration::ZERO };
        Self {
            id,
            spec,
            layout,
            created: SystemTime::now(),
            control: RunControl::default(),
            previews: AtomicU64::new(0),
            threads: AtomicUsize::new(0),
            progress: Mutex::new(progress),
        }
    }

    // A panic while the lock is held leaves whole records behind: each is pushed at once.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lanes in the order they are shown.
    pub fn lanes(&self) -> &[LaneSpec] {
        &self.spec.lanes
    }

    /// How the run stands.
    pub fn status(&self) -> RunStatus {
        self.progress().status.clone()
    }

    /// Steps that every lane has done.
    pub fn steps_done(&self) -> usize {
        self.progress().lanes.iter().map(Vec::len).min().unwrap_or(0)
    }

    /// Time spent decoding so far; neither prefill nor pauses count.
    pub fn elapsed(&self) -> Duration {
        self.progress().elapsed()
    }

    /// Time that the preview thread spent on pictures of this run while it was decoding. Not part of
    /// [`Self::elapsed`]: another thread spent it.
    pub fn preview_time(&self) -> Duration {
        Duration::from_nanos(self.previews.load(Ordering::Relaxed))
    }

    pub(crate) fn add_preview_time(&self, spent: Duration) {
        let nanoseconds = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.previews.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Threads that decoded the run, once it has begun. They change its speed and nothing else.
    pub fn threads(&self) -> Option<usize> {
        Some(self.threads.load(Ordering::Relaxed)).filter(|&threads| threads > 0)
    }

    /// Appends the records of `lane` from number `have.len()` on to `have`.
    pub fn read_new(&self, lane: usize, have: &mut Vec<StepRecord>) {
        if let Some(new) = self.progress().lanes.get(lane).and_then(|all| all.get(have.len()..)) {
            have.extend_from_slice(new);
        }
    }

    /// All records of a lane.
    pub fn lane(&self, lane: usize) -> Vec<StepRecord> {
        let mut records = Vec::new();
        self.read_new(lane, &mut records);
        records
    }

    /// The tokens of a lane so far, one entry per step of the layout, `None` where not drawn yet or
    /// drawn at or after `until`.
    pub fn tokens(&self, lane: usize, until: usize) -> Vec<Option<u32>> {
        let progress = self.progress();
        let records = progress.lanes.get(lane).map_or(&[][..], Vec::as_slice);
        (0..self.layout.len())
            .map(|step| records.get(step).filter(|_| step < until).map(|record| record.token))
            .collect()
    }

    /// First step at which two lanes drew different tokens, over the steps both have done.
    pub fn first_divergence(&self, a: usize, b: usize) -> Option<usize> {
        let progress = self.progress();
        let (a, b) = (progress.lanes.get(a)?, progress.lanes.get(b)?);
        a.iter().zip(b).position(|(a, b)| a.token != b.token)
    }

    /// Number of steps at which two lanes drew different tokens.
    pub fn tokens_that_differ(&self, a: usize, b: usize) -> usize {
        let progress = self.progress();
        let (Some(a), Some(b)) = (progress.lanes.get(a), progress.lanes.get(b)) else { return 0 };
        a.iter().zip(b).filter(|(a, b)| a.token != b.token).count()
    }

    /// Asks the decoder to stop; it does so before its next step, also while the run is paused.
    pub fn request_cancel(&self) {
        self.control.cancel();
    }

    /// Whether a stop was asked for.
    pub fn cancel_requested(&self) -> bool {
        self.control.is_cancelled()
    }

    /// Asks the decoder to halt before its next step.
    pub(crate) fn request_pause(&self) {
        self.control.pause();
    }

    /// Asks the decoder to go on after a pause.
    pub(crate) fn request_resume(&self) {
        self.control.resume();
    }

    /// Asks the decoder for one more step of a paused run.
    pub(crate) fn request_step(&self) {
        self.control.step_once();
    }

    /// Waits until the next step may be made, with the clock stopped while the run is paused; `on_halt`
    /// is called when it halts. Returns whether there is a next step: `false` ends the run.
    pub(crate) fn wait_for_turn(&self, on_halt: &mut dyn FnMut()) -> bool {
        let turn = self.control.next_turn(|| {
            let mut progress = self.progress();
            progress.stop_clock();
            progress.status = RunStatus::Paused;
            drop(progress);
            on_halt();
        });
        let mut progress = self.progress();
        progress.started.get_or_insert_with(Instant::now);
        match turn {
            Turn::Go => progress.status = RunStatus::Running,
            Turn::One => progress.status = RunStatus::Paused,
            Turn::Stop => return false,
        }
        true
    }

    /// Starts the clock of a run that `threads` threads decode.
    pub(crate) fn begin(&self, threads: usize) {
        self.threads.store(threads, Ordering::Relaxed);
        let mut progress = self.progress();
        progress.status = RunStatus::Running;
        progress.started = Some(Instant::now());
    }

    pub(crate) fn push_step(&self, records: impl IntoIterator<Item = StepRecord>) {
        let mut progress = self.progress();
        for (lane, record) in progress.lanes.iter_mut().zip(records) {
            lane.push(record);
        }
    }

    pub(crate) fn end(&self, status: RunStatus) {
        let mut progress = self.progress();
        if progress.status.is_over() {
            return;
        }
        progress.stop_clock();
        progress.status = status;
    }
}
