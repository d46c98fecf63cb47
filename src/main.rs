//! `softcfg-studio`: opens the window, or runs one command without it.

use clap::Parser;
use softcfg_studio::cli;
use softcfg_studio::cli::{Arguments, Command, RunFailed};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        None => arguments.device().and_then(softcfg_studio::ui::app::window::run),
        Some(Command::Generate(arguments)) => cli::generate(&arguments),
        Some(Command::Inspect(arguments)) => cli::inspect(&arguments),
        Some(Command::Bench(arguments)) => cli::bench::run(&arguments, &["bench"]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<RunFailed>() { 1 } else { 2 })
        }
    }
}
