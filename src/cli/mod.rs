//! The command line: the same runs without a window. One file a subcommand.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a command prints its results")]

mod arguments;
pub mod bench;
mod choices;
mod failure;
mod generate;
mod inspect;
mod model;
mod setting_arguments;

pub use arguments::{Arguments, Command};
pub use failure::RunFailed;
pub use generate::generate;
pub use inspect::inspect;
