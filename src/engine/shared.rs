//! What the engine's threads share: the model, the runs that wait and decode, the queue of previews,
//! and the outbox.

use crate::checkpoint::LoadProgress;
use crate::compute::device_kind::DeviceKind;
use crate::engine::events::Event;
use crate::engine::outbox::Outbox;
use crate::engine::preview_queue::PreviewQueue;
use crate::engine::trace::{RunId, RunRecord, RunStatus};
use crate::models::card::Model;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Shared by all threads of an engine.
pub(crate) struct Shared {
    pub(crate) outbox: Outbox,
    pub(crate) previews: PreviewQueue,
    pub(crate) loading: Mutex<Loading>,
    state: Mutex<WorkerState>,
    changed: Condvar,
}

/// The thread that opens a model, and how to stop it.
#[derive(Default)]
pub(crate) struct Loading {
    pub(crate) thread: Option<JoinHandle<()>>,
    pub(crate) progress: Option<Arc<LoadProgress>>,
}

#[derive(Default)]
pub(crate) struct WorkerState {
    pub(crate) model: Option<Arc<Model>>,
    /// The run to decode next; a newer one replaces it.
    next: Option<Arc<RunRecord>>,
    /// The run being decoded.
    pub(crate) current: Option<Arc<RunRecord>>,
    /// Threads of the decoder, from the next run on.
    pub(crate) threads: usize,
    /// Where models are put, from the next one on.
    pub(crate) device: DeviceKind,
    shutdown: bool,
}

/// A run to decode now.
pub(crate) struct Work {
    pub(crate) model: Arc<Model>,
    pub(crate) record: Arc<RunRecord>,
    /// Threads to decode with.
    pub(crate) threads: usize,
}

impl Shared {
    /// Nothing loaded, nothing to do.
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self {
            outbox,
            previews: PreviewQueue::default(),
            loading: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, WorkerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a run in the place of those that decode or wait, which are cancelled.
    pub(crate) fn replace_run(
        &self,
        make: impl FnOnce(&WorkerState) -> RunRecord,
    ) -> Arc<RunRecord> {
        let mut state = self.state();
        self.cancel_all(&mut state);
        let record = Arc::new(make(&state));
        state.next = Some(record.clone());
        drop(state);
        self.changed.notify_one();
        record
    }

    /// Cancels whatever decodes, is paused, or waits.
    fn cancel_all(&self, state: &mut WorkerState) {
        if let Some(waiting) = state.next.take() {
            self.cancel_waiting(&waiting);
        }
        if let Some(current) = &state.current {
            current.request_cancel();
        }
    }

    fn cancel_waiting(&self, waiting: &RunRecord) {
        waiting.request_cancel();
        waiting.end(RunStatus::Cancelled);
        self.outbox.send(Event::RunEnded(waiting.id));
    }

    /// Cancels a run that decodes, is paused, or waits; others are not touched.
    pub(crate) fn cancel(&self, run: RunId) {
        let mut state = self.state();
        if let Some(waiting) = state.next.take_if(|next| next.id == run) {
            self.cancel_waiting(&waiting);
        }
        if let Some(current) = state.current.as_ref().filter(|current| current.id == run) {
            current.request_cancel();
        }
    }

    /// A run that is not over: decoding, paused, or waiting.
    pub(crate) fn unfinished(&self, run: RunId) -> Option<Arc<RunRecord>> {
        let state = self.state();
        let mut runs = state.current.iter().chain(&state.next);
        runs.find(|record| record.id == run).cloned()
    }

    /// Waits for a run to decode; `None` when the engine shuts down.
    pub(crate) fn next_run(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if state.shutdown {
                return None;
            }
            if let Some(record) = state.next.take() {
                match state.model.clone() {
                    Some(model) if model.card.identity == record.spec.model => {
                        state.current = Some(record.clone());
                        return Some(Work { model, record, threads: state.threads });
                    }
                    _ => {
                        let message =
                            "the model of this run is not loaded; open it, then try again";
                        record.end(RunStatus::Failed(message.into()));
                        self.outbox.send(Event::RunEnded(record.id));
                        continue;
                    }
                }
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends all threads that wait for work, after what they are at.
    pub(crate) fn shut_down(&self) {
        let mut state = self.state();
        self.cancel_all(&mut state);
        state.shutdown = true;
        drop(state);
        self.changed.notify_all();
        self.previews.shut_down();
    }

    /// Puts a model in the place of the one in use.
    pub(crate) fn install(&self, model: Model) {
        let model = Arc::new(model);
        let card = model.card.clone();
        let mut state = self.state();
        self.cancel_all(&mut state);
        state.model = Some(model.clone());
        drop(state);
        self.previews.set_model(Some(model));
        self.outbox.send(Event::ModelReady(card));
    }

    /// About what the model in use takes: packed weights, and its image tokenizer in f32.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.state().model.as_ref().map_or(0, |model| {
            model.card.decoder.step_weight_bytes + 4 * model.card.tokenizer.parameters
        })
    }

    /// Takes the model out of use and waits until nothing reads it any more.
    pub(crate) fn release_model(&self, timeout: Duration) {
        let mut state = self.state();
        self.cancel_all(&mut state);
        let model = state.model.take().map(|model| Arc::downgrade(&model));
        drop(state);
        self.previews.set_model(None);
        let deadline = Instant::now() + timeout;
        while model.as_ref().is_some_and(|model| model.strong_count() > 0) {
            if Instant::now() > deadline {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
