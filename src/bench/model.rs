//! A model itself, the built-in one or any other: all image tokens of a run, over and over, with the
//! rows of one lane, of two, and of two with the context difference measured.

use crate::bench::case::{Caches, Case, Steps, interleave, ratio};
use crate::bench::options::{BUILT_IN_TIME, BenchOptions, MODEL_TIME};
use crate::bench::report::Report;
use crate::bench::roof::Roof;
use crate::bench::statistics::median;
use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::layout::StepKind;
use crate::compute::rows::{Perturbation, Row, RowInput};
use crate::models::card::Conditions;
use crate::models::decoder::{Decoder, prefill};
use crate::opening::builtin;
use crate::opening::parts::OpenedDecoder;
use crate::prompts::condition::Condition;
use candle_core::Device;
use std::cell::RefCell;
use std::rc::Rc;

/// What a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    Conditional,
    Unconditional,
    Perturbed,
}

use Branch::{Conditional, Perturbed, Unconditional};

/// Rows that are compared, in the order in which the engine feeds them.
struct Variant {
    branches: &'static [Branch],
    /// Line and key of the built-in model, in the table of the random decoders.
    built_in: (&'static str, &'static str),
    /// Line and key in a table of one model.
    model: (&'static str, &'static str),
}

const VARIANTS: [Variant; 5] = [
    Variant {
        branches: &[Conditional],
        built_in: ("built-in, no guidance", "builtin_ms_1_row"),
        model: ("no guidance", "model_ms_1_row"),
    },
    Variant {
        branches: &[Conditional, Unconditional],
        built_in: ("built-in, CFG", "builtin_ms_2_rows"),
        model: ("CFG", "model_ms_2_rows"),
    },
    Variant {
        branches: &[Conditional, Perturbed],
        built_in: ("built-in, SoftCFG", "builtin_ms_2_rows_softcfg"),
        model: ("SoftCFG", "model_ms_2_rows_softcfg"),
    },
    Variant {
        branches: &[Conditional, Unconditional, Conditional, Perturbed],
        built_in: ("built-in, CFG and SoftCFG", "builtin_ms_4_rows"),
        model: ("CFG and SoftCFG", "model_ms_4_rows"),
    },
    Variant {
        branches: &[Conditional, Unconditional, Conditional, Perturbed, Unconditional],
        built_in: ("built-in, pair with Δctx", "builtin_ms_5_rows"),
        model: ("pair with Δctx", "model_ms_5_rows"),
    },
];
// Places in the list above.
const CFG: usize = 1;
const SOFTCFG: usize = 2;
const PAIR: usize = 3;
const PAIR_WITH_CONTEXT: usize = 4;

/// Steps of all variants for one round of the larger decoders: they are short.
const STEPS_PER_ROUND: usize = 20;

/// Reads of memory where the steps need none: every way of reading several times.
const ROOF_READS: usize = 9;

/// A prompt for models that have no grammar to make one.
const PROMPT: &str = "a cat left of a red car";

/// Last-level cache of machines that do not tell theirs.
const USUAL_CACHE: u64 = 64 << 20;

/// Feeds image tokens one after the other, and starts again when the image is whole.
struct ModelSteps<'a> {
    decoder: &'a dyn Decoder,
    branches: &'static [Branch],
    caches: Caches,
    /// What each image token is.
    kinds: &'a [StepKind],
    /// One for every image token.
    weights: Vec<f32>,
    index: usize,
}

impl<'a> ModelSteps<'a> {
    /// `caches` begin with those of the branches.
    fn new(
        decoder: &'a dyn Decoder,
        branches: &'static [Branch],
        caches: &Caches,
        kinds: &'a [StepKind],
    ) -> Self {
        let weights = (0..kinds.len()).map(|i| 0.5 + (i % 7) as f32 / 16.0).collect();
        Self { decoder, branches, caches: Rc::clone(caches), kinds, weights, index: 0 }
    }
}

