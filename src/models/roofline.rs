//! How fast a decoder decodes, against how fast this machine reads memory: the measurements of
//! `cargo bench --bench decode` and of the `bench` subcommand.
//!
//! Variants that are compared run in turn, round after round, in another order each round. Before
//! each step a buffer larger than the caches is read and timed: it measures the roof at the same
//! moment, and drives out what the variant before has left in the last-level cache. Ratios are
//! medians of the ratios within a round. A share above 1 means that the roof was measured too low;
//! the table says so, and such a share proves nothing.

use crate::models::error::ModelError;
use crate::models::kernels::Kernel;
use crate::models::kernels::read::{Prefetch, ReadBuffer};
use crate::models::kv_cache::KvCache;
use crate::models::linear::Precision;
use crate::models::random_decoder::{
    ALITOK_B, BUILT_IN, DecoderSize, Products, RandomDecoder, SIMPLEAR_HALF_B,
};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// What to measure, and how long.
#[derive(Debug, Clone)]
pub struct BenchOptions {
    /// Rounds; each variant runs once a round.
    pub rounds: usize,
    /// Threads that decode.
    pub threads: usize,
    /// Program and arguments that keep one core busy until killed; none leaves that row out.
    pub busy: Option<(std::path::PathBuf, Vec<String>)>,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// What ran.
    pub name: String,
    /// Rows of a step.
    pub rows: usize,
    /// How weights are stored.
    pub precision: String,
    /// Instruction set.
    pub kernel: &'static str,
    /// Median milliseconds a step.
    pub milliseconds: f64,
    /// Bytes that a step has to read.
    pub bytes: u64,
    /// Whether the weights come from memory at every step, so that the roof applies.
    pub from_memory: bool,
}

impl Measurement {
    /// Bytes a second, in units of 10⁹.
    pub fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.milliseconds / 1e6
    }
}

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Decoder threads.
    pub threads: usize,
    /// Median read bandwidth in 10⁹ bytes a second.
    pub read_bandwidth: f64,
    /// Lines of the table.
    pub measurements: Vec<Measurement>,
    /// One number a key, as in the JSON file.
    pub figures: BTreeMap<&'static str, f64>,
}

/// Bars of the figures: name, limit, and whether more is better.
const BARS: [(&str, f64, bool); 9] = [
    ("bandwidth_share_bf16_2_rows", 0.90, true),
    ("ratio_4_rows_to_2", 1.10, false),
    ("ratio_5_rows_to_2", 1.20, false),
    ("softcfg_to_cfg", 1.01, false),
    ("candle_f32_to_ours_f32", 2.5, true),
    ("candle_f32_to_ours_bf16", 5.0, true),
    ("token_4000_to_token_100", 1.05, false),
    ("busy_to_alone", 1.6, false),
    ("avx2_to_avx512", 1.3, false),
];

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "Reads {:.1} GB/s with {} decoder thread(s)\n\n{:<34}{:>5} {:>9} {:>9} {:>9} {:>7} {:>7}\n",
            self.read_bandwidth,
            self.threads,
            "",
            "rows",
            "precision",
            "kernel",
            "ms/step",
            "GB/s",
            "share"
        );
        for line in &self.measurements {
            let speed = line.gigabytes_per_second();
            let share = if line.from_memory {
                format!("{:.0}%", 100.0 * speed / self.read_bandwidth)
            } else {
                "cached".to_owned()
            };
            let _ = writeln!(
                text,
                "{:<34}{:>5} {:>9} {:>9} {:>9.3} {:>7.1} {share:>7}",
                line.name, line.rows, line.precision, line.kernel, line.milliseconds, speed,
            );
        }
        let above = |line: &&Measurement| {
            line.from_memory && line.gigabytes_per_second() > self.read_bandwidth
        };
        let above = self.measurements.iter().filter(above).count();
        if above > 0 {
            let _ = writeln!(
                text,
                "\n{above} line(s) exceed the roof: it was measured too low, and shares are not valid."
            );
        }
        text.push('\n');
        for (name, value) in &self.figures {
            let bar = BARS.iter().find(|bar| bar.0 == *name).map_or(String::new(), |bar| {
                let (sign, met) =
                    if bar.2 { (">=", *value >= bar.1) } else { ("<=", *value <= bar.1) };
                format!("bar {sign} {:.2}{}", bar.1, if met { "" } else { "  missed" })
            });
            let _ = writeln!(text, "{name:<34}{value:>9.3}   {bar}");
        }
        text
    }

    /// The same as JSON: one number a key.
    pub fn json(&self) -> serde_json::Value {
        let mut object = serde_json::Map::new();
        object.insert("threads".to_owned(), self.threads.into());
        object.insert("read_gigabytes_per_second".to_owned(), self.read_bandwidth.into());
        for (name, value) in &self.figures {
            object.insert((*name).to_owned(), (*value).into());
        }
        object.into()
    }
}

