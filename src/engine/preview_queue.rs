//! The queue of preview requests: what the decoder and the window would like to see as pixels, and what
//! the preview thread takes next. Nobody waits at it but that thread.
//!
//! Previews of slow models keep to a share of the decoding time ([`PREVIEW_SHARE`]): one begins only
//! once those before it have cost no more than their share of the time that has passed. So at any time
//! they have cost at most that share and one preview. What they did cost stands in the run's record.
//! Those of quick models may take more, but not a whole core ([`LIVE_SHARE`]): decoder, previews and
//! window together would want more than two. A run that is paused or over leaves its share to nobody.

use crate::engine::trace::{RunId, RunRecord, RunStatus};
use crate::models::card::Model;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Share of a run's time that previews of slow models may take, plus one preview.
pub const PREVIEW_SHARE: f64 = 0.15;

/// The same of models that are quick enough to decode while a slider moves.
pub const LIVE_SHARE: f64 = 0.25;

/// Requests that have not been served.
#[derive(Default)]
struct Requests {
    model: Option<Arc<Model>>,
    /// The run whose newest grid is shown, as long as it decodes.
    live: Option<Arc<RunRecord>>,
    /// Grids at given steps, newest last, one a lane.
    grids: Vec<GridRequest>,
    /// Codes, newest request only.
    codes: Vec<u32>,
    /// Whether the thread waits for requests, and not until previews have paid for themselves.
    waiting: bool,
    shutdown: bool,
}

/// Preview requests of the decoder and the window.
#[derive(Default)]
pub(crate) struct PreviewQueue {
    requests: Mutex<Requests>,
    changed: Condvar,
}

/// A grid as it stood after `steps` tokens.
pub(crate) struct GridRequest {
    pub(crate) record: Arc<RunRecord>,
    pub(crate) lane: usize,
    pub(crate) steps: usize,
}

/// One thing to decode.
pub(crate) enum Job {
    Live { record: Arc<RunRecord> },
    Grid(GridRequest),
    Codes(Vec<u32>),
}

impl PreviewQueue {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_model(&self, model: Option<Arc<Model>>) {
        let mut requests = self.requests();
        requests.live = None;
        requests.grids.clear();
        requests.codes.clear();
        requests.model = model;
    }

    /// The run has new tokens, or halts. Costs one lock that is held for a moment, and wakes the thread
    /// only if it waits for them.
    pub(crate) fn notice_step(&self, record: &Arc<RunRecord>) {
        if self.follow(record) || record.status() == RunStatus::Paused {
            self.changed.notify_one();
        }
    }

    /// The run is over: its last grid is shown at once.
    pub(crate) fn notice_end(&self, record: &Arc<RunRecord>) {
        self.follow(record);
        self.changed.notify_one();
    }

    /// Makes `record` the run that is followed; returns whether the thread waits for news of it.
    fn follow(&self, record: &Arc<RunRecord>) -> bool {
        let mut requests = self.requests();
        let another = requests.live.as_ref().is_none_or(|live| live.id != record.id);
        if another {
            requests.live = Some(record.clone());
        }
        another || requests.waiting
    }

    pub(crate) fn request_grid(&self, record: Arc<RunRecord>, lane: usize, steps: usize) {
        let mut requests = self.requests();
        requests.grids.retain(|old| (old.record.id, old.lane) != (record.id, lane));
        requests.grids.push(GridRequest { record, lane, steps });
        drop(requests);
        self.changed.notify_one();
    }

    pub(crate) fn request_codes(&self, codes: Vec<u32>) {
        self.requests().codes = codes;
        self.changed.notify_one();
    }

    /// Whether a run decodes at this moment.
    pub(crate) fn is_decoding(&self) -> bool {
        self.requests().live.as_ref().is_some_and(|live| live.status().is_decoding())
    }

    pub(crate) fn shut_down(&self) {
        self.requests().shutdown = true;
        self.changed.notify_one();
    }

