//! The engine's threads and the handle that commands them.
//!
//! - `decoder`: takes the newest run, decodes it on its own thread pool, never waits for anybody.
//! - `previews`: see [`crate::engine::preview`].
//! - `loader`: one thread per model being opened, see [`crate::engine::loader`].
//!
//! A worker's panic ends its run with a message, and the worker goes on with the next.

use crate::checkpoint::LoadProgress;
use crate::compute::device_kind::DeviceKind;
use crate::compute::linear::default_decoder_threads;
use crate::engine::decode;
use crate::engine::events::{Event, Preview};
use crate::engine::loader;
use crate::engine::loader::Loader;
use crate::engine::preview;
use crate::engine::preview::PreviewDesk;
use crate::engine::settings::RunSpec;
use crate::engine::trace::{RunId, RunRecord, RunStatus};
use crate::models::card::Model;
use crate::opening::builtin;
use crate::opening::error::OpenError;
use crate::opening::request::{OpenRequest, SystemResources};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Called from a worker thread whenever there is something to drain; the window asks for a repaint.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Lifecycle events waiting for the owner. A command causes a handful at most, so an owner that
/// drains between commands never fills it.
const EVENT_CAPACITY: usize = 256;

/// Previews waiting for the owner; when full, the oldest goes.
const PREVIEW_CAPACITY: usize = 16;

/// How the engine runs.
pub struct EngineOptions {
    /// Threads of the decoder; `None` is physical cores minus one, at least one.
    pub decoder_threads: Option<usize>,
    /// Called after every event.
    pub waker: Waker,
}

/// Where worker threads leave events.
pub(crate) struct Outbox {
    events: Sender<Event>,
    previews: Sender<Preview>,
    previews_oldest: Receiver<Preview>,
    waker: Waker,
}

impl Outbox {
    /// A lifecycle event. If the owner has stalled for hundreds of them it is dropped rather than
    /// stalling the worker: what matters stands in the run's record.
    pub(crate) fn send(&self, event: Event) {
        let _ = self.events.try_send(event);
        (self.waker)();
    }

    /// Previews that are to be seen at once; when nobody takes them, the oldest make room.
    pub(crate) fn offer_previews(&self, previews: impl IntoIterator<Item = Preview>) {
        for mut preview in previews {
            while let Err(TrySendError::Full(back)) = self.previews.try_send(preview) {
                let _ = self.previews_oldest.try_recv();
                preview = back;
            }
        }
        (self.waker)();
    }
}

/// What the threads share.
pub(crate) struct Shared {
    pub(crate) outbox: Outbox,
    pub(crate) desk: PreviewDesk,
    pub(crate) loader: Mutex<Loader>,
    state: Mutex<WorkerState>,
    changed: Condvar,
}

#[derive(Default)]
pub(crate) struct WorkerState {
    pub(crate) model: Option<Arc<Model>>,
    /// The run to decode next; a newer one replaces it.
    next: Option<Arc<RunRecord>>,
    /// The run being decoded.
    current: Option<Arc<RunRecord>>,
    /// Threads of the decoder, from the next run on.
    threads: usize,
    /// Where models are put, from the next one on.
    device: DeviceKind,
    shutdown: bool,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, WorkerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cancels whatever decodes or waits.
    pub(crate) fn cancel_all(&self, state: &mut WorkerState) {
        if let Some(waiting) = state.next.take() {
            waiting.request_cancel();
            waiting.end(RunStatus::Cancelled);
            self.outbox.send(Event::RunEnded(waiting.id));
        }
        if let Some(current) = &state.current {
            current.request_cancel();
        }
    }
}

/// Handle to the worker threads. Dropping it cancels and joins them.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    events: Receiver<Event>,
    previews: Receiver<Preview>,
    threads: Vec<JoinHandle<()>>,
    next_run: AtomicU64,
}

