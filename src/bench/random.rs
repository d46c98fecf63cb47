//! Random decoders of AliTok-B's and SimpleAR-0.5B's size, read from memory at every step.

use crate::bench::case::{Caches, Case, Steps, find, interleave, ratio};
use crate::bench::options::{BUSY_TIME, BenchOptions, LENGTHS_TIME, OTHERS_TIME, ROWS_TIME};
use crate::bench::random_decoder::{ALITOK_B, Products, RandomDecoder, SIMPLEAR_HALF_B};
use crate::bench::report::{Measurement, Report};
use crate::bench::roof::Roof;
use crate::bench::statistics::median;
use crate::compute::cpu::isa::Isa;
use crate::compute::error::ModelError;
use crate::compute::precision::{ActivationNumber, Precision};
use crate::compute::rows::MAX_ROWS;
use candle_core::Device;
use std::cell::RefCell;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::slice;
use std::time::Duration;

/// Caches for `rows` rows. Every position is written: memory that was never written is not really there.
fn caches(decoder: &RandomDecoder, rows: usize) -> Result<Caches, ModelError> {
    let mut caches = (0..rows).map(|_| decoder.cache()).collect::<Result<Vec<_>, _>>()?;
    caches.iter_mut().for_each(|cache| cache.fill(0.01));
    Ok(Rc::new(RefCell::new(caches)))
}

/// A random decoder that decodes the same position again and again.
struct RandomSteps<'a> {
    decoder: &'a RandomDecoder,
    caches: Caches,
    rows: usize,
    position: usize,
    /// Of every second row, if it is perturbed.
    weights: Option<Vec<f32>>,
}

impl<'a> RandomSteps<'a> {
    /// With the first `rows` of `caches`.
    fn new(decoder: &'a RandomDecoder, caches: &Caches, rows: usize, position: usize) -> Self {
        Self { decoder, caches: Rc::clone(caches), rows, position, weights: None }
    }

    fn with_weights(mut self) -> Self {
        self.weights = Some((0..=self.position).map(|i| 0.5 + (i % 7) as f32 / 16.0).collect());
        self
    }
}

impl Steps for RandomSteps<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn weight_bytes(&self) -> u64 {
        self.decoder.weight_bytes()
    }

    fn cache_bytes(&self) -> u64 {
        self.decoder.cache_bytes(self.position) * self.rows as u64
    }

    fn step(&mut self) -> Result<(), ModelError> {
        let weights = self.weights.as_deref();
        let mut caches = self.caches.borrow_mut();
        let caches = caches.get_mut(..self.rows).unwrap_or_default();
        std::hint::black_box(self.decoder.step(self.position, weights, caches)?);
        Ok(())
    }
}

const CFG: &str = "AliTok-B, CFG";
const HALF_CFG: &str = "AliTok-B, CFG, half an image";
const SOFTCFG: &str = "AliTok-B, SoftCFG";
const CANDLE: &str = "AliTok-B, candle's linear layers";
const OTHER_KERNEL: &str = "AliTok-B, AVX2 forced";

/// The image token that rows and products are compared at. So early a step reads weights and little
/// else: what is compared is whether they are read once for all rows. Keys and values are every row's
/// own, grow with the image, and can only be read row by row.
const START: usize = 16;

/// Half of AliTok's image: the length of the average step.
const HALF: usize = 128;

/// A decoder of AliTok-B's size. It is published in f32: beside rounded weights activations are bf16.
fn decoder(
    products: Products,
    options: &BenchOptions,
    device: &Device,
) -> Result<RandomDecoder, ModelError> {
    let exact = matches!(products, Products::Candle | Products::Packed(Precision::F32));
    let activations = if exact { ActivationNumber::F32 } else { ActivationNumber::Bf16 };
    RandomDecoder::new(options.size(ALITOK_B), 257, products, activations, device)
}

/// Decoders of AliTok-B's size and what they share.
struct AliTok {
    bf16: RandomDecoder,
    int8: RandomDecoder,
    f32: RandomDecoder,
    candle: RandomDecoder,
    /// All of them have heads of the same shape; two kinds of numbers.
    exact: Caches,
    rounded: Caches,
    roof: Roof,
}

