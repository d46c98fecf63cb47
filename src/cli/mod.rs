//! The command line: the same runs without a window. One file a subcommand.

mod arguments;
pub mod bench;
mod choices;
mod counts;
mod failure;
mod generate;
mod inspect;
mod model;
pub mod output;
mod setting_arguments;

pub use arguments::{Arguments, Command};
pub use failure::RunFailed;
pub use generate::generate;
pub use inspect::inspect;
