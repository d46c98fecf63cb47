//! Time of a decoding step against the memory's read bandwidth: the command `softcfg-studio bench`
//! as a cargo bench; `--help` says more.

use clap::Parser;
use softcfg_studio::cli::bench;
use softcfg_studio::cli::bench::{ABOUT, Bench, LONG_ABOUT};

#[derive(Parser)]
#[command(name = "decode", max_term_width = 100)]
#[command(about = ABOUT, long_about = LONG_ABOUT)]
struct Arguments {
    #[command(flatten)]
    settings: Bench,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    bench::run(&Arguments::parse().settings, &[])
}