impl AliTok {
    fn new(options: &BenchOptions) -> Result<Self, ModelError> {
        let decoder = |products| decoder(products, options, &Device::Cpu);
        let bf16 = decoder(Products::Packed(Precision::Bf16))?;
        let int8 = decoder(Products::Packed(Precision::Int8))?;
        let f32 = decoder(Products::Packed(Precision::F32))?;
        let candle = decoder(Products::Candle)?;
        let roof = Roof::new(options.roof_bytes(), &Device::Cpu)?;
        let (exact, rounded) = (caches(&f32, MAX_ROWS)?, caches(&bf16, MAX_ROWS)?);
        Ok(Self { bf16, int8, f32, candle, exact, rounded, roof })
    }
}

/// Rows, precisions, SoftCFG, candle's layers and kernels compared.
pub(super) fn measure_alitok(
    options: &BenchOptions,
    report: &mut Report,
) -> Result<(), ModelError> {
    let mut alitok = AliTok::new(options)?;
    // In turn by themselves: their ratios are near 1, and need more rounds than there is time for
    // beside the slow variants.
    let AliTok { bf16, rounded, roof, .. } = &mut alitok;
    measure_rows(options, bf16, rounded, roof, report)?;
    measure_others(options, &mut alitok, report)?;
    let cfg = || RandomSteps::new(&alitok.bf16, &alitok.rounded, 2, START);
    measure_busy(options, [BUSY; 2].map(|name| Case::new(name, "bf16", cfg())), report)
}

/// Rows, SoftCFG and lengths in bf16.
fn measure_rows(
    options: &BenchOptions,
    decoder: &RandomDecoder,
    caches: &Caches,
    roof: &mut Roof,
    report: &mut Report,
) -> Result<(), ModelError> {
    let steps = |rows, position| RandomSteps::new(decoder, caches, rows, position);
    let mut cases = Vec::new();
    for rows in [1, 2, 4, 5, MAX_ROWS] {
        cases.push(Case::new(CFG, "bf16", steps(rows, START)));
    }
    cases.push(Case::new(SOFTCFG, "bf16", steps(2, START).with_weights()));
    for rows in [2, 4, 5] {
        cases.push(Case::new(HALF_CFG, "bf16", steps(rows, HALF)));
    }
    interleave(options.rounds, ROWS_TIME, &mut cases, Some(roof))?;
    report.read_bandwidth = roof.bandwidth();
    report.measurements.extend(cases.iter().map(|case| case.measurement(true)));
    let to_two_rows = |name, two_rows, rows| {
        let two_rows = find(&cases, two_rows, 2, "bf16")?;
        Ok::<_, ModelError>(ratio(find(&cases, name, rows, "bf16")?, two_rows))
    };
    let two_rows = find(&cases, CFG, 2, "bf16")?.measurement(true);
    let share = two_rows.gigabytes_per_second() / report.read_bandwidth;
    report.figures.extend([
        ("bandwidth_share_bf16_2_rows", share),
        ("ratio_4_rows_to_2", to_two_rows(CFG, CFG, 4)?),
        ("ratio_5_rows_to_2", to_two_rows(CFG, CFG, 5)?),
        ("ratio_4_rows_to_2_half_image", to_two_rows(HALF_CFG, HALF_CFG, 4)?),
        ("ratio_5_rows_to_2_half_image", to_two_rows(HALF_CFG, HALF_CFG, 5)?),
        ("softcfg_to_cfg", to_two_rows(SOFTCFG, CFG, 2)?),
    ]);
    Ok(())
}

/// Rows and SoftCFG in bf16, and rows in f32, on a device.
pub(super) fn measure_alitok_on(
    device: &Device,
    options: &BenchOptions,
    report: &mut Report,
) -> Result<(), ModelError> {
    let decoder = |precision| decoder(Products::Packed(precision), options, device);
    let (bf16, f32) = (decoder(Precision::Bf16)?, decoder(Precision::F32)?);
    let mut roof = Roof::new(options.roof_bytes(), device)?;
    measure_rows(options, &bf16, &caches(&bf16, MAX_ROWS)?, &mut roof, report)?;
    let caches = caches(&f32, MAX_ROWS)?;
    let steps = |rows| Case::new(CFG, "f32", RandomSteps::new(&f32, &caches, rows, START));
    let mut cases = [1, 2, 4, 5].map(steps);
    interleave(options.rounds, OTHERS_TIME, &mut cases, Some(&mut roof))?;
    report.measurements.extend(cases.iter().map(|case| case.measurement(true)));
    Ok(())
}

