//! SoftCFG Studio: watch classifier-free guidance and SoftCFG (arXiv 2510.00996) draw the same
//! prompt side by side, token by token.
//!
//! Departments, from the ground up; each imports only from those above it in this list.

#![warn(missing_docs, unreachable_pub)]
// A failure is an error that can be shown; tests may fail.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::unwrap_used))]
// A closed pipe makes these panic: printing goes through `cli::output`.
#![cfg_attr(not(test), warn(clippy::print_stderr, clippy::print_stdout))]

pub mod guidance;
pub mod sampling;

pub mod compute;

pub mod checkpoint;

pub mod tokenizers;

pub mod prompts;

pub mod models;

pub mod opening;

pub mod engine;

pub mod bench;
pub mod export;

pub mod cli;
pub mod ui;

// What a graphics card would run is tested with the models of the integration tests, which name this
// crate from outside.
#[cfg(test)]
#[allow(unreachable_pub, reason = "the files are shared with the integration tests")]
#[path = "../tests/device_path/mod.rs"]
mod device_path;
#[cfg(test)]
extern crate self as softcfg_studio;
