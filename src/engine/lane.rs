//! One lane while it decodes: which rows it feeds, how its branches' logits become a token, and the
//! record of that step (design.md section 2; Alg. 1 of the paper).

use crate::compute::layout::StepKind;
use crate::compute::rows::{Perturbation, Row, RowInput};
use crate::engine::decode::EngineError;
use crate::engine::settings::{LaneKind, RunSpec};
use crate::engine::trace::{StepRecord, TOP_COUNT, TopTokens};
use crate::guidance::combination::linear::combine;
use crate::guidance::confidence::{ConfidenceInputs, confidence};
use crate::guidance::delta::{deltas, distance};
use crate::guidance::entropy::Distribution;
use crate::guidance::weights::{WeightRule, budgets, perturbation_weights};
use crate::guidance::{CacheRule, Perturb};
use crate::sampling::Sampler;
use crate::sampling::repetition::RepetitionPenalty;

/// Caches of one lane, as indices into the run's list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneCaches {
    /// Conditional branch.
    pub conditional: usize,
    /// The unconditional branch that guides, and under the rule *exact* the clean one too.
    pub unconditional: Option<usize>,
    /// A clean unconditional branch of its own, to measure Δctx under the rule *two-pass*.
    pub clean: Option<usize>,
}

/// Logits of a lane's branches at one step, over the codes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BranchLogits<'a> {
    /// z_c.
    pub conditional: &'a [f32],
    /// z_u of a clean branch, where one runs.
    pub clean: Option<&'a [f32]>,
    /// The branch that guides: z_ũ in SoftCFG lanes, z_u under CFG.
    pub guiding: Option<&'a [f32]>,
}

/// A lane being decoded.
pub(crate) struct Lane {
    kind: LaneKind,
    caches: LaneCaches,
    rule: WeightRule,
    perturb: Perturb,
    exact: bool,
    sampler: Sampler,
    penalty: RepetitionPenalty,
    tokens: Vec<u32>,
    confidences: Vec<f32>,
    perturbed: Vec<bool>,
    weights: Vec<f32>,
    guided: Vec<f32>,
    distribution: Distribution,
}

impl Lane {
    pub(crate) fn new(kind: LaneKind, caches: LaneCaches, spec: &RunSpec) -> Self {
        Self {
            kind,
            caches,
            rule: spec.weight_rule(kind),
            perturb: spec.settings.perturb,
            exact: spec.settings.cache_rule == CacheRule::Exact,
            sampler: Sampler::new(spec.settings.sampling),
            penalty: RepetitionPenalty::new(spec.settings.repetition_penalty),
            tokens: Vec::with_capacity(spec.steps),
            confidences: Vec::with_capacity(spec.steps),
            perturbed: Vec::with_capacity(spec.steps),
            weights: Vec::with_capacity(spec.steps),
            guided: Vec::new(),
            distribution: Distribution::default(),
        }
    }

    /// The caches this lane needs: how many unconditional ones, in which role.
    pub(crate) fn wants(kind: LaneKind, spec: &RunSpec) -> (bool, bool) {
        let two_pass = spec.settings.cache_rule == CacheRule::TwoPass;
        let unconditional = kind != LaneKind::None;
        (unconditional, kind.is_soft() && two_pass && spec.settings.delta_context)
    }

    /// Number of rows [`Lane::rows`] gives at every step.
    pub(crate) fn row_count(&self) -> usize {
        1 + usize::from(self.caches.unconditional.is_some()) + usize::from(self.has_clean_row())
    }

    fn has_clean_row(&self) -> bool {
        self.kind.is_soft() && (self.exact || self.caches.clean.is_some())
    }

    /// Recomputes the weights of all tokens drawn so far, before they are fed (Eq. 9).
    pub(crate) fn update_weights(&mut self) {
        if self.kind.is_soft() {
            perturbation_weights(self.rule, &self.confidences, &self.perturbed, &mut self.weights);
        }
    }

