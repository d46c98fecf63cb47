//! Time of a decoding step against the memory's read bandwidth; `--help` says more.

use clap::Parser;
use softcfg_studio::models::linear::default_decoder_threads;
use softcfg_studio::models::roofline::{BenchOptions, measure};
use std::path::PathBuf;

/// Measures decoding steps of random decoders of AliTok-B's, SimpleAR-0.5B's and the built-in model's
/// size, in turn within one run, and prints medians.
///
/// ms/step is the time of one forward pass of all rows. GB/s is the weights, keys and values that
/// the pass has to read, divided by that time; share compares it with the bandwidth of plain reading,
/// measured between the steps with the same threads. Ratios stand below with their bars.
///
/// The instruction set is found at run time; the variable SOFTCFG_KERNEL forces avx512, avx2, neon
/// or portable.
#[derive(Debug, Parser)]
#[command(name = "decode")]
struct Arguments {
    /// Rounds; every variant runs once a round
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Decoder threads [default: physical cores minus one]
    #[arg(long)]
    threads: Option<usize>,
    /// Also write the figures to this file, one number a key
    #[arg(long)]
    json: Option<PathBuf>,
    /// Keep one core busy until killed; the bench starts itself so
    #[arg(long, hide = true)]
    busy: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.busy {
        loop {
            std::hint::spin_loop();
        }
    }
    let options = BenchOptions {
        rounds: arguments.rounds.max(1),
        threads: arguments.threads.unwrap_or_else(default_decoder_threads).max(1),
        busy: Some((std::env::current_exe()?, vec!["--busy".to_owned()])),
    };
    let report = measure(&options)?;
    print!("{}", report.table());
    if let Some(path) = arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&report.json())? + "\n")?;
    }
    Ok(())
}