/// Measures everything, in a pool of `options.threads` threads.
///
/// # Errors
/// No memory, or the busy process cannot be started.
pub fn measure(options: &BenchOptions) -> Result<Report, ModelError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|error| ModelError::Config(format!("no threads for the bench: {error}")))?;
    pool.install(|| {
        let mut report = Report { threads: options.threads, ..Report::default() };
        measure_alitok(options, &mut report)?;
        measure_lengths(options, &mut report)?;
        measure_built_in(options, &mut report)?;
        Ok(report)
    })
}

/// A decoder, its caches and what is measured on it.
struct Subject<'a> {
    name: &'static str,
    decoder: &'a RandomDecoder,
    precision: &'static str,
    kernel: Kernel,
    caches: Vec<KvCache>,
    position: usize,
    weights: Option<Vec<f32>>,
    times: Vec<f64>,
}

impl<'a> Subject<'a> {
    fn new(
        name: &'static str,
        decoder: &'a RandomDecoder,
        precision: &'static str,
        rows: usize,
        position: usize,
    ) -> Self {
        let caches = (0..rows).map(|_| decoder.cache()).collect();
        let kernel = Kernel::current();
        Self { name, decoder, precision, kernel, caches, position, weights: None, times: vec![] }
    }

    fn with_weights(mut self) -> Self {
        self.weights = Some((0..=self.position).map(|i| 0.5 + (i % 7) as f32 / 16.0).collect());
        self
    }

    fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    fn run(&mut self) -> Result<f64, ModelError> {
        let before = Kernel::current();
        self.kernel.make_current();
        let start = Instant::now();
        let logits = self.decoder.step(self.position, self.weights.as_deref(), &mut self.caches);
        let time = start.elapsed();
        before.make_current();
        std::hint::black_box(logits?);
        Ok(time.as_secs_f64() * 1e3)
    }