    /// Feeds the newest token to every branch: conditional, clean (if there is one), guiding.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let newest = self.tokens.last().map(|&token| (self.tokens.len() - 1, token));
        newest.into_iter().flat_map(move |(index, token)| {
            let row = move |cache, append, perturbation| Row {
                cache,
                input: RowInput::Image { index, token },
                append,
                perturbation,
                logits: true,
            };
            let perturbation = self
                .kind
                .is_soft()
                .then_some(Perturbation { weights: &self.weights, on: self.perturb });
            let clean = if self.kind.is_soft() && self.exact {
                self.caches.unconditional
            } else {
                self.caches.clean
            };
            let guiding_appends = !(self.kind.is_soft() && self.exact);
            std::iter::once(row(self.caches.conditional, true, None))
                .chain(clean.map(|cache| row(cache, true, None)))
                .chain(
                    self.caches
                        .unconditional
                        .map(|cache| row(cache, guiding_appends, perturbation)),
                )
        })
    }

    /// Splits the logits of this lane's rows, in the order of [`Lane::rows`].
    pub(crate) fn branches<'a>(
        &self,
        mut rows: impl Iterator<Item = &'a [f32]>,
    ) -> BranchLogits<'a> {
        let conditional = rows.next().unwrap_or(&[]);
        let clean_row = if self.has_clean_row() { rows.next() } else { None };
        let guiding = rows.next();
        let clean = if self.kind.is_soft() { clean_row } else { guiding };
        BranchLogits { conditional, clean, guiding }
    }

    /// Guides, samples, and records one step.
    ///
    /// # Errors
    /// Logits that are not finite.
    pub(crate) fn draw(
        &mut self,
        step: usize,
        kind: StepKind,
        logits: BranchLogits<'_>,
        spec: &RunSpec,
    ) -> Result<StepRecord, EngineError> {
        let settings = &spec.settings;
        let scale = match logits.guiding {
            Some(_) => spec.guidance_scale_at(step),
            None => 1.0,
        };
        if let StepKind::RowEnd { token, .. } = kind {
            return Ok(self.force(step, token, scale, settings.perturb_row_ends));
        }
        let not_finite = |lane: LaneKind| EngineError::NotFinite { step, lane };
        let all = [Some(logits.conditional), logits.clean, logits.guiding];
        if all.iter().flatten().any(|row| row.is_empty() || !row.iter().all(|x| x.is_finite())) {
            return Err(not_finite(self.kind));
        }
        let penalized = self.penalty.apply(logits.conditional);
        // Without a second branch the scale is 1: the conditional branch itself.
        combine(penalized, logits.guiding.unwrap_or(penalized), scale, &mut self.guided);
        let sampled = self.sampler.sample(&self.guided, step).map_err(|_| not_finite(self.kind))?;
        let measured = confidence(
            settings.confidence,
            &ConfidenceInputs {
                conditional: logits.conditional,
                unconditional: logits.clean_owner(self.exact).unwrap_or(logits.conditional),
                guided: &self.guided,
                token: sampled.token as usize,
                temperature: spec.confidence_temperature(),
            },
        );
        let spent = budgets(self.rule, &self.confidences, &self.perturbed);
        let distribution = &mut self.distribution;
        let conditional = Summary::of(logits.conditional, distribution);
        let unconditional = logits.guiding.map(|guiding| Summary::of(guiding, distribution));
        let guided = Summary::of(&self.guided, distribution);
        let measured_deltas = match (logits.clean, logits.guiding) {
            (Some(clean), Some(guiding)) => Some(deltas(logits.conditional, clean, guiding)),
            _ => None,
        };
        let soft = self.kind.is_soft();
        let record = StepRecord {
            step,
            token: sampled.token,
            forced: false,
            confidence: measured,
            sampled_probability: sampled.probability,
            entropy_conditional: conditional.entropy,
            entropy_unconditional: unconditional.as_ref().map(|summary| summary.entropy),
            entropy_guided: guided.entropy,
            scale,
            guiding_delta: logits.guiding.map(|guiding| distance(logits.conditional, guiding)),
            delta: measured_deltas.map(|d| d.delta),
            delta_context: measured_deltas.filter(|_| soft).map(|d| d.delta_context),
            delta_cosine: measured_deltas.filter(|_| soft).map(|d| d.cosine),
            budget: spent.raw,
            budget_normalized: spent.normalized,
            top_conditional: conditional.top,
            top_unconditional: unconditional.map(|summary| summary.top).unwrap_or_default(),
            top_guided: guided.top,
        };
        self.push(sampled.token, measured, true);
        self.penalty.note(sampled.token);
        Ok(record)
    }

    fn force(&mut self, step: usize, token: u32, scale: f32, perturbed: bool) -> StepRecord {
        let spent = budgets(self.rule, &self.confidences, &self.perturbed);
        self.push(token, 1.0, perturbed);
        StepRecord {
            step,
            token,
            forced: true,
            confidence: 1.0,
            sampled_probability: 1.0,
            entropy_conditional: 0.0,
            entropy_unconditional: None,
            entropy_guided: 0.0,
            scale,
            guiding_delta: None,
            delta: None,
            delta_context: None,
            delta_cosine: None,
            budget: spent.raw,
            budget_normalized: spent.normalized,
            top_conditional: TopTokens::default(),
            top_unconditional: TopTokens::default(),
            top_guided: TopTokens::default(),
        }
    }

    fn push(&mut self, token: u32, confidence: f32, perturbed: bool) {
        self.tokens.push(token);
        self.confidences.push(confidence);
        self.perturbed.push(perturbed);
    }
}

impl<'a> BranchLogits<'a> {
    /// The unconditional branch whose confidence counts: the one that owns the cache.
    fn clean_owner(&self, exact: bool) -> Option<&'a [f32]> {
        if exact { self.clean.or(self.guiding) } else { self.guiding }
    }
}

/// Entropy and top of one distribution.
struct Summary {
    entropy: f32,
    top: TopTokens,
}

impl Summary {
    /// `distribution` is memory to measure in.
    fn of(logits: &[f32], distribution: &mut Distribution) -> Self {
        distribution.measure(logits, 1.0);
        let top = top_tokens(distribution.probabilities());
        Self { entropy: distribution.normalized_entropy(), top }
    }
}

/// The most probable codes, by insertion into a list of eight: one comparison for most codes.
fn top_tokens(probabilities: impl Iterator<Item = f32>) -> TopTokens {
    let mut top = TopTokens::default();
    for (id, probability) in probabilities.enumerate() {
        let full = top.count == TOP_COUNT;
        if full && probability <= top.probabilities[TOP_COUNT - 1] {
            continue;
        }
        let place = top.probabilities[..top.count].partition_point(|&p| p >= probability);
        top.count = (top.count + 1).min(TOP_COUNT);
        top.ids[place..top.count].rotate_right(1);
        top.probabilities[place..top.count].rotate_right(1);
        top.ids[place] = id as u32;
        top.probabilities[place] = probability;
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_tokens_are_sorted_and_complete() {
        let probabilities: Vec<f32> = (0..50).map(|i| ((i * 37) % 50) as f32 / 50.0).collect();
        let top = top_tokens(probabilities.iter().copied());
        let found: Vec<f32> = top.entries().map(|(_, p)| p).collect();
        let mut expected = probabilities.clone();
        expected.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(found, expected[..TOP_COUNT]);
        assert!(top.entries().all(|(id, p)| probabilities[id as usize] == p));
        assert_eq!(top_tokens([0.25, 0.75].into_iter()).count, 2);
    }
}
