//! How fast a decoder decodes, against how fast this machine reads memory: the measurements of
//! `cargo bench --bench decode` and of the `bench` subcommand.
//!
//! Variants that are compared run in turn, round after round, in another order each round. Before
//! each step a buffer larger than the caches is read and timed: it measures the roof at the same
//! moment, and drives out what the variant before has left in the last-level cache. Ratios are
//! medians of the ratios within a round. A share above 1 means that the roof was measured too low;
//! the table says so, and such a share proves nothing.

mod model;
mod random;
pub mod random_decoder;
mod report;
mod roof;
mod subject;

pub use report::{Measurement, Report};

use crate::bench::random_decoder::DecoderSize;
use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::models::card::Model;
use candle_core::Device;
use std::time::Duration;

/// What to measure, and how long.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Rounds; each variant runs once a round. Slow machines do fewer: a part of the bench that has
    /// used up its time ends after the round it is in.
    pub rounds: usize,
    /// Threads that decode.
    pub threads: usize,
    /// Program and arguments that keep one core busy until their standard input ends; none leaves
    /// that row out.
    pub busy: Option<(std::path::PathBuf, Vec<String>)>,
    /// Decoders of two blocks in place of the real sizes: shows that everything runs, and nothing
    /// about speed.
    pub quick: bool,
}

impl BenchOptions {
    /// Blocks of a decoder in the quick mode.
    const QUICK_LAYERS: usize = 2;
    /// Entries of the output head in the quick mode.
    const QUICK_VOCABULARY: usize = 1024;
    /// Larger than the last-level caches of large machines.
    const ROOF_BYTES: usize = 640 << 20;
    /// Enough to run through the code.
    const QUICK_ROOF_BYTES: usize = 8 << 20;

    fn size(&self, full: DecoderSize) -> DecoderSize {
        let (layers, vocabulary) = (Self::QUICK_LAYERS, Self::QUICK_VOCABULARY);
        if self.quick { DecoderSize { layers, vocabulary, ..full } } else { full }
    }

    fn roof_bytes(&self) -> usize {
        if self.quick { Self::QUICK_ROOF_BYTES } else { Self::ROOF_BYTES }
    }
}

/// Longest time for rows, SoftCFG and lengths of AliTok-B's size in bf16; with the four below, and with
/// what loading and the paired run take, less than two minutes.
const ROWS_TIME: Duration = Duration::from_secs(30);
/// Longest time for other precisions, layers and kernels.
const OTHERS_TIME: Duration = Duration::from_secs(20);
/// Longest time for a turn of steps alone or beside a busy process, six in all.
const BUSY_TIME: Duration = Duration::from_millis(1500);
/// Longest time for the two lengths.
const LENGTHS_TIME: Duration = Duration::from_secs(15);
/// Longest time for the built-in model.
const BUILT_IN_TIME: Duration = Duration::from_secs(10);

/// Longest time for a model that was chosen.
const MODEL_TIME: Duration = Duration::from_secs(60);

/// Measures one model: the rows of one lane, of two, and of two with Δctx, SoftCFG against CFG.
///
/// # Errors
/// No memory, or those of the model.
pub fn measure_model(model: &Model, options: &BenchOptions) -> Result<Report, ModelError> {
    decoder_pool(options)?.install(|| {
        let device = model.card.identity.device;
        let mut report = Report { device, threads: options.threads, ..Report::default() };
        model::measure_one(model, options, &mut report)?;
        Ok(report)
    })
}

/// Measures everything, in a pool of `options.threads` threads.
///
/// # Errors
/// No memory, or the busy process cannot be started.
pub fn measure(options: &BenchOptions) -> Result<Report, ModelError> {
    decoder_pool(options)?.install(|| {
        let mut report = Report { threads: options.threads, ..Report::default() };
        random::measure_alitok(options, &mut report)?;
        random::measure_lengths(options, &Device::Cpu, &mut report)?;
        model::measure_built_in(options, DeviceKind::Cpu, &mut report)?;
        Ok(report)
    })
}

/// Measures what a device can do of it: rows, lengths and the built-in model, in bf16 and f32.
///
/// # Errors
/// Those of [`DeviceKind::open`], or the device has no memory left.
pub fn measure_on(kind: DeviceKind, options: &BenchOptions) -> Result<Report, ModelError> {
    let device = kind.open()?;
    let mut report = Report { device: kind, threads: options.threads, ..Report::default() };
    random::measure_alitok_on(&device, options, &mut report)?;
    random::measure_lengths(options, &device, &mut report)?;
    model::measure_built_in(options, kind, &mut report)?;
    report.measurements.iter_mut().for_each(|line| line.kernel = kind.into());
    Ok(report)
}

fn decoder_pool(options: &BenchOptions) -> Result<rayon::ThreadPool, ModelError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|error| ModelError::Config(format!("no threads for the bench: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::device_kind::with_cpu_as_device;

    #[test]
    fn a_device_is_measured_with_what_it_can_do() {
        let options = BenchOptions { rounds: 1, threads: 1, busy: None, quick: true };
        let report = with_cpu_as_device(|| measure_on(DeviceKind::Cpu, &options)).unwrap();
        let precisions = |name: &str| report.measurements.iter().any(|m| m.precision == name);
        assert!(precisions("bf16") && precisions("f32") && !precisions("int8"));
        assert!(report.measurements.iter().all(|m| m.kernel == "cpu" && m.milliseconds > 0.0));
        for key in ["ratio_4_rows_to_2", "ratio_token_4000_to_100", "builtin_softcfg_to_cfg"] {
            assert!(report.figures.get(key).is_some_and(|ratio| ratio.is_finite()), "{key}");
        }
    }
}
