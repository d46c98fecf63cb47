//! Runs as the window holds them: rows drained from the trace, the newest pixels, and what was counted
//! of them this frame, so that panels paint without a lock.

use crate::engine::trace::{RunId, RunRecord, RunStatus, StepRecord};
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// One lane of a run as the window holds it.
#[derive(Default)]
pub struct LaneView {
    /// Trace rows drained so far; the window paints from these, without a lock.
    pub records: Vec<StepRecord>,
    /// Newest pixels, and how many tokens they hold.
    pub newest: Option<(usize, Arc<RgbImage>)>,
    /// Pixels asked for at other cursor positions, by tokens held.
    pub at_cursor: HashMap<usize, Arc<RgbImage>>,
}

/// One run as the window holds it.
pub struct RunView {
    /// The run; its spec, layout and status.
    pub record: Arc<RunRecord>,
    /// One entry per lane, in order.
    pub lanes: Vec<LaneView>,
    /// Status as of this frame.
    pub status: RunStatus,
    /// First step at which the first two lanes part, as of this frame.
    pub first_divergence: Option<usize>,
    /// For each lane the first step at which it parts from the first one, as of this frame.
    pub divergences: Vec<Option<usize>>,
    /// Steps at which the first two lanes drew different tokens, as of this frame.
    pub tokens_that_differ: usize,
    /// Steps every lane has done, as of this frame; stays when the rows of a run out of view are
    /// given back.
    pub steps_done: usize,
    /// Time spent decoding, as of this frame.
    pub elapsed: Duration,
    /// Time spent on previews while decoding, as of this frame.
    pub preview_time: Duration,
    /// Started by a change of the settings, not by the button.
    pub by_live: bool,
}

impl RunView {
    /// The run with this number; the newest runs are looked for most.
    pub fn find(runs: &[Self], id: RunId) -> Option<&Self> {
        runs.iter().rev().find(|run| run.record.id == id)
    }

    /// [`Self::find`], to change it.
    pub fn find_mut(runs: &mut [Self], id: RunId) -> Option<&mut Self> {
        runs.iter_mut().rev().find(|run| run.record.id == id)
    }

    /// A view of a run that has just begun.
    pub fn new(record: Arc<RunRecord>) -> Self {
        let lanes = record.lanes().iter().map(|_| LaneView::default()).collect();
        Self {
            record,
            lanes,
            status: RunStatus::Starting,
            first_divergence: None,
            divergences: Vec::new(),
            tokens_that_differ: 0,
            steps_done: 0,
            elapsed: Duration::ZERO,
            preview_time: Duration::ZERO,
            by_live: false,
        }
    }

    /// Steps every lane has done, as of this frame.
    pub fn steps_done(&self) -> usize {
        self.lanes.iter().map(|lane| lane.records.len()).min().unwrap_or(0)
    }

    /// Takes over what the decoder has added since the last frame.
    pub fn refresh(&mut self) {
        let before = self.steps_done();
        // Status first: once it says that the run is over, no row comes after the ones read below.
        self.status = self.record.status();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            self.record.read_new(index, &mut lane.records);
        }
        self.elapsed = self.record.elapsed();
        self.preview_time = self.record.preview_time();
        self.steps_done = self.steps_done();
        if self.steps_done != before && self.lanes.len() >= 2 {
            self.first_divergence = self.record.first_divergence(0, 1);
            let lanes = 0..self.lanes.len();
            self.divergences = lanes.map(|lane| self.record.first_divergence(0, lane)).collect();
            self.tokens_that_differ = self.record.tokens_that_differ(0, 1);
        }
    }

    /// Gives back what can be read again from the record: rows, and pixels at other positions.
    pub fn release(&mut self) {
        for lane in &mut self.lanes {
            lane.records = Vec::new();
            lane.at_cursor = HashMap::new();
        }
    }

    /// Whether the run is paused with `position` at its newest step: a step forward decodes one then.
    pub fn waits_at(&self, position: usize) -> bool {
        self.status == RunStatus::Paused && position >= self.steps_done()
    }

    /// T.
    pub fn steps(&self) -> usize {
        self.record.spec.steps
    }
}

/// Whether two lanes drew different tokens at a step that both have done.
pub fn tokens_differ(a: &LaneView, b: &LaneView, step: usize) -> bool {
    matches!((a.records.get(step), b.records.get(step)), (Some(a), Some(b)) if a.token != b.token)
}