impl Steps for ModelSteps<'_> {
    fn rows(&self) -> usize {
        self.branches.len()
    }

    fn weight_bytes(&self) -> u64 {
        self.decoder.info().step_weight_bytes
    }

    fn cache_bytes(&self) -> u64 {
        self.caches.borrow().iter().take(self.rows()).map(KvCache::filled_bytes).sum()
    }

    fn prepare(&mut self) {
        self.index %= self.weights.len().max(1);
        // Another variant may have been at this token before.
        let mut caches = self.caches.borrow_mut();
        caches.iter_mut().take(self.branches.len()).for_each(|cache| cache.truncate(self.index));
    }

    fn step(&mut self) -> Result<(), ModelError> {
        let index = self.index;
        let codes = self.decoder.info().codebook_size.max(1);
        let token = match self.kinds.get(index) {
            Some(StepKind::RowEnd { token, .. }) => *token,
            _ => (index * 37 % codes) as u32,
        };
        let input = RowInput::Image { index, token };
        let weights = self.weights.get(..=index).unwrap_or(&self.weights);
        let row = |(cache, &branch): (usize, &Branch)| Row {
            cache,
            input,
            append: true,
            perturbation: (branch == Perturbed)
                .then_some(Perturbation { weights, on: Default::default() }),
            logits: true,
        };
        let rows: Vec<Row> = self.branches.iter().enumerate().map(row).collect();
        let mut caches = self.caches.borrow_mut();
        let caches = caches.get_mut(..rows.len()).unwrap_or_default();
        std::hint::black_box(self.decoder.forward(&rows, caches)?);
        self.index += 1;
        Ok(())
    }
}

/// The variants of a model, all image tokens of a run over and over.
fn cases<'a>(
    model: &'a OpenedDecoder,
    line: impl Fn(&Variant) -> &'static str,
) -> Result<Vec<Case<'a>>, ModelError> {
    let decoder = model.loaded.decoder.as_ref();
    let prefixes = decoder.prefixes(&condition(&model.loaded.conditions)?)?;
    let kinds = model.loaded.layout.steps();
    // The last token of an image is never fed.
    let kinds = kinds.get(..kinds.len().saturating_sub(1)).unwrap_or(&[]);
    let mut prefilled = [
        decoder.new_cache(prefixes.conditional, kinds.len())?,
        decoder.new_cache(prefixes.unconditional, kinds.len())?,
    ];
    for cache in 0..prefilled.len() {
        prefill(decoder, &mut prefilled, cache)?;
    }
    let [conditional, unconditional] = prefilled;
    // Every variant's branches begin as those of the largest.
    let cache = |branch: &Branch| match branch {
        Conditional => conditional.copy(),
        Unconditional | Perturbed => unconditional.copy(),
    };
    let largest = VARIANTS[PAIR_WITH_CONTEXT].branches;
    let caches = largest.iter().map(cache).collect::<Result<Vec<_>, _>>()?;
    let caches = Rc::new(RefCell::new(caches));
    let precision = model.precision.into();
    let case = |variant: &Variant| {
        let steps = ModelSteps::new(decoder, variant.branches, &caches, kinds);
        Case::new(line(variant), precision, steps)
    };
    Ok(VARIANTS.iter().map(case).collect())
}

fn condition(conditions: &Conditions) -> Result<Condition, ModelError> {
    Ok(match conditions {
        Conditions::Prompts(book) => {
            let text = book.random_prompt(0).unwrap_or_else(|| PROMPT.to_owned());
            Condition::Prompt { text, negative: None }
        }
        Conditions::Classes(classes) => {
            let first = classes.first().ok_or(ModelError::Internal("a model without classes"))?;
            Condition::Class(first.id)
        }
    })
}

fn place<'a, 's>(cases: &'a [Case<'s>], index: usize) -> Result<&'a Case<'s>, ModelError> {
    cases.get(index).ok_or(ModelError::Internal("the bench lost a variant"))
}

