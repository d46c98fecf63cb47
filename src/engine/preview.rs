//! The second thread: partial grids and single codes become pixels, always the newest first, so that
//! previews never slow the tokens down. What is superseded before its turn is never decoded.
//!
//! Previews of slow models keep to a share of the decoding time ([`PREVIEW_SHARE`]): one begins only
//! once those before it have cost no more than their share of the time that has passed. So at any time
//! they have cost at most that share and one preview. What they did cost stands in the run's record.
//! Those of quick models may take more, but not a whole core ([`LIVE_SHARE`]): decoder, previews and
//! window together would want more than two.
//!
//! While a run decodes, the products of a preview run on one thread. On the pool that they take
//! otherwise they would run on every core, the decoder's included. Those of quick models always do: where
//! a slider moves, the next run has begun before the last picture of this one is made.

use crate::engine::events::{Event, Preview, Swatch};
use crate::engine::trace::RunRecord;
use crate::engine::worker::{Outbox, panic_message};
use crate::models::card::Model;
use image::RgbImage;
use rayon::ThreadPoolBuilder;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Share of a run's time that previews of slow models may take, plus one preview.
pub const PREVIEW_SHARE: f64 = 0.15;

/// The same of models that are quick enough to decode while a slider moves.
pub const LIVE_SHARE: f64 = 0.25;

/// What the preview thread has been asked for.
#[derive(Default)]
struct Wanted {
    model: Option<Arc<Model>>,
    /// The run whose newest grid is wanted, as long as it decodes.
    live: Option<Arc<RunRecord>>,
    /// Grids at given steps, newest last, one a lane.
    grids: Vec<GridRequest>,
    /// Codes, newest request only.
    codes: Vec<u32>,
    /// Whether the thread waits for wishes, and not until previews have paid for themselves.
    waiting: bool,
    shutdown: bool,
}

/// The desk where the decoder and the window leave their wishes; nobody waits at it but the thread.
#[derive(Default)]
pub(crate) struct PreviewDesk {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

/// A grid as it stood after `steps` tokens.
struct GridRequest {
    record: Arc<RunRecord>,
    lane: usize,
    steps: usize,
}

/// One thing to decode.
enum Job {
    Live { record: Arc<RunRecord> },
    Grid(GridRequest),
    Codes(Vec<u32>),
}

impl PreviewDesk {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_model(&self, model: Option<Arc<Model>>) {
        let mut wanted = self.wanted();
        wanted.live = None;
        wanted.grids.clear();
        wanted.codes.clear();
        wanted.model = model;
    }

    /// The run has new tokens. Costs one lock that is held for a moment, and wakes the thread only if it
    /// waits for them.
    pub(crate) fn notice_step(&self, record: &Arc<RunRecord>) {
        if self.follow(record) {
            self.changed.notify_one();
        }
    }

    /// The run is over: its last grid is wanted at once.
    pub(crate) fn notice_end(&self, record: &Arc<RunRecord>) {
        self.follow(record);
        self.changed.notify_one();
    }

    /// Makes `record` the run that is followed; returns whether the thread waits for news of it.
    fn follow(&self, record: &Arc<RunRecord>) -> bool {
        let mut wanted = self.wanted();
        let another = wanted.live.as_ref().is_none_or(|live| live.id != record.id);
        if another {
            wanted.live = Some(record.clone());
        }
        another || wanted.waiting
    }

    pub(crate) fn request_grid(&self, record: Arc<RunRecord>, lane: usize, steps: usize) {
        let mut wanted = self.wanted();
        wanted.grids.retain(|old| (old.record.id, old.lane) != (record.id, lane));
        wanted.grids.push(GridRequest { record, lane, steps });
        drop(wanted);
        self.changed.notify_one();
    }

    pub(crate) fn request_codes(&self, codes: Vec<u32>) {
        self.wanted().codes = codes;
        self.changed.notify_one();
    }

    /// Whether a run decodes at this moment.
    fn is_decoding(&self) -> bool {
        self.wanted().live.as_ref().is_some_and(|live| !live.status().is_over())
    }

    pub(crate) fn shut_down(&self) {
        self.wanted().shutdown = true;
        self.changed.notify_one();
    }