/// Other precisions, candle's layers and another kernel.
fn measure_others(
    options: &BenchOptions,
    alitok: &mut AliTok,
    report: &mut Report,
) -> Result<(), ModelError> {
    let AliTok { bf16, int8, f32, candle, exact, rounded, roof } = alitok;
    let rounded = |decoder, rows| RandomSteps::new(decoder, rounded, rows, START);
    let exact = |decoder, rows| RandomSteps::new(decoder, exact, rows, START);
    let mut cases = Vec::new();
    for rows in [1, 2, 4, 5] {
        cases.push(Case::new(CFG, "f32", exact(f32, rows)));
    }
    for rows in [2, 4] {
        cases.push(Case::new(CFG, "int8", rounded(int8, rows)));
        cases.push(Case::new(CANDLE, "f32", exact(candle, rows)));
    }
    let other = Isa::by_name("avx2").filter(|_| Isa::current().name().starts_with("avx512"));
    if let Some(isa) = other {
        for (steps, precision) in [(rounded(bf16, 2), "bf16"), (exact(f32, 2), "f32")] {
            let case = Case::new(OTHER_KERNEL, precision, steps);
            cases.push(case.with_isa(isa));
        }
    }
    let printed = cases.len();
    // What they are compared with, once more beside them.
    cases.push(Case::new(CFG, "bf16", rounded(bf16, 2)));
    interleave(options.rounds, OTHERS_TIME, &mut cases, Some(roof))?;
    report.measurements.extend(cases.iter().take(printed).map(|s| s.measurement(true)));
    let ours = |precision| find(&cases, CFG, 2, precision);
    let candle = find(&cases, CANDLE, 2, "f32")?;
    report.figures.extend([
        ("candle_f32_to_ours_f32", ratio(candle, ours("f32")?)),
        ("candle_f32_to_ours_bf16", ratio(candle, ours("bf16")?)),
    ]);
    if other.is_some() {
        let other = find(&cases, OTHER_KERNEL, 2, "bf16")?;
        report.figures.insert("ratio_avx2_to_avx512", ratio(other, ours("bf16")?));
    }
    Ok(())
}

const BUSY: &str = "AliTok-B, another busy process";

/// Turns of steps alone and steps beside the process.
const BUSY_TURNS: usize = 3;

/// Steps with another process busy on one core, in turn with steps alone.
fn measure_busy(
    options: &BenchOptions,
    [mut alone, mut busy]: [Case<'_>; 2],
    report: &mut Report,
) -> Result<(), ModelError> {
    let Some((program, arguments)) = &options.busy else { return Ok(()) };
    for _ in 0..BUSY_TURNS {
        interleave(options.rounds, BUSY_TIME, slice::from_mut(&mut alone), None)?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|cause| ModelError::Read { cause, path: program.clone() })?;
        let _busy = Busy(child);
        // The scheduler takes a moment to spread the load.
        std::thread::sleep(Duration::from_millis(100));
        interleave(options.rounds, BUSY_TIME, slice::from_mut(&mut busy), None)?;
    }
    report.figures.insert("ratio_busy_to_alone", median(&busy.times) / median(&alone.times));
    report.measurements.push(busy.measurement(true));
    Ok(())
}

/// Ends the process it holds. Should this program be killed first, the process sees its standard
/// input end.
struct Busy(Child);

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A step at token 4000 against one at token 100, each without the time its keys and values take to
/// read.
pub(super) fn measure_lengths(
    options: &BenchOptions,
    device: &Device,
    report: &mut Report,
) -> Result<(), ModelError> {
    let products = Products::Packed(Precision::Bf16);
    // Published in bf16, which are its own numbers: activations are f32.
    let size = options.size(SIMPLEAR_HALF_B);
    let decoder = RandomDecoder::new(size, 4097, products, ActivationNumber::F32, device)?;
    let mut roof = Roof::new(options.roof_bytes(), device)?;
    let caches = caches(&decoder, 2)?;
    let at =
        |name, position| Case::new(name, "bf16", RandomSteps::new(&decoder, &caches, 2, position));
    let mut cases = [at("SimpleAR-0.5B, token 100", 100), at("SimpleAR-0.5B, token 4000", 4000)];
    interleave(options.rounds, LENGTHS_TIME, &mut cases, Some(&mut roof))?;
    let bandwidth = roof.bandwidth();
    let lines = cases.each_ref().map(|case| case.measurement(true));
    let rest = |line: &Measurement| line.milliseconds - line.cache_bytes as f64 / bandwidth / 1e6;
    let [short, long] = lines.each_ref().map(rest);
    report.figures.insert("ratio_token_4000_to_100", long / short);
    report.measurements.extend(lines);
    Ok(())
}
