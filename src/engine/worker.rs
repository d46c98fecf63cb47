//! The engine's handle, which commands its threads, and the decoder thread.
//!
//! - `decoder`: takes the newest run, decodes it on its own thread pool, never waits for anybody but a
//!   run that is paused.
//! - `previews`: see [`crate::engine::preview`].
//! - `loader`: one thread per model being opened, see [`crate::engine::loader`].
//!
//! A worker's panic ends its run with a message, and the worker goes on with the next.

use crate::checkpoint::LoadProgress;
use crate::compute::device_kind::DeviceKind;
use crate::compute::linear::{default_decoder_threads, most_decoder_threads};
use crate::engine::decode;
use crate::engine::events::Event;
use crate::engine::loader;
use crate::engine::outbox::{Inbox, Waker, outbox};
use crate::engine::panic::panic_message;
use crate::engine::preview;
use crate::engine::settings::RunSpec;
use crate::engine::shared::{Shared, Work};
use crate::engine::trace::{RunId, RunRecord, RunStatus};
use crate::models::card::Model;
use crate::opening::builtin;
use crate::opening::error::OpenError;
use crate::opening::request::{OpenRequest, SystemResources};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// How the engine runs.
pub struct EngineOptions {
    /// Threads of the decoder; `None` is physical cores minus one, at least one.
    pub decoder_threads: Option<usize>,
    /// Called after every event.
    pub waker: Waker,
}

/// Handle to the worker threads. Dropping it cancels and joins them.
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    inbox: Inbox,
    threads: Vec<JoinHandle<()>>,
    next_run: AtomicU64,
}

impl Engine {
    /// Starts the threads; loads nothing.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn start(options: EngineOptions) -> io::Result<Self> {
        let (outbox, inbox) = outbox(options.waker);
        let shared = Arc::new(Shared::new(outbox));
        let pool = decode_pool(options.decoder_threads)?;
        shared.state().threads = pool.current_num_threads();
        let (for_decoder, for_previews) = (shared.clone(), shared.clone());
        let threads = vec![
            Builder::new().name("decoder".into()).spawn(move || serve_runs(&for_decoder, pool))?,
            Builder::new().name("previews".into()).spawn(move || {
                preview::serve(&for_previews.previews, &for_previews.outbox);
            })?,
        ];
        Ok(Self { shared, inbox, threads, next_run: AtomicU64::new(1) })
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
    /// `ModelFailed` or `LoadCancelled`; in none of them if another is asked for meanwhile. The model
    /// in use stays usable while memory holds both; where it does not, see [`crate::engine::loader`].
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
        self.shared.state().threads = bounded_threads(threads);
    }

    /// Uses a model that is loaded already.
    pub fn install(&self, model: Model) {
        self.shared.install(model);
    }

    /// Starts a run, cancelling the one before. The record fills while it decodes.
    pub fn generate(&self, spec: RunSpec) -> Arc<RunRecord> {
        let id = self.next_run.fetch_add(1, Ordering::Relaxed);
        self.shared.replace_run(|state| {
            let card = state.model.as_ref().map(|model| &model.card);
            RunRecord::new(id, spec, card.map(|card| card.layout.clone()).unwrap_or_default())
        })
    }

    /// Stops a run within one step, also one that is paused. Other runs are not touched.
    pub fn cancel(&self, run: RunId) {
        self.shared.cancel(run);
    }

    /// Halts a run within one step. It keeps its caches and takes no processor until it goes on, is
    /// cancelled, or gives way to another run. Nothing happens to a run that is over.
    pub fn pause(&self, run: RunId) {
        if let Some(record) = self.shared.unfinished(run) {
            record.request_pause();
        }
    }

    /// Lets a paused run go on.
    pub fn resume(&self, run: RunId) {
        if let Some(record) = self.shared.unfinished(run) {
            record.request_resume();
        }
    }

    /// Lets a paused run decode one more token of every lane.
    pub fn step_once(&self, run: RunId) {
        if let Some(record) = self.shared.unfinished(run) {
            record.request_step();
        }
    }

    /// Asks for the pixels of a run's grid as it stood after `steps` tokens. A newer request for the
    /// same lane replaces one that has not been served.
    pub fn request_preview(&self, record: &Arc<RunRecord>, lane: usize, steps: usize) {
        self.shared.previews.request_grid(record.clone(), lane, steps);
    }

    /// Asks for pictures of codes; replaces an earlier request that has not been served.
    pub fn request_swatches(&self, codes: Vec<u32>) {
        self.shared.previews.request_codes(codes);
    }

    /// One event that has arrived, without waiting; lifecycle events before previews.
    pub fn next_event(&self) -> Option<Event> {
        self.inbox.next()
    }

    /// Waits for a lifecycle event.
    pub fn wait(&self, timeout: Duration) -> Option<Event> {
        self.inbox.wait(timeout)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.shut_down();
        loader::cancel(&self.shared);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// At least one thread and no more than there are processors; the default where none are asked for.
fn bounded_threads(threads: Option<usize>) -> usize {
    threads.unwrap_or_else(default_decoder_threads).clamp(1, most_decoder_threads())
}

/// The pool that decoding runs on. Its threads sleep when there is nothing to do.
///
/// # Errors
/// The system gives no threads.
pub fn decode_pool(threads: Option<usize>) -> io::Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(bounded_threads(threads))
        .thread_name(|index| format!("decode-{index}"))
        .build()
        .map_err(io::Error::other)
}

/// The decoder thread's body.
fn serve_runs(shared: &Shared, mut pool: rayon::ThreadPool) {
    while let Some(Work { model, record, threads }) = shared.next_run() {
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
                decode::run(&model, &record, &mut || {
                    shared.previews.notice_step(&record);
                    if record.status() == RunStatus::Paused {
                        shared.outbox.send(Event::RunPaused(record.id));
                    }
                });
            });
        }));
        if let Err(panic) = outcome {
            record.end(RunStatus::Failed(panic_message(panic.as_ref())));
        }
        shared.state().current = None;
        // The last grid may not have been seen: whatever ended the run, it is shown.
        shared.previews.notice_end(&record);
        shared.outbox.send(Event::RunEnded(record.id));
    }
}