    /// Waits for work. What a person asked for goes before what runs by itself.
    fn next(&self, seen: &LiveProgress) -> Option<(Arc<Model>, Job)> {
        let mut wanted = self.wanted();
        loop {
            if wanted.shutdown {
                return None;
            }
            if let Some(model) = wanted.model.clone() {
                if let Some(request) = wanted.grids.pop() {
                    return Some((model, Job::Grid(request)));
                }
                if !wanted.codes.is_empty() {
                    return Some((model, Job::Codes(std::mem::take(&mut wanted.codes))));
                }
                if let Some(record) = wanted.live.clone() {
                    let wait = seen.wait_before_next(&record, model.card.live);
                    if wait.is_zero() && seen.has_news(&record) {
                        return Some((model, Job::Live { record }));
                    }
                    if record.status().is_over() && !seen.has_news(&record) {
                        wanted.live = None;
                    } else if !wait.is_zero() {
                        wanted = self
                            .changed
                            .wait_timeout(wanted, wait)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0;
                        continue;
                    }
                }
            }
            wanted.waiting = true;
            wanted = self.changed.wait(wanted).unwrap_or_else(PoisonError::into_inner);
            wanted.waiting = false;
        }
    }
}

/// How far the live run has been shown, and what that has cost.
#[derive(Default)]
struct LiveProgress {
    run: Option<u64>,
    steps: usize,
    /// Time spent on previews of this run.
    spent: Duration,
}

impl LiveProgress {
    fn has_news(&self, record: &RunRecord) -> bool {
        self.run != Some(record.id) && record.steps_done() > 0 || record.steps_done() > self.steps
    }

    /// Previews wait until they have cost no more than their share of the run. The first picture and
    /// the last do not wait.
    fn wait_before_next(&self, record: &RunRecord, live: bool) -> Duration {
        if self.run != Some(record.id) || record.status().is_over() {
            return Duration::ZERO;
        }
        let share = if live { LIVE_SHARE } else { PREVIEW_SHARE };
        wait_for_share(self.spent, record.elapsed(), share)
    }

    fn shown(&mut self, record: &RunRecord, steps: usize, cost: Duration) {
        if self.run != Some(record.id) {
            *self = Self { run: Some(record.id), ..Self::default() };
        }
        self.steps = steps;
        self.spent += cost;
    }
}

/// How long previews that have cost `spent` wait until `share` of `elapsed` pays for them.
fn wait_for_share(spent: Duration, elapsed: Duration, share: f64) -> Duration {
    spent.div_f64(share).saturating_sub(elapsed)
}

/// The thread's body: serves the desk until it is shut down.
pub(crate) fn serve(desk: &PreviewDesk, outbox: &Outbox) {
    let mut progress = LiveProgress::default();
    // Without it previews are as good, and in the way.
    let quiet = ThreadPoolBuilder::new().num_threads(1).thread_name(|_| "preview".into()).build();
    while let Some((model, job)) = desk.next(&progress) {
        let begun = Instant::now();
        let decoding = matches!(&job, Job::Live { record } if !record.status().is_over());
        if let Job::Live { record } = &job {
            // Noted before decoding, so that a failing preview is not tried again without end.
            progress.shown(record, record.steps_done(), Duration::ZERO);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| match &quiet {
            Ok(quiet) if model.card.live || desk.is_decoding() => {
                quiet.install(|| work(&model, &job, outbox))
            }
            _ => work(&model, &job, outbox),
        }));
        if let Job::Live { record } = &job {
            progress.shown(record, progress.steps, begun.elapsed());
            if decoding {
                record.add_preview_time(begun.elapsed());
            }
        }
        let message = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic_message(panic.as_ref()),
        };
        outbox.send(Event::Problem { message: format!("A preview could not be made: {message}") });
    }
}

fn work(
    model: &Model,
    job: &Job,
    outbox: &Outbox,
) -> Result<(), crate::compute::error::ModelError> {
    match job {
        Job::Live { record } => {
            let steps = record.steps_done();
            let lanes = record.lanes().len();
            let mut made: Vec<(Vec<Option<u32>>, Arc<RgbImage>)> = Vec::new();
            let mut ready = Vec::new();
            for lane in 0..lanes {
                let tokens = record.tokens(lane, steps);
                // Until lanes part, one picture is the picture of both.
                let same = made.iter().find(|(drawn, _)| *drawn == tokens);
                let image = match same {
                    Some((_, image)) => image.clone(),
                    None => Arc::new(model.tokenizer.decode(&tokens, &record.layout)?),
                };
                made.push((tokens, image.clone()));
                ready.push(Preview { run: record.id, lane, steps, image });
                // Quick pictures change side by side; a slow one does not wait for the next.
                if !model.card.live || lane + 1 == lanes {
                    outbox.offer_previews(ready.drain(..));
                }
            }
        }
        Job::Grid(GridRequest { record, lane, steps }) => {
            let tokens = record.tokens(*lane, *steps);
            let image = Arc::new(model.tokenizer.decode(&tokens, &record.layout)?);
            let preview = Preview { run: record.id, lane: *lane, steps: *steps, image };
            outbox.offer_previews([preview]);
        }
        Job::Codes(codes) => {
            let images = model.tokenizer.swatches(codes)?;
            let swatches = codes
                .iter()
                .zip(images)
                .map(|(&code, image)| Swatch { code, image: Arc::new(image) })
                .collect();
            outbox.send(Event::Swatches(swatches));
        }
    }
    Ok(())
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
