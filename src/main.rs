//! `softcfg-studio`: opens the window, or runs one command without it.

// What is printed goes through `cli::output`: `println!` panics where a pipe is closed.
#![warn(clippy::print_stderr, clippy::print_stdout)]

use clap::Parser;
use softcfg_studio::cli::{self, Arguments, Command, RunFailed, output};
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        // Help and version go where results go; what is wrong in the call is said beside them.
        Err(call) if call.exit_code() == 0 => {
            output::written(call.print().and_then(|()| std::io::stdout().flush()))
        }
        Err(call) => {
            let _ = call.print();
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::say(&format!("error: {error:#}"));
            ExitCode::from(if error.is::<RunFailed>() { 1 } else { 2 })
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        None => arguments.device().and_then(softcfg_studio::ui::app::window::run),
        Some(Command::Generate(arguments)) => cli::generate(&arguments),
        Some(Command::Inspect(arguments)) => cli::inspect(&arguments),
        Some(Command::Bench(arguments)) => cli::bench::run(&arguments, &["bench"]),
    }
}