impl Engine {
    /// Starts the threads; loads nothing.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn start(options: EngineOptions) -> io::Result<Self> {
        let (events_in, events) = bounded(EVENT_CAPACITY);
        let (previews_in, previews) = bounded(PREVIEW_CAPACITY);
        let outbox = Outbox {
            events: events_in,
            previews: previews_in,
            previews_oldest: previews.clone(),
            waker: options.waker,
        };
        let shared = Arc::new(Shared {
            outbox,
            desk: PreviewDesk::default(),
            loader: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let pool = decode_pool(options.decoder_threads)?;
        shared.state().threads = pool.current_num_threads();
        let (for_decoder, for_previews) = (shared.clone(), shared.clone());
        let threads = vec![
            Builder::new().name("decoder".into()).spawn(move || serve_runs(&for_decoder, pool))?,
            Builder::new().name("previews".into()).spawn(move || {
                preview::serve(&for_previews.desk, &for_previews.outbox);
            })?,
        ];
        Ok(Self { shared, events, previews, threads, next_run: AtomicU64::new(1) })
    }

    /// Loads the built-in model in the background; ends in `ModelReady` or `ModelFailed`.
    pub fn load_builtin(&self) {
        let device = self.device();
        self.load(move || Ok(builtin::load_on(device)?));
    }

    /// Loads a model in the background with `open`; ends in `ModelReady` or `ModelFailed`. The model
    /// in use stays usable until then.
    pub fn load(&self, open: impl FnOnce() -> Result<Model, OpenError> + Send + 'static) {
        loader::start(&self.shared, Arc::default(), move |shared| loader::finish(shared, open()));
    }

    /// Looks at files in the background without reading weights; ends in `ModelFound` or
    /// `ModelFailed`. The model in use is not touched.
    pub fn survey_model(&self, request: OpenRequest) {
        let request = OpenRequest { device: self.device(), ..request };
        loader::start(&self.shared, Arc::default(), move |shared| loader::survey(shared, &request));
    }

    /// Opens a model in the background with `LoadProgress` on the way; ends in `ModelReady`,
    /// `ModelFailed` or `LoadCancelled`; in none of them if another is asked for meanwhile. The model in use stays usable while memory holds both; where
    /// it does not, see [`crate::engine::loader`].
    pub fn open_model(&self, request: OpenRequest) {
        let request = OpenRequest { device: self.device(), ..request };
        let progress: Arc<LoadProgress> = Arc::default();
        loader::start(&self.shared, progress.clone(), move |shared| {
            loader::open(shared, &request, SystemResources::of_this_machine(), &progress);
        });
    }

    /// Stops a model that is being opened, within a block of bytes.
    pub fn cancel_load(&self) {
        loader::cancel(&self.shared);
    }

    /// Puts decoders on a device, from the next model on: the built-in one and those of requests,
    /// whatever device these name.
    pub fn set_device(&self, device: DeviceKind) {
        self.shared.state().device = device;
    }

    /// Where decoders are put.
    pub fn device(&self) -> DeviceKind {
        self.shared.state().device
    }

    /// Threads of the decoder from the next run on; `None` is physical cores minus one, at least one.
    /// The run that is decoding keeps its own.
    pub fn set_decoder_threads(&self, threads: Option<usize>) {
        self.shared.state().threads = threads.unwrap_or_else(default_decoder_threads).max(1);
    }

    /// Uses a model that is loaded already.
    pub fn install(&self, model: Model) {
        install(&self.shared, model);
    }

    /// Starts a run, cancelling the one before. The record fills while it decodes.
    pub fn generate(&self, spec: RunSpec) -> Arc<RunRecord> {
        let id = self.next_run.fetch_add(1, Ordering::Relaxed);
        let mut state = self.shared.state();
        self.shared.cancel_all(&mut state);
        let layout =
            state.model.as_ref().map(|model| model.card.layout.clone()).unwrap_or_default();
        let record = Arc::new(RunRecord::new(id, spec, layout));
        state.next = Some(record.clone());
        drop(state);
        self.shared.changed.notify_one();
        record
    }

    /// Stops a run within one step. Other runs are not touched.
    pub fn cancel(&self, run: RunId) {
        let mut state = self.shared.state();
        if state.next.as_ref().is_some_and(|next| next.id == run)
            && let Some(waiting) = state.next.take()
        {
            waiting.request_cancel();
            waiting.end(RunStatus::Cancelled);
            self.shared.outbox.send(Event::RunEnded(run));
        }
        if let Some(current) = state.current.as_ref().filter(|current| current.id == run) {
            current.request_cancel();
        }
    }

    /// Asks for the pixels of a run's grid as it stood after `steps` tokens. A newer request for the
    /// same lane replaces one that has not been served.
    pub fn request_preview(&self, record: &Arc<RunRecord>, lane: usize, steps: usize) {
        self.shared.desk.request_grid(record.clone(), lane, steps);
    }

    /// Asks for pictures of codes; replaces an earlier request that has not been served.
    pub fn request_swatches(&self, codes: Vec<u32>) {
        self.shared.desk.request_codes(codes);
    }

    /// One event that has arrived, without waiting; lifecycle events before previews.
    pub fn next_event(&self) -> Option<Event> {
        self.events.try_recv().ok().or_else(|| self.previews.try_recv().ok().map(Event::Preview))
    }

    /// Waits for a lifecycle event.
    pub fn wait(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        self.shared.cancel_all(&mut state);
        state.shutdown = true;
        drop(state);
        self.shared.changed.notify_all();
        self.shared.desk.shut_down();
        loader::cancel(&self.shared);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The pool that decoding runs on. Its threads sleep when there is nothing to do.
///
/// # Errors
/// The system gives no threads.
pub fn decode_pool(threads: Option<usize>) -> io::Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or_else(default_decoder_threads).max(1))
        .thread_name(|index| format!("decode-{index}"))
        .build()
        .map_err(io::Error::other)
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    format!("internal error: {said}; please report it")
}

pub(crate) fn install(shared: &Shared, model: Model) {
    let model = Arc::new(model);
    let card = model.card.clone();
    let mut state = shared.state();
    shared.cancel_all(&mut state);
    state.model = Some(model.clone());
    drop(state);
    shared.desk.set_model(Some(model));
    shared.outbox.send(Event::ModelReady(card));
}

/// The decoder thread's body.
fn serve_runs(shared: &Shared, mut pool: rayon::ThreadPool) {
    while let Some((model, record, threads)) = next_run(shared) {
        shared.outbox.send(Event::RunStarted(record.id));
        if pool.current_num_threads() != threads {
            match decode_pool(Some(threads)) {
                Ok(other) => pool = other,
                // The run is worth more than its speed.
                Err(error) => shared.outbox.send(Event::Problem {
                    message: format!(
                        "{threads} decoder threads could not be started ({error}); {} decode. Choose fewer.",
                        pool.current_num_threads()
                    ),
                }),
            }
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.install(|| {
                decode::run(&model, &record, &mut || shared.desk.notice_step(&record));
            });
        }));
        if let Err(panic) = outcome {
            record.end(RunStatus::Failed(panic_message(panic.as_ref())));
        }
        shared.state().current = None;
        // The last grid may not have been seen: whatever ended the run, it is shown.
        shared.desk.notice_end(&record);
        shared.outbox.send(Event::RunEnded(record.id));
    }
}

/// The run to decode, its model, and how many threads it shall have.
fn next_run(shared: &Shared) -> Option<(Arc<Model>, Arc<RunRecord>, usize)> {
    let mut state = shared.state();
    loop {
        if state.shutdown {
            return None;
        }
        if let Some(record) = state.next.take() {
            match state.model.clone() {
                Some(model) if model.card.identity == record.spec.model => {
                    state.current = Some(record.clone());
                    return Some((model, record, state.threads));
                }
                _ => {
                    let message = "the model of this run is not loaded; open it, then try again";
                    record.end(RunStatus::Failed(message.into()));
                    shared.outbox.send(Event::RunEnded(record.id));
                    continue;
                }
            }
        }
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}