    /// Waits for work. What a person asked for goes before what runs by itself.
    pub(crate) fn next(&self, seen: &LiveProgress) -> Option<(Arc<Model>, Job)> {
        let mut requests = self.requests();
        loop {
            if requests.shutdown {
                return None;
            }
            if let Some(model) = requests.model.clone() {
                if let Some(request) = requests.grids.pop() {
                    return Some((model, Job::Grid(request)));
                }
                if !requests.codes.is_empty() {
                    return Some((model, Job::Codes(std::mem::take(&mut requests.codes))));
                }
                if let Some(record) = requests.live.clone() {
                    let wait = seen.wait_before_next(&record, model.card.live);
                    if wait.is_zero() && seen.has_news(&record) {
                        return Some((model, Job::Live { record }));
                    }
                    if record.status().is_over() && !seen.has_news(&record) {
                        requests.live = None;
                    } else if !wait.is_zero() {
                        requests = self
                            .changed
                            .wait_timeout(requests, wait)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0;
                        continue;
                    }
                }
            }
            requests.waiting = true;
            requests = self.changed.wait(requests).unwrap_or_else(PoisonError::into_inner);
            requests.waiting = false;
        }
    }
}

/// How far the live run has been shown, and what that has cost.
#[derive(Default)]
pub(crate) struct LiveProgress {
    run: Option<RunId>,
    steps: usize,
    /// Time spent on previews of this run.
    spent: Duration,
}

impl LiveProgress {
    fn has_news(&self, record: &RunRecord) -> bool {
        self.run != Some(record.id) && record.steps_done() > 0 || record.steps_done() > self.steps
    }

    /// Previews wait until they have cost no more than their share of the run. The first picture and
    /// the last do not wait, nor does one of a run that is paused.
    fn wait_before_next(&self, record: &RunRecord, live: bool) -> Duration {
        if self.run != Some(record.id) || !record.status().is_decoding() {
            return Duration::ZERO;
        }
        let share = if live { LIVE_SHARE } else { PREVIEW_SHARE };
        wait_for_share(self.spent, record.elapsed(), share)
    }

    /// Notes that `record` is being shown as it stands.
    pub(crate) fn begin(&mut self, record: &RunRecord) {
        if self.run != Some(record.id) {
            *self = Self { run: Some(record.id), ..Self::default() };
        }
        self.steps = record.steps_done();
    }

    /// Notes what that has cost.
    pub(crate) fn spend(&mut self, cost: Duration) {
        self.spent += cost;
    }
}

/// How long previews that have cost `spent` wait until `share` of `elapsed` pays for them.
fn wait_for_share(spent: Duration, elapsed: Duration, share: f64) -> Duration {
    spent.div_f64(share).saturating_sub(elapsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Previews of a run that decodes for `total`, on a clock of its own; `cost` is that of the n-th.
    /// Checks the bound at every one, and gives what all of them cost and how many there were.
    fn previews_of(total: Duration, cost: impl Fn(u64) -> Duration) -> (Duration, u64) {
        let (mut now, mut spent, mut count) = (Duration::ZERO, Duration::ZERO, 0);
        loop {
            now += wait_for_share(spent, now, PREVIEW_SHARE);
            if now >= total {
                return (spent, count);
            }
            assert!(spent <= now.mul_f64(PREVIEW_SHARE) + Duration::from_micros(1));
            now += cost(count);
            spent += cost(count);
            count += 1;
        }
    }

    #[test]
    fn previews_keep_to_their_share_whatever_they_cost() {
        let total = milliseconds(60_000);
        for cost in [1, 20, 300, 2_000, 20_000] {
            let (spent, count) = previews_of(total, |_| milliseconds(cost));
            assert!(spent <= total.mul_f64(PREVIEW_SHARE) + milliseconds(cost), "{cost} ms");
            // The share is used: nobody looks at an empty field for want of time.
            assert!(count > 0 && spent + milliseconds(cost) >= total.mul_f64(PREVIEW_SHARE));
        }
        // Strips that grow with the picture, as those of Cosmos and MoVQGAN.
        let (spent, count) = previews_of(total, |number| milliseconds(40 * (number + 1)));
        assert!(spent <= total.mul_f64(PREVIEW_SHARE) + milliseconds(40 * count));
        assert!(count >= 10, "{count} pictures in a minute");
    }
}
