//! The engine's threads and the handle that commands them.

use crate::engine::events::{Event, PreviewRequest};
use crate::engine::settings::RunSpec;
use crate::engine::trace::{RunId, RunRecord};
use std::sync::Arc;
use std::time::Duration;

/// Called from a worker thread whenever there is something to drain; the window asks for a repaint.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// How the engine runs.
pub struct EngineOptions {
    /// Threads of the decoder; `None` is physical cores minus one, at least one.
    pub decoder_threads: Option<usize>,
    /// Called after every event.
    pub waker: Waker,
}

/// Handle to the worker threads. Dropping it cancels and joins them.
pub struct Engine {
    _todo: (),
}

impl Engine {
    /// Starts the threads; loads nothing.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn start(_options: EngineOptions) -> std::io::Result<Self> {
        unimplemented!()
    }

    /// Loads the built-in model in the background; ends in `ModelReady` or `ModelFailed`.
    pub fn load_builtin(&self) {
        unimplemented!()
    }

    /// Starts a run, cancelling the one before. The record fills while it decodes.
    pub fn generate(&self, _spec: RunSpec) -> Arc<RunRecord> {
        unimplemented!()
    }

    /// Stops a run within one step. Other runs are not touched.
    pub fn cancel(&self, _run: RunId) {
        unimplemented!()
    }

    /// Asks for the pixels of a grid.
    pub fn request_preview(&self, _request: PreviewRequest) {
        unimplemented!()
    }

    /// Asks for pictures of codes, newest request first.
    pub fn request_swatches(&self, _codes: Vec<u32>) {
        unimplemented!()
    }

    /// Events that have arrived, oldest first, without waiting.
    pub fn drain(&self) -> Vec<Event> {
        unimplemented!()
    }

    /// Waits for one event.
    pub fn wait(&self, _timeout: Duration) -> Option<Event> {
        unimplemented!()
    }
}
