//! The engine: settings become runs, runs are decoded on a worker thread, partial grids become
//! pixels on a second one. The window and the command line talk to [`Engine`] by commands and events;
//! whoever needs no threads decodes by hand, see [`decoding::Decoding`].
//!
//! Threads: `decoder` (one run at a time, never waits for anybody but a paused run), `previews` (newest
//! grid first), `loader` (opens models). Trace rows travel in the shared [`trace::RunRecord`], so nothing
//! that stalls can lose them; events are few and small, previews may be dropped.

mod control;
pub mod decode;
pub mod decoding;
pub mod error;
pub mod events;
pub mod fidelity;
mod lane;
mod loader;
mod outbox;
mod panic;
pub mod preview;
pub mod preview_queue;
pub mod quantities;
pub mod settings;
mod shared;
pub mod trace;
pub mod worker;

pub use events::{Event, Preview, Swatch};
pub use worker::{Engine, EngineOptions};