/// The built-in model at 1, 2, 4 and 5 rows, SoftCFG against CFG, and a pair against one lane.
pub(super) fn measure_built_in(
    options: &BenchOptions,
    device: DeviceKind,
    report: &mut Report,
) -> Result<(), ModelError> {
    let model = builtin::load_decoder_on(device)?;
    let mut cases = cases(&model, |variant| variant.built_in.0)?;
    // Small enough for the last-level cache, where a person's run keeps it too: no roof of memory.
    interleave(options.rounds * STEPS_PER_ROUND, BUILT_IN_TIME, &mut cases, None)?;
    for (case, variant) in cases.iter().zip(&VARIANTS) {
        report.figures.insert(variant.built_in.1, median(&case.times));
    }
    report.measurements.extend(cases.iter().map(|case| case.measurement(false)));
    let place = |index| place(&cases, index);
    report.figures.insert("builtin_softcfg_to_cfg", ratio(place(SOFTCFG)?, place(CFG)?));
    report.figures.insert("builtin_paired_to_single", ratio(place(PAIR)?, place(CFG)?));
    Ok(())
}

/// The same of any model, against the roof where its weights do not fit the last-level cache.
pub(super) fn measure_one(
    model: &OpenedDecoder,
    options: &BenchOptions,
    report: &mut Report,
) -> Result<(), ModelError> {
    let on_cpu = model.device == DeviceKind::Cpu;
    let weight_bytes = model.loaded.decoder.info().step_weight_bytes;
    let from_memory = on_cpu && weight_bytes > last_level_cache().unwrap_or(USUAL_CACHE);
    report.heading = Some(format!("{}, {}", model.name, model.family));
    let mut cases = cases(model, |variant| variant.model.0)?;
    let mut roof = on_cpu.then(|| Roof::new(options.roof_bytes(), &Device::Cpu)).transpose()?;
    if from_memory {
        interleave(options.rounds, MODEL_TIME, &mut cases, roof.as_mut())?;
    } else {
        let rounds = if options.quick { 1 } else { options.rounds * STEPS_PER_ROUND };
        interleave(rounds, MODEL_TIME, &mut cases, None)?;
        if let Some(roof) = &mut roof {
            (0..ROOF_READS).try_for_each(|_| roof.read())?;
        }
    }
    report.read_bandwidth = roof.map_or(0.0, |roof| roof.bandwidth());
    for (case, variant) in cases.iter().zip(&VARIANTS) {
        let mut line = case.measurement(from_memory);
        if !on_cpu {
            line.kernel = model.device.into();
        }
        report.figures.insert(variant.model.1, line.milliseconds);
        report.measurements.push(line);
    }
    let place = |index| place(&cases, index);
    let two = place(CFG)?;
    report.figures.insert("model_softcfg_to_cfg", ratio(place(SOFTCFG)?, two));
    report.figures.insert("model_ratio_4_rows_to_2", ratio(place(PAIR)?, two));
    report.figures.insert("model_ratio_5_rows_to_2", ratio(place(PAIR_WITH_CONTEXT)?, two));
    let steps = model.loaded.layout.len() as f64;
    report.figures.insert("model_paired_image_s", steps * median(&place(PAIR)?.times) / 1e3);
    if from_memory {
        let share = two.measurement(true).gigabytes_per_second() / report.read_bandwidth;
        report.figures.insert("model_bandwidth_share_2_rows", share);
    }
    Ok(())
}

/// Bytes of the largest cache of the first core, where the system tells.
fn last_level_cache() -> Option<u64> {
    let caches = std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()?;
    let size = |cache: std::fs::DirEntry| {
        let text = std::fs::read_to_string(cache.path().join("size")).ok()?;
        text.trim().strip_suffix('K')?.parse::<u64>().ok()
    };
    caches.filter_map(|cache| size(cache.ok()?)).max().map(|kibibytes| kibibytes << 10)
}
