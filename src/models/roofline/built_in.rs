//! The built-in model itself: all image tokens of a run, over and over, with the rows of one lane,
//! of two, and of two with the context difference measured.

use crate::models::builtin;
use crate::models::card::Conditions;
use crate::models::decoder::{Condition, Decoder, Perturbation, Row, RowInput, prefill};
use crate::models::error::ModelError;
use crate::models::kv_cache::KvCache;
use crate::models::roofline::report::Report;
use crate::models::roofline::subject::{Steps, Subject, interleave, median, ratio};
use crate::models::roofline::{BUILT_IN_TIME, BenchOptions};

/// What a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Branch {
    Conditional,
    Unconditional,
    Perturbed,
}

use Branch::{Conditional, Perturbed, Unconditional};

/// Rows of what is compared, in the order in which the engine feeds them.
const VARIANTS: [(&str, &str, &[Branch]); 5] = [
    ("built-in, no guidance", "builtin_ms_1_row", &[Conditional]),
    (CFG, "builtin_ms_2_rows", &[Conditional, Unconditional]),
    (SOFTCFG, "builtin_ms_2_rows_softcfg", &[Conditional, Perturbed]),
    (PAIR, "builtin_ms_4_rows", &[Conditional, Unconditional, Conditional, Perturbed]),
    (
        "built-in, pair with Δctx",
        "builtin_ms_5_rows",
        &[Conditional, Unconditional, Conditional, Perturbed, Unconditional],
    ),
];
const CFG: &str = "built-in, CFG";
const SOFTCFG: &str = "built-in, SoftCFG";
const PAIR: &str = "built-in, CFG and SoftCFG";

/// Steps of all variants for one round of the larger decoders: they are short.
const STEPS_PER_ROUND: usize = 20;

/// Feeds image tokens one after the other, and starts again when the image is whole.
struct BuiltInSteps<'a> {
    decoder: &'a dyn Decoder,
    branches: &'static [Branch],
    caches: Vec<KvCache>,
    /// One for every image token.
    weights: Vec<f32>,
    index: usize,
}

impl<'a> BuiltInSteps<'a> {
    /// `prefilled` holds the caches of the conditional and the unconditional branch.
    fn new(
        decoder: &'a dyn Decoder,
        branches: &'static [Branch],
        prefilled: &[KvCache; 2],
        image_tokens: usize,
    ) -> Result<Self, ModelError> {
        let [conditional, unconditional] = prefilled;
        let cache = |&branch: &Branch| match branch {
            Conditional => conditional.copy(),
            Unconditional | Perturbed => unconditional.copy(),
        };
        let caches = branches.iter().map(cache).collect::<Result<_, _>>()?;
        let weights = (0..image_tokens).map(|i| 0.5 + (i % 7) as f32 / 16.0).collect();
        Ok(Self { decoder, branches, caches, weights, index: 0 })
    }
}

impl Steps for BuiltInSteps<'_> {
    fn rows(&self) -> usize {
        self.branches.len()
    }

    fn weight_bytes(&self) -> u64 {
        self.decoder.info().step_weight_bytes
    }

    fn cache_bytes(&self) -> u64 {
        let filled = |cache: &KvCache| {
            cache.bytes() * cache.length() as u64 / cache.capacity().max(1) as u64
        };
        self.caches.iter().map(filled).sum()
    }

    fn prepare(&mut self) {
        if self.index == self.weights.len() {
            self.caches.iter_mut().for_each(KvCache::rewind);
            self.index = 0;
        }
    }

    fn step(&mut self) -> Result<(), ModelError> {
        let index = self.index;
        let codes = self.decoder.info().codebook_size.max(1);
        let input = RowInput::Image { index, token: (index * 37 % codes) as u32 };
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
        std::hint::black_box(self.decoder.forward(&rows, &mut self.caches)?);
        self.index += 1;
        Ok(())
    }
}

/// The built-in model at 1, 2, 4 and 5 rows, SoftCFG against CFG, and a pair against one lane.
pub(super) fn measure_built_in(
    options: &BenchOptions,
    report: &mut Report,
) -> Result<(), ModelError> {
    let model = builtin::load()?;
    let decoder = model.decoder.as_ref();
    let text = match &model.card.conditions {
        Conditions::Prompts(book) => book.random_prompt(0),
        Conditions::Classes(_) => None,
    };
    let text = text.ok_or(ModelError::Internal("the built-in model has no prompts"))?;
    let prefixes = decoder.prefixes(&Condition::Prompt { text, negative: None })?;
    // The last token of an image is never fed.
    let image_tokens = model.card.layout.len().saturating_sub(1);
    let mut prefilled = [
        decoder.new_cache(prefixes.conditional, image_tokens)?,
        decoder.new_cache(prefixes.unconditional, image_tokens)?,
    ];
    for cache in 0..prefilled.len() {
        prefill(decoder, &mut prefilled, cache)?;
    }
    let mut subjects = Vec::new();
    for (name, _, branches) in VARIANTS {
        let steps = BuiltInSteps::new(decoder, branches, &prefilled, image_tokens)?;
        subjects.push(Subject::new(name, builtin::PRECISION.into(), steps));
    }
    // Small enough for the last-level cache, where a person's run keeps it too: no roof of memory.
    interleave(options.rounds * STEPS_PER_ROUND, BUILT_IN_TIME, &mut subjects, None)?;
    for (subject, (_, key, _)) in subjects.iter().zip(VARIANTS) {
        report.figures.insert(key, median(&subject.times));
    }
    report.measurements.extend(subjects.iter().map(|subject| subject.measurement(false)));
    let find = |name| {
        let found = subjects.iter().find(|subject| subject.name == name);
        found.ok_or(ModelError::Internal("the bench lost a variant"))
    };
    report.figures.insert("builtin_softcfg_to_cfg", ratio(find(SOFTCFG)?, find(CFG)?));
    report.figures.insert("builtin_paired_to_single", ratio(find(PAIR)?, find(CFG)?));
    Ok(())
}
