//! Decoding as a value: all lanes of a run at some step, their caches, and what the next step needs.
//! One forward pass per step for all rows of all lanes. Knows no threads and no record; whoever holds
//! it decides when a step is made, taken back, or tried otherwise.
//!
//! Caches only ever grow at their ends, so going back is forgetting their last positions: the next step
//! feeds the newest token that is left once more. Rows do not depend on each other, so that gives the
//! same logits, bit for bit.

use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::layout::StepKind;
use crate::compute::rows::{MAX_ROWS, Prefix, Row};
use crate::engine::error::EngineError;
use crate::engine::lane::{BranchLogits, CacheRoles, Lane, LaneCaches};
use crate::engine::settings::RunSpec;
use crate::engine::trace::StepRecord;
use crate::models::card::Model;
use crate::models::decoder::{Decoder, prefill};
use crate::prompts::condition::Condition;
use std::ops::Deref;
use std::sync::Arc;

/// Lanes being decoded with a model, which is borrowed or shared.
pub struct Decoding<M> {
    model: M,
    lanes: Vec<Lane>,
    caches: Vec<KvCache>,
    /// Logits of step 0 per row, after the prefixes, whole width.
    begun: Vec<Arc<[f32]>>,
    /// Logits of the newest pass per row, lane by lane in the order of [`Lane::rows`].
    logits: Vec<Vec<f32>>,
    /// Steps done.
    position: usize,
}

impl<M: Deref<Target = Model>> Decoding<M> {
    /// Feeds the prefixes of all lanes, each that differs once, and stands before step 0.
    ///
    /// # Errors
    /// A condition that the model cannot draw, or no memory for the caches.
    pub fn start(model: M, spec: &RunSpec) -> Result<Self, EngineError> {
        let steps = model.card.layout.len();
        // The last token of an image is never fed.
        let mut prefixes = Prefilled::new(model.decoder.as_ref(), steps.saturating_sub(1));
        let (mut lanes, mut caches, mut begun) = (Vec::new(), Vec::<KvCache>::new(), Vec::new());
        for lane in &spec.lanes {
            let roles = CacheRoles::of(lane);
            let condition = &lane.settings.condition;
            let mut add = |prefix: &PrefilledPrefix| -> Result<usize, EngineError> {
                caches.push(prefix.cache.copy()?);
                Ok(caches.len() - 1)
            };
            let first = prefixes.conditional(condition)?;
            begun.push(first.logits.clone());
            let conditional = add(first)?;
            let (mut weak, mut clean, mut weak_logits) = (None, None, None);
            if roles.weak {
                let prefix = prefixes.unconditional(condition)?;
                weak = Some(add(prefix)?);
                clean = roles.clean.then(|| add(prefix)).transpose()?;
                weak_logits = Some(prefix.logits.clone());
            }
            let lane = Lane::new(lane, LaneCaches { conditional, weak, clean }, steps);
            // Before the first image token nothing is perturbed: clean and weak agree.
            begun.extend(weak_logits.iter().cycle().take(lane.row_count() - 1).cloned());
            lanes.push(lane);
        }
        let logits = begun.iter().map(|_| Vec::new()).collect();
        Ok(Self { model, lanes, caches, begun, logits, position: 0 })
    }

    /// Steps done; the next is step `position`, from 0.
    pub fn position(&self) -> usize {
        self.position
    }

    /// T, the number of steps of a whole image.
    pub fn steps(&self) -> usize {
        self.model.card.layout.len()
    }

    /// The tokens of a lane so far, forced ones included; none if there is no such lane.
    pub fn tokens(&self, lane: usize) -> &[u32] {
        self.lanes.get(lane).map_or(&[], Lane::tokens)
    }

    /// Makes the next step of all lanes and returns their records, in the order of the lanes; `None`
    /// when the image is whole.
    ///
    /// # Errors
    /// The model refuses, or logits are not finite. The decoding stands where it stood.
    pub fn step(&mut self) -> Result<Option<Vec<StepRecord>>, EngineError> {
        let Some(&kind) = self.model.card.layout.steps().get(self.position) else {
            return Ok(None);
        };
        let outcome = self.feed().and_then(|()| self.draw(kind));
        match &outcome {
            Ok(_) => self.position += 1,
            Err(_) => self.rewind(self.position),
        }
        outcome.map(Some)
    }

    /// Goes back to stand before `step`, as if the later ones had never been made. Does nothing where
    /// `step` has not been reached.
    pub fn rewind(&mut self, step: usize) {
        self.position = self.position.min(step);
        let kinds = self.model.card.layout.steps();
        self.lanes.iter_mut().for_each(|lane| lane.truncate(self.position, kinds));
        let fed = self.fed();
        self.caches.iter_mut().for_each(|cache| cache.truncate(fed));
    }

