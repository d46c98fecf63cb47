//! Replays forced tokens through a decoder, all branches in one batch.

use super::super::test_device::assert_same;
use candle_core::Tensor;
use softcfg_studio::compute::error::ModelError;
use softcfg_studio::compute::kv_cache::KvCache;
use softcfg_studio::compute::rows::{Logits, Perturbation, Prefix, Row, RowInput};
use softcfg_studio::guidance::Perturb;
use softcfg_studio::models::decoder::{Decoder, DecoderInfo, prefill};
use softcfg_studio::prompts::condition::{Condition, Prefixes};
use std::sync::Mutex;

/// One branch of a step.
pub struct Branch<'a> {
    pub cache: usize,
    pub append: bool,
    pub weights: Option<(&'a [f32], Perturb)>,
}

impl Branch<'_> {
    /// A branch that owns its cache and is not perturbed.
    pub fn clean(cache: usize) -> Self {
        Self { cache, append: true, weights: None }
    }
}

/// Sequences under several prefixes that are fed the same tokens.
pub struct Replay<'d> {
    decoder: &'d dyn Decoder,
    tokens: Vec<u32>,
    pub caches: Vec<KvCache>,
    first: Vec<Vec<f32>>,
}

impl<'d> Replay<'d> {
    /// Feeds the prefixes.
    pub fn new(decoder: &'d dyn Decoder, prefixes: Vec<Prefix>, tokens: &[u32]) -> Self {
        let mut caches: Vec<KvCache> = prefixes
            .into_iter()
            .map(|prefix| decoder.new_cache(prefix, tokens.len()).unwrap())
            .collect();
        let first = (0..caches.len())
            .map(|cache| prefill(decoder, &mut caches, cache).unwrap().row(0).to_vec())
            .collect();
        Self { decoder, tokens: tokens.to_vec(), caches, first }
    }

    /// Number of tokens.
    pub fn steps(&self) -> usize {
        self.tokens.len()
    }

    /// Logits of each branch at a step; steps come in order from 0.
    pub fn step(&mut self, step: usize, branches: &[Branch<'_>]) -> Vec<Vec<f32>> {
        let Some(index) = step.checked_sub(1) else {
            return branches.iter().map(|branch| self.first[branch.cache].clone()).collect();
        };
        let rows: Vec<Row> = branches
            .iter()
            .map(|branch| Row {
                cache: branch.cache,
                input: RowInput::Image { index, token: self.tokens[index] },
                append: branch.append,
                perturbation: branch.weights.map(|(weights, on)| Perturbation { weights, on }),
                logits: true,
            })
            .collect();
        let logits = self.decoder.forward(&rows, &mut self.caches).unwrap();
        assert_eq!(logits.width, self.decoder.info().codebook_size, "all logits are codes");
        (0..rows.len()).map(|row| logits.row(row).to_vec()).collect()
    }
}

/// The signature of a family's `forward_observed`.
pub type ForwardObserved<D> =
    fn(&D, &[Row<'_>], &mut [KvCache], &mut dyn FnMut(&Tensor)) -> Result<Logits, ModelError>;

/// A decoder that keeps what its passes show.
pub struct Observed<'d, D> {
    decoder: &'d D,
    forward: ForwardObserved<D>,
    seen: Mutex<Vec<Vec<Vec<f32>>>>,
}

impl<'d, D: Decoder> Observed<'d, D> {
    pub fn new(decoder: &'d D, forward: ForwardObserved<D>) -> Self {
        Self { decoder, forward, seen: Mutex::default() }
    }

    /// Everything shown since the last call: one entry a row, in the order fed, each with what was
    /// shown of it.
    pub fn take(&self) -> Vec<Vec<Vec<f32>>> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl<D: Decoder> Decoder for Observed<'_, D> {
    fn info(&self) -> &DecoderInfo {
        self.decoder.info()
    }

    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        self.decoder.prefixes(condition)
    }

    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        self.decoder.new_cache(prefix, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        let mut shown: Vec<Vec<Vec<f32>>> = vec![Vec::new(); rows.len()];
        let logits = (self.forward)(self.decoder, rows, caches, &mut |tensor| {
            let values = tensor.to_vec2::<f32>().unwrap();
            shown.iter_mut().zip(values).for_each(|(row, values)| row.push(values));
        })?;
        self.seen.lock().unwrap().extend(shown);
        Ok(logits)
    }
}

/// Both prefixes of a class.
pub fn class_prefixes(decoder: &dyn Decoder, class: u32) -> (Prefix, Prefix) {
    let prefixes = decoder.prefixes(&Condition::Class(class)).unwrap();
    (prefixes.conditional, prefixes.unconditional)
}

/// A row gives the same numbers alone and beside another sequence, and what does not fit is refused.
pub fn check_rows(decoder: &dyn Decoder, prefixes: (Prefix, Prefix), tokens: &[u32], most: usize) {
    let (cond, uncond) = prefixes;
    let few = &tokens[..tokens.len().min(8)];
    let mut together = Replay::new(decoder, vec![cond.clone(), uncond], few);
    let mut alone = Replay::new(decoder, vec![cond.clone()], few);
    for step in 0..few.len() {
        let both = together.step(step, &[Branch::clean(1), Branch::clean(0)]);
        let alone = &alone.step(step, &[Branch::clean(0)])[0];
        assert_same(&both[1], alone, &format!("step {step}"));
    }
    assert!(decoder.new_cache(cond.clone(), most).is_ok());
    assert!(decoder.new_cache(cond, most + 1).is_err());
    let code = |token| Row {
        cache: 0,
        input: RowInput::Image { index: few.len() - 1, token },
        append: true,
        perturbation: None,
        logits: false,
    };
    let beyond = decoder.info().codebook_size as u32;
    assert!(decoder.forward(&[code(beyond)], &mut alone.caches).is_err());
    let silent = decoder.forward(&[code(0)], &mut alone.caches).unwrap();
    assert!(silent.values.is_empty());
    let length = alone.caches[0].length();
    assert!(decoder.forward(&[code(0)], &mut alone.caches).is_err(), "the cache is full");
    assert_eq!(alone.caches[0].length(), length);
}
