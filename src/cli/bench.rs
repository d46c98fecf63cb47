//! `softcfg-studio bench`: how fast this machine decodes, against how fast it reads memory. The
//! program of `cargo bench --bench decode` is the same command.

use crate::bench::{BenchOptions, Report, measure, measure_model, measure_on};
use crate::cli::counts::{self, decoder_threads};
use crate::cli::failure::RunFailed;
use crate::cli::model::ModelArguments;
use crate::cli::output;
use crate::compute::cpu::isa::{ISA_VARIABLE, Isa};
use crate::compute::device_kind::DeviceKind;
use crate::compute::linear::default_decoder_threads;
use crate::engine::events::Event;
use crate::engine::settings::RunSettings;
use crate::engine::trace::RunStatus;
use crate::engine::worker::{Engine, EngineOptions};
use crate::export::{ExportError, Staged, prepare_folder};
use crate::opening::parts::OpenedDecoder;
use anyhow::{Context, Result, bail};
use clap::Args;
use crossbeam_channel::{Receiver, bounded};
use indicatif::ProgressBar;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One line about the command.
pub const ABOUT: &str = "Measure how fast this machine decodes, in less than two minutes";

/// Help of the command, with what the table holds.
pub const LONG_ABOUT: &str = "\
Measure how fast this machine decodes, in less than two minutes.

Decodes with random decoders of AliTok-B's and SimpleAR-0.5B's size and with the built-in model, in \
turn within one run, and prints medians. ms/step is the time of one forward pass of all rows; GB/s \
is the weights, keys and values that the pass has to read, divided by that time, and weights is the \
part of it that the weights are.

A step reads every weight once, so the roofline share is GB/s divided by the speed of plain reading, \
measured between the steps with the same threads. 100% is the speed of memory and cannot be passed; \
“cached” stands where the weights stay in the processor's cache and the roof does not apply.

Rows and products are compared at token 16, where a step reads little but weights, which all rows \
share. Keys and values are every row's own and grow with the image: lines and ratios with \
half_image stand at token 128, the average step. With bf16 weights of AliTok-B's size keys, values \
and the inputs of products are bf16 as well, as in an f32 model opened so; with 8-bit weights inputs \
are 16-bit integers. With SimpleAR's size all of them are f32, as its file's bf16 weights are exact.

Ratios with their bars stand below; ratio_busy_to_alone is the time while another process keeps one \
core busy against the time alone. paired_builtin_run_s is the time of one run of CFG and SoftCFG on \
the built-in model with previews, from the press of the button to both whole images. Other \
programs disturb the numbers: close them first.

With --model the table is that of one model in place of the random decoders: one lane without \
guidance, under CFG and under SoftCFG, both lanes, and both with Δctx measured. No image tokenizer is \
needed; one tells how many codes there are where the decoder's files do not. Loading is not part of the \
two minutes. The share stands where the weights are larger than the last-level cache. Keys of \
the JSON file then: \
model_ms_1_row, model_ms_2_rows (CFG), model_ms_2_rows_softcfg, model_ms_4_rows (CFG and SoftCFG) and \
model_ms_5_rows (with Δctx) are milliseconds a step; model_softcfg_to_cfg, model_ratio_4_rows_to_2 \
and model_ratio_5_rows_to_2 are ratios of them; model_bandwidth_share_2_rows is the share, where it \
stands; model_paired_image_s is the seconds that all tokens of an image take in both lanes, at that \
pace and without pictures; threads and read_gigabytes_per_second are those of this run.

With --device and without --model the random decoders and the built-in model run on that device, in \
bf16 and f32. The roof is then a product of one row with 640 MiB of f32, and bars, which are meant for \
processors, are left out.

The instruction set is found at run time; the environment variable SOFTCFG_KERNEL forces \
avx512-bf16 (with instructions for pairs), avx512, avx2, neon or portable.";

/// Arguments of `bench`.
#[derive(Args)]
#[command(about = ABOUT, long_about = LONG_ABOUT)]
pub struct Bench {
    #[command(flatten)]
    model: ModelArguments,
    /// Also write the figures to this file, one number a key.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Rounds; every variant runs once a round.
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = counts::one_or_more)]
    rounds: usize,
    /// Decoder threads; default: physical cores minus one.
    #[arg(long, value_name = "NUMBER", value_parser = counts::one_or_more)]
    threads: Option<usize>,
    /// Small decoders, few rounds: shows that everything runs, and nothing about speed.
    #[arg(long, hide = true)]
    quick: bool,
    /// Keep one core busy until the standard input ends; the bench starts itself so.
    #[arg(long, hide = true)]
    busy: bool,
}