    /// Another decoding that stands before `step`, or where this one stands if that is earlier. The two
    /// share the model and nothing that changes.
    ///
    /// # Errors
    /// No memory for the caches.
    pub fn fork(&self, step: usize) -> Result<Self, EngineError>
    where
        M: Clone,
    {
        let fed = step.min(self.position).saturating_sub(1);
        let copies = self.caches.iter().map(|cache| cache.copy_first(fed));
        let mut fork = Self {
            model: self.model.clone(),
            lanes: self.lanes.clone(),
            caches: copies.collect::<Result<_, ModelError>>()?,
            begun: self.begun.clone(),
            logits: self.logits.iter().map(|_| Vec::new()).collect(),
            position: self.position,
        };
        fork.rewind(step);
        Ok(fork)
    }

    /// Image tokens in the caches before the next step feeds the newest one.
    fn fed(&self) -> usize {
        self.position.saturating_sub(1)
    }

    /// Feeds every lane's newest token to all its branches. One pass unless the rows are more than
    /// a pass takes; then in equal parts. Before step 0 there is nothing to feed.
    fn feed(&mut self) -> Result<(), EngineError> {
        if self.position == 0 {
            for (row, begun) in self.logits.iter_mut().zip(&self.begun) {
                row.clear();
                row.extend_from_slice(begun);
            }
            return Ok(());
        }
        self.lanes.iter_mut().for_each(Lane::update_weights);
        let rows: Vec<Row> = self.lanes.iter().flat_map(Lane::rows).collect();
        let passes = rows.len().div_ceil(MAX_ROWS).max(1);
        let mut next = self.logits.iter_mut();
        for part in rows.chunks(rows.len().div_ceil(passes).max(1)) {
            let logits = self.model.decoder.forward(part, &mut self.caches)?;
            for (index, row) in next.by_ref().take(part.len()).enumerate() {
                row.clear();
                row.extend_from_slice(logits.row(index));
            }
        }
        Ok(())
    }

    fn draw(&mut self, kind: StepKind) -> Result<Vec<StepRecord>, EngineError> {
        let at = (self.position, self.steps());
        let mut records = Vec::with_capacity(self.lanes.len());
        let mut first = 0;
        for lane in &mut self.lanes {
            let count = lane.row_count();
            let rows = self.logits.get(first..first + count).unwrap_or(&[]);
            let branches: BranchLogits = lane.branches(rows.iter().map(Vec::as_slice));
            records.push(lane.draw(at, kind, branches)?);
            first += count;
        }
        Ok(records)
    }
}

/// Prefixes that were fed, each that differs once.
struct Prefilled<'a> {
    decoder: &'a dyn Decoder,
    image_tokens: usize,
    conditions: Vec<PrefilledCondition>,
    prefixes: Vec<PrefilledPrefix>,
}

/// Prefixes of a condition, those that were fed as indices into the list.
struct PrefilledCondition {
    condition: Condition,
    conditional: usize,
    unconditional: Prefix,
}

struct PrefilledPrefix {
    prefix: Prefix,
    cache: KvCache,
    /// Logits of step 0.
    logits: Arc<[f32]>,
}

impl<'a> Prefilled<'a> {
    fn new(decoder: &'a dyn Decoder, image_tokens: usize) -> Self {
        Self { decoder, image_tokens, conditions: Vec::new(), prefixes: Vec::new() }
    }

    fn condition(&mut self, condition: &Condition) -> Result<&PrefilledCondition, EngineError> {
        let known = self.conditions.iter().position(|known| known.condition == *condition);
        let index = match known {
            Some(index) => index,
            None => {
                let prefixes = self.decoder.prefixes(condition)?;
                let conditional = self.feed(prefixes.conditional)?;
                self.conditions.push(PrefilledCondition {
                    condition: condition.clone(),
                    conditional,
                    unconditional: prefixes.unconditional,
                });
                self.conditions.len() - 1
            }
        };
        Ok(self.conditions.get(index).ok_or(ModelError::Internal("a condition was lost"))?)
    }

    fn conditional(&mut self, condition: &Condition) -> Result<&PrefilledPrefix, EngineError> {
        let index = self.condition(condition)?.conditional;
        self.prefix(index)
    }

    fn unconditional(&mut self, condition: &Condition) -> Result<&PrefilledPrefix, EngineError> {
        let prefix = self.condition(condition)?.unconditional.clone();
        let index = self.feed(prefix)?;
        self.prefix(index)
    }

    fn prefix(&self, index: usize) -> Result<&PrefilledPrefix, EngineError> {
        Ok(self.prefixes.get(index).ok_or(ModelError::Internal("a prefix was lost"))?)
    }

    /// Index of the prefix, which is fed unless it was.
    fn feed(&mut self, prefix: Prefix) -> Result<usize, EngineError> {
        if let Some(index) = self.prefixes.iter().position(|fed| fed.prefix.is_same(&prefix)) {
            return Ok(index);
        }
        let mut caches = vec![self.decoder.new_cache(prefix.clone(), self.image_tokens)?];
        let logits = prefill(self.decoder, &mut caches, 0)?;
        let cache = caches.pop().ok_or(ModelError::Internal("prefill lost its cache"))?;
        let logits: Arc<[f32]> = logits.row(0).into();
        self.prefixes.push(PrefilledPrefix { prefix, cache, logits });
        Ok(self.prefixes.len() - 1)
    }
}
