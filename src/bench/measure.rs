//! The measurements as a whole: all of this machine, of a device, or of one model.

use crate::bench::options::BenchOptions;
use crate::bench::report::Report;
use crate::bench::{model, random};
use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::opening::parts::OpenedDecoder;
use candle_core::Device;

/// Measures one model: the rows of one lane, of two, and of two with Δctx, SoftCFG against CFG.
///
/// # Errors
/// No memory, or those of the model.
pub fn measure_model(model: &OpenedDecoder, options: &BenchOptions) -> Result<Report, ModelError> {
    decoder_pool(options)?.install(|| {
        let mut report =
            Report { device: model.device, threads: options.threads, ..Report::default() };
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
    use crate::compute::device_kind::cpu_as_device::with_cpu_as_device;

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