    fn measurement(&self, from_memory: bool) -> Measurement {
        let rows = self.caches.len();
        let caches = self.decoder.cache_bytes(self.position) * rows as u64;
        Measurement {
            name: self.name.to_owned(),
            rows,
            precision: self.precision.to_owned(),
            kernel: self.kernel.name(),
            milliseconds: median(&self.times),
            bytes: self.decoder.weight_bytes() + caches,
            from_memory,
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median over the rounds of the first subject's time divided by the second's.
fn ratio(first: &Subject<'_>, second: &Subject<'_>) -> f64 {
    let ratios = first.times.iter().zip(&second.times).map(|(first, second)| first / second);
    median(&ratios.collect::<Vec<_>>())
}

/// Reads of memory, by the way they were done.
struct Roof {
    memory: ReadBuffer,
    ways: [(Prefetch, Vec<f64>); 3],
    reads: usize,
}

impl Roof {
    /// Larger than the last-level caches of large machines.
    const BYTES: usize = 640 << 20;

    fn new() -> Result<Self, ModelError> {
        let ways = [Prefetch::Hardware, Prefetch::Near, Prefetch::FarAndNear];
        let memory = ReadBuffer::new(Self::BYTES)?;
        Ok(Self { memory, ways: ways.map(|way| (way, Vec::new())), reads: 0 })
    }

    fn read(&mut self) {
        let count = self.ways.len();
        let (way, speeds) = &mut self.ways[self.reads % count];
        let start = Instant::now();
        std::hint::black_box(self.memory.read(Kernel::current(), *way));
        speeds.push(self.memory.length() as f64 / start.elapsed().as_secs_f64() / 1e9);
        self.reads += 1;
    }

    /// Median of the fastest way of reading, in 10⁹ bytes a second.
    fn bandwidth(&self) -> f64 {
        self.ways.iter().map(|(_, speeds)| median(speeds)).fold(0.0, f64::max)
    }
}

/// Runs all subjects once a round; after a read of all of the roof's memory each, if there is one.
fn interleave(
    rounds: usize,
    subjects: &mut [Subject<'_>],
    mut roof: Option<&mut Roof>,
) -> Result<(), ModelError> {
    let count = subjects.len();
    for round in 0..=rounds {
        for turn in 0..count {
            // Forwards and backwards, from another subject each time: no one has a fixed place.
            let place = (turn + round / 2) % count;
            let place = if round % 2 == 0 { place } else { count - 1 - place };
            if let Some(roof) = roof.as_deref_mut() {
                roof.read();
            }
            let Some(subject) = subjects.get_mut(place) else { continue };
            let time = subject.run()?;
            // The first round fills caches and pages.
            if round > 0 {
                subject.times.push(time);
            }
        }
    }
    Ok(())
}

const CFG: &str = "AliTok-B, CFG";
const SOFTCFG: &str = "AliTok-B, SoftCFG";
const CANDLE: &str = "AliTok-B, candle's linear layers";
const OTHER_KERNEL: &str = "AliTok-B, AVX2 forced";

fn measure_alitok(options: &BenchOptions, report: &mut Report) -> Result<(), ModelError> {
    let decoder = |products| RandomDecoder::new(ALITOK_B, 257, products);
    let bf16 = decoder(Products::Packed(Precision::Bf16))?;
    let int8 = decoder(Products::Packed(Precision::Int8))?;
    let f32 = decoder(Products::Packed(Precision::F32))?;
    let candle = decoder(Products::Candle)?;
    let mut roof = Roof::new()?;
    let mut subjects: Vec<Subject> =
        [1, 2, 4, 5, 8].map(|rows| Subject::new(CFG, &bf16, "bf16", rows, 128)).into();
    subjects.push(Subject::new(SOFTCFG, &bf16, "bf16", 2, 128).with_weights());
    for rows in [1, 2, 4, 5] {
        subjects.push(Subject::new(CFG, &f32, "f32", rows, 128));
    }
    for rows in [2, 4] {
        subjects.push(Subject::new(CFG, &int8, "int8", rows, 128));
        subjects.push(Subject::new(CANDLE, &candle, "f32", rows, 128));
    }
    let other = Kernel::by_name("avx2").filter(|_| Kernel::current().name() == "avx512");
    if let Some(kernel) = other {
        for (decoder, precision) in [(&bf16, "bf16"), (&f32, "f32")] {
            let subject = Subject::new(OTHER_KERNEL, decoder, precision, 2, 128);
            subjects.push(subject.with_kernel(kernel));
        }
    }
    interleave(options.rounds, &mut subjects, Some(&mut roof))?;
    report.read_bandwidth = roof.bandwidth();
    report.measurements.extend(subjects.iter().map(|subject| subject.measurement(true)));
    let find = |name, rows, precision| {
        let same =
            |s: &&Subject| s.name == name && s.caches.len() == rows && s.precision == precision;
        subjects.iter().find(same).ok_or(ModelError::Internal("the bench lost a variant"))
    };
    let two = find(CFG, 2, "bf16")?;
    let candle = find(CANDLE, 2, "f32")?;
    let share = two.measurement(true).gigabytes_per_second() / report.read_bandwidth;
    let mut figures = vec![
        ("bandwidth_share_bf16_2_rows", share),
        ("ratio_4_rows_to_2", ratio(find(CFG, 4, "bf16")?, two)),
        ("ratio_5_rows_to_2", ratio(find(CFG, 5, "bf16")?, two)),
        ("softcfg_to_cfg", ratio(find(SOFTCFG, 2, "bf16")?, two)),
        ("candle_f32_to_ours_f32", ratio(candle, find(CFG, 2, "f32")?)),
        ("candle_f32_to_ours_bf16", ratio(candle, two)),
    ];
    if other.is_some() {
        figures.push(("avx2_to_avx512", ratio(find(OTHER_KERNEL, 2, "bf16")?, two)));
    }
    report.figures.extend(figures);
    measure_busy(options, Subject::new(CFG, &bf16, "bf16", 2, 128), report)
}

/// Steps with another process busy on one core, in turn with steps alone.
fn measure_busy(
    options: &BenchOptions,
    mut subject: Subject<'_>,
    report: &mut Report,
) -> Result<(), ModelError> {
    let Some((program, arguments)) = &options.busy else { return Ok(()) };
    let (mut alone, mut busy) = (Vec::new(), Vec::new());
    subject.run()?;
    for _ in 0..3 {
        for _ in 0..options.rounds {
            alone.push(subject.run()?);
        }
        let child = Command::new(program)
            .args(arguments)
            .spawn()
            .map_err(|cause| ModelError::Read { cause, path: program.clone() })?;
        let _busy = Busy(child);
        // The scheduler takes a moment to spread the load.
        std::thread::sleep(Duration::from_millis(100));
        for _ in 0..options.rounds {
            busy.push(subject.run()?);
        }
    }
    report.figures.insert("busy_to_alone", median(&busy) / median(&alone));
    subject.times = busy;
    let name = "AliTok-B, another busy process".to_owned();
    let line = Measurement { name, ..subject.measurement(true) };
    report.measurements.push(line);
    Ok(())
}

struct Busy(Child);

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A step at token 4000 against one at token 100, each without the time its keys and values take to
/// read.
fn measure_lengths(options: &BenchOptions, report: &mut Report) -> Result<(), ModelError> {
    let decoder = RandomDecoder::new(SIMPLEAR_HALF_B, 4097, Products::Packed(Precision::Bf16))?;
    let mut roof = Roof::new()?;
    let mut subjects = [
        Subject::new("SimpleAR-0.5B, token 100", &decoder, "bf16", 2, 100),
        Subject::new("SimpleAR-0.5B, token 4000", &decoder, "bf16", 2, 4000),
    ];
    for subject in &mut subjects {
        fill(subject)?;
    }
    interleave(options.rounds, &mut subjects, Some(&mut roof))?;
    let bandwidth = roof.bandwidth();
    let rest = subjects.each_ref().map(|subject| {
        let line = subject.measurement(true);
        let cache = (line.bytes - decoder.weight_bytes()) as f64 / bandwidth / 1e6;
        let rest = line.milliseconds - cache;
        report.measurements.push(line);
        rest
    });
    report.figures.insert("token_4000_to_token_100", rest[1] / rest[0]);
    Ok(())
}

/// Writes every position of a subject's caches: memory that was never written is not really there.
fn fill(subject: &mut Subject<'_>) -> Result<(), ModelError> {
    for cache in &mut subject.caches {
        for layer in &mut cache.layers {
            layer.keys.fill(0.01);
            layer.values.fill(0.01);
        }
    }
    subject.run().map(drop)
}

fn measure_built_in(options: &BenchOptions, report: &mut Report) -> Result<(), ModelError> {
    let size: DecoderSize = BUILT_IN;
    let decoders = [
        ("f32", RandomDecoder::new(size, 300, Products::Packed(Precision::F32))?),
        ("bf16", RandomDecoder::new(size, 300, Products::Packed(Precision::Bf16))?),
    ];
    let mut subjects = Vec::new();
    for (precision, decoder) in &decoders {
        for rows in [2, 4, 5] {
            subjects.push(Subject::new("built-in size", decoder, precision, rows, 150));
        }
    }
    // Small enough for the last-level cache, where a person's run keeps it too: no roof of memory.
    interleave(options.rounds * 10, &mut subjects, None)?;
    report.measurements.extend(subjects.iter().map(|subject| subject.measurement(false)));
    Ok(())
}
