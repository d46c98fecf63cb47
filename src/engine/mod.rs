//! The engine: settings become runs, runs are decoded on a worker thread, partial grids become
//! pixels on a second one. The window and the command line talk to [`Engine`] by commands and events.
//!
//! Threads: `decoder` (one run at a time, never waits for anybody), `previews` (newest grid first),
//! `loader` (opens models). Trace rows travel in the shared [`trace::RunRecord`], so nothing that
//! stalls can lose them; events are few and small, previews may be dropped.

pub mod decode;
pub mod events;
pub mod lane;
pub mod loader;
pub mod preview;
pub mod quantities;
pub mod settings;
pub mod trace;
pub mod worker;

pub use events::{Event, Preview, Swatch};
pub use worker::{Engine, EngineOptions};
