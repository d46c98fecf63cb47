//! What the program is called with.

use crate::cli::bench;
use crate::cli::choices;
use crate::cli::generate;
use crate::cli::generate::Generate;
use crate::cli::inspect::Inspect;
use crate::compute::device_kind::DeviceKind;
use anyhow::Result;
use clap::{Arg, Parser, Subcommand};

/// Watch classifier-free guidance and SoftCFG (arXiv 2510.00996) draw the same prompt side by side.
///
/// Without a command the window opens. With `generate` the same run is decoded without one: the same
/// settings give the same tokens, bit for bit, in both.
#[derive(Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// Where the window decodes: cpu, cuda or metal, as this program was built with. Default: cpu.
    #[arg(long)]
    device: Option<String>,
    #[expect(missing_docs, reason = "clap would show it as the description of a command")]
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Arguments {
    /// Where the window decodes.
    ///
    /// # Errors
    /// No such device.
    pub fn device(&self) -> Result<DeviceKind> {
        choices::device(self.device.as_deref())
    }
}

/// What to do instead of opening the window.
#[derive(Subcommand)]
pub enum Command {
    /// Decode one prompt and write images, trace and settings to a folder.
    ///
    /// Writes one PNG a lane (DIR/cfg.png, DIR/softcfg.png, …), DIR/trace.csv with one line per lane
    /// and step, and DIR/run.json with everything needed to repeat the run.
    #[command(after_help = generate::EXAMPLES, mut_args = negative_numbers_are_values)]
    Generate(Box<Generate>),
    /// Say what lies at some paths: models, companions, memory, what is missing.
    Inspect(Inspect),
    #[expect(missing_docs, reason = "the description is shared with `cargo bench`")]
    #[command(about = bench::ABOUT, long_about = bench::LONG_ABOUT)]
    #[command(mut_args = negative_numbers_are_values)]
    Bench(bench::Bench),
}

/// Has a negative number read as the value of an argument, which says what is wrong with it, and not
/// as an argument that nobody knows.
fn negative_numbers_are_values(argument: Arg) -> Arg {
    let takes_values = argument.get_action().takes_values();
    argument.allow_negative_numbers(takes_values)
}