/// Runs `bench`. `call` is what this program's name has to be followed by to get here again.
///
/// # Errors
/// Anything wrong in the call, before anything is measured; [`RunFailed`] when measuring fails; the
/// file cannot be written.
pub fn run(arguments: &Bench, call: &[&str]) -> Result<()> {
    if arguments.busy {
        keep_busy();
        return Ok(());
    }
    arguments.check()?;
    let device = arguments.model.device()?;
    // A device that cannot be used is reported before anything is measured.
    device.open()?;
    let model = arguments.model.has_path().then(|| arguments.model.load_decoder()).transpose()?;
    let spinner = ProgressBar::new_spinner().with_message("measuring, up to two minutes");
    spinner.enable_steady_tick(Duration::from_millis(200));
    let outcome = arguments.measure(model.as_ref(), device, call);
    spinner.finish_and_clear();
    let report = outcome.map_err(|error| RunFailed(format!("{error:#}")))?;
    if let Some(path) = &arguments.json {
        let saved = stage(path, &report).and_then(Staged::commit);
        saved.map_err(|error| RunFailed(error.to_string()))?;
    }
    let mut table = report.table();
    if arguments.quick {
        table += "\nA quick run: the numbers say nothing about this machine.\n";
    }
    output::print(&table)
}

/// Most rounds: every one keeps its times, and medians of hundreds move no more.
const MAX_ROUNDS: usize = 10_000;

impl Bench {
    fn check(&self) -> Result<()> {
        if self.rounds > MAX_ROUNDS {
            bail!("--rounds is {}; use at most {MAX_ROUNDS}, which take hours", self.rounds);
        }
        if let Some(name) = std::env::var_os(ISA_VARIABLE)
            && name.to_str().and_then(Isa::by_name).is_none()
        {
            let names: Vec<&str> = Isa::available().iter().map(|isa| isa.name()).collect();
            bail!(
                "this machine has no kernel {}, which {ISA_VARIABLE} names; use one of {}",
                name.display(),
                names.join(", ")
            );
        }
        if let Some(path) = &self.json {
            if path.is_dir() {
                bail!("this is a folder, not a file; choose a file name: {}", path.display());
            }
            prepare_folder(
                path.parent().filter(|f| *f != Path::new("")).unwrap_or(Path::new(".")),
            )?;
        }
        Ok(())
    }

    fn measure(
        &self,
        model: Option<&OpenedDecoder>,
        device: DeviceKind,
        call: &[&str],
    ) -> Result<Report> {
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let again = call.iter().copied().chain(["--busy"]).map(str::to_owned).collect();
        let threads = decoder_threads(self.threads).unwrap_or_else(default_decoder_threads);
        let options = BenchOptions {
            rounds: if self.quick { 1 } else { self.rounds },
            threads,
            busy: Some((program, again)),
            quick: self.quick,
        };
        if let Some(model) = model {
            return Ok(measure_model(model, &options)?);
        }
        if device != DeviceKind::Cpu {
            return Ok(measure_on(device, &options)?);
        }
        let mut report = measure(&options)?;
        let runs = if self.quick { 1 } else { PAIRED_RUNS };
        report.figures.insert("paired_builtin_run_s", paired_run_seconds(threads, runs)?);
        Ok(report)
    }
}

/// One core works until the starter closes the pipe, which it does by ending as well.
fn keep_busy() {
    std::thread::spawn(|| {
        loop {
            std::hint::spin_loop();
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn stage(path: &Path, report: &Report) -> Result<Staged, ExportError> {
    Staged::write(path, |writer| {
        serde_json::to_writer_pretty(&mut *writer, &report.json())?;
        std::io::Write::write_all(writer, b"\n")
    })
}

/// Paired runs; the first warms up.
const PAIRED_RUNS: usize = 6;

/// Longest wait for the engine before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// Median seconds of the default run of the window, CFG and SoftCFG with Δctx on the built-in model,
/// from asking the engine for it to the previews of both whole images. The engine is the window's;
/// its previews are made as they are there, and nobody paints them.
fn paired_run_seconds(threads: usize, runs: usize) -> Result<f64> {
    let (ring, rung) = bounded(1);
    let engine = Engine::start(EngineOptions {
        decoder_threads: Some(threads),
        waker: Arc::new(move || {
            let _ = ring.try_send(());
        }),
    })
    .context("no threads could be started to decode with")?;
    engine.load_builtin();
    let card = loop {
        match next_event(&engine, &rung)? {
            Event::ModelReady(card) => break card,
            Event::ModelFailed { message } => bail!(message),
            _ => {}
        }
    };
    let settings = RunSettings::default();
    let spec = settings.validate(&card).map_err(|errors| {
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(messages.join("\n"))
    })?;
    let mut seconds = Vec::new();
    for _ in 0..runs {
        let begun = Instant::now();
        let record = engine.generate(spec.clone());
        let mut whole = vec![false; settings.lanes.len()];
        while whole.contains(&false) {
            match next_event(&engine, &rung)? {
                Event::Preview(preview) if preview.run == record.id => {
                    if preview.steps == spec.steps
                        && let Some(lane) = whole.get_mut(preview.lane)
                    {
                        *lane = true;
                    }
                }
                Event::Problem { message } => bail!(message),
                _ => {}
            }
            if let RunStatus::Failed(reason) = record.status() {
                bail!(reason);
            }
        }
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let warm_up = usize::from(runs > 1);
    let mut timed = seconds.split_off(warm_up);
    timed.sort_by(f64::total_cmp);
    timed.get(timed.len() / 2).copied().context("no paired run was timed")
}

fn next_event(engine: &Engine, rung: &Receiver<()>) -> Result<Event> {
    loop {
        if let Some(event) = engine.next_event() {
            return Ok(event);
        }
        rung.recv_timeout(PATIENCE).context("the engine did not answer")?;
    }
}
