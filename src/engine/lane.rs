//! One lane while it decodes: which rows it feeds, how its branches' logits become a token, and the
//! record of that step (Alg. 1 of arXiv 2510.00996).

use crate::compute::layout::StepKind;
use crate::compute::rows::{Perturbation, Row, RowInput};
use crate::engine::error::EngineError;
use crate::engine::settings::{LaneSettings, LaneSpec, SettingKey};
use crate::engine::trace::{StepRecord, TOP_COUNT, TopTokens};
use crate::guidance::CacheRule;
use crate::guidance::confidence::{ConfidenceInputs, confidence};
use crate::guidance::delta::{deltas, distance};
use crate::guidance::entropy::Distribution;
use crate::guidance::weights::{WeightRule, budgets, perturbation_weights};
use crate::sampling::Sampler;
use crate::sampling::repetition::RepetitionPenalty;

/// Caches of one lane, as indices into the list of all lanes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneCaches {
    /// Conditional branch.
    pub conditional: usize,
    /// The weak branch, and under the rule *exact* the clean unconditional one, which owns it.
    pub weak: Option<usize>,
    /// A clean unconditional branch of its own, to measure Δctx under the rule *two-pass*.
    pub clean: Option<usize>,
}

/// Which caches beside the conditional one a lane needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CacheRoles {
    /// See [`LaneCaches::weak`].
    pub weak: bool,
    /// See [`LaneCaches::clean`].
    pub clean: bool,
}

impl CacheRoles {
    /// The roles of a lane's branches.
    pub(crate) fn of(spec: &LaneSpec) -> Self {
        let LaneSettings { guidance, delta_context, .. } = &spec.settings;
        Self {
            weak: guidance.is_guided(),
            clean: guidance.is_perturbed() && *delta_context && !is_owned_by_clean(spec),
        }
    }
}

/// Whether a clean branch owns the cache that the perturbed one reads.
fn is_owned_by_clean(spec: &LaneSpec) -> bool {
    let guidance = &spec.settings.guidance;
    guidance.is_perturbed() && guidance.perturbation.cache_rule == CacheRule::Exact
}

/// Logits of a lane's branches at one step, over the codes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BranchLogits<'a> {
    /// z_c.
    pub conditional: &'a [f32],
    /// z_u of a clean branch, where one runs.
    pub clean: Option<&'a [f32]>,
    /// The weak branch: z_ũ in SoftCFG lanes, z_u under CFG.
    pub weak: Option<&'a [f32]>,
}

/// A lane being decoded: what it is, and what it has drawn.
#[derive(Clone)]
pub(crate) struct Lane {
    spec: LaneSpec,
    caches: LaneCaches,
    weight_rule: WeightRule,
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
    /// A lane that has drawn nothing, with room for `steps` tokens.
    pub(crate) fn new(spec: &LaneSpec, caches: LaneCaches, steps: usize) -> Self {
        let settings = &spec.settings;
        Self {
            caches,
            weight_rule: settings.guidance.perturbation.weight_rule(),
            sampler: Sampler::new(settings.sampling),
            penalty: RepetitionPenalty::new(settings.repetition_penalty),
            tokens: Vec::with_capacity(steps),
            confidences: Vec::with_capacity(steps),
            perturbed: Vec::with_capacity(steps),
            weights: Vec::with_capacity(steps),
            guided: Vec::new(),
            distribution: Distribution::default(),
            spec: spec.clone(),
        }
    }

    /// What has been drawn so far, forced tokens included.
    pub(crate) fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Forgets all tokens but the first `count`; `kinds` are those of all steps.
    pub(crate) fn truncate(&mut self, count: usize, kinds: &[StepKind]) {
        for (token, kind) in
            self.tokens.drain(count.min(self.tokens.len())..).zip(kinds.iter().skip(count))
        {
            if !matches!(kind, StepKind::RowEnd { .. }) {
                self.penalty.forget(token);
            }
        }
        self.confidences.truncate(count);
        self.perturbed.truncate(count);
    }

    fn is_perturbed(&self) -> bool {
        self.spec.settings.guidance.is_perturbed()
    }

    fn cache_is_owned_by_clean(&self) -> bool {
        is_owned_by_clean(&self.spec)
    }

    /// Number of rows [`Lane::rows`] gives at every step.
    pub(crate) fn row_count(&self) -> usize {
        1 + usize::from(self.caches.weak.is_some()) + usize::from(self.has_clean_row())
    }

    fn has_clean_row(&self) -> bool {
        self.cache_is_owned_by_clean() || self.caches.clean.is_some()
    }

    /// Recomputes the weights of all tokens drawn so far, before they are fed (Eq. 9).
    pub(crate) fn update_weights(&mut self) {
        if self.is_perturbed() {
            let Self { weight_rule, confidences, perturbed, weights, .. } = self;
            perturbation_weights(*weight_rule, confidences, perturbed, weights);
        }
    }

    /// Feeds the newest token to every branch: conditional, clean (if there is one), weak.
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
            let on = self.spec.settings.guidance.perturbation.perturb;
            let perturbation =
                self.is_perturbed().then_some(Perturbation { weights: &self.weights, on });
            let owned = self.cache_is_owned_by_clean();
            let clean = if owned { self.caches.weak } else { self.caches.clean };
            std::iter::once(row(self.caches.conditional, true, None))
                .chain(clean.map(|cache| row(cache, true, None)))
                .chain(self.caches.weak.map(|cache| row(cache, !owned, perturbation)))
        })
    }

    /// Splits the logits of this lane's rows, in the order of [`Lane::rows`].
    pub(crate) fn branches<'a>(
        &self,
        mut rows: impl Iterator<Item = &'a [f32]>,
    ) -> BranchLogits<'a> {
        let conditional = rows.next().unwrap_or(&[]);
        let clean_row = if self.has_clean_row() { rows.next() } else { None };
        let weak = rows.next();
        let clean = if self.is_perturbed() { clean_row } else { weak };
        BranchLogits { conditional, clean, weak }
    }

    /// Guides, samples, and records step `step` of `steps`.
    ///
    /// # Errors
    /// Logits that are not finite, or at the first step all the same.
    pub(crate) fn draw(
        &mut self,
        (step, steps): (usize, usize),
        kind: StepKind,
        logits: BranchLogits<'_>,
    ) -> Result<StepRecord, EngineError> {
        let scale = self.spec.guidance_scale_at(step, steps);
        if let StepKind::RowEnd { token, .. } = kind {
            return Ok(self.force(step, token, scale));
        }
        let not_finite = || EngineError::NotFinite { step, lane: self.spec.name.clone() };
        let all = [Some(logits.conditional), logits.clean, logits.weak];
        if all.iter().flatten().any(|row| !is_usable(row)) {
            return Err(not_finite());
        }
        // Later steps are the same kind of product; the first is enough.
        if step == 0 && is_constant(logits.conditional) {
            return Err(EngineError::Constant { step, lane: self.spec.name.clone() });
        }
        let overflow = |key: SettingKey, value: f32| EngineError::Overflow {
            setting: key.setting().noun,
            value,
            step,
            lane: self.spec.name.clone(),
        };
        let LaneSettings { guidance, sampling, repetition_penalty, .. } = &self.spec.settings;
        let penalized = self.penalty.apply(logits.conditional);
        // Without a weak branch the scale is 1: the conditional branch itself.
        let weak = logits.weak.unwrap_or(penalized);
        guidance.combination.combine(penalized, weak, scale, &mut self.guided);
        if !is_usable(&self.guided) {
            // Guided once more without the penalty: what is finite then was too large by it.
            guidance.combination.combine(logits.conditional, weak, scale, &mut self.guided);
            return Err(if is_usable(&self.guided) {
                overflow(SettingKey::RepetitionPenalty, *repetition_penalty)
            } else {
                overflow(SettingKey::GuidanceScale, scale)
            });
        }
        let sampled = self.sampler.sample(&self.guided, step).map_err(|_| not_finite())?;
        let measured = confidence(
            guidance.perturbation.confidence,
            &ConfidenceInputs {
                conditional: logits.conditional,
                unconditional: logits
                    .cache_owner(self.cache_is_owned_by_clean())
                    .unwrap_or(logits.conditional),
                guided: &self.guided,
                token: sampled.token as usize,
                temperature: guidance.perturbation.confidence_temperature(sampling.temperature),
            },
        );
        let spent = budgets(self.weight_rule, &self.confidences, &self.perturbed);
        let distribution = &mut self.distribution;
        let conditional = Summary::of(logits.conditional, distribution);
        let unconditional = logits.weak.map(|weak| Summary::of(weak, distribution));
        let guided = Summary::of(&self.guided, distribution);
        let measured_deltas = match (logits.clean, logits.weak) {
            (Some(clean), Some(weak)) => Some(deltas(logits.conditional, clean, weak)),
            _ => None,
        };
        let perturbed = self.is_perturbed();
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
            guiding_delta: logits.weak.map(|weak| distance(logits.conditional, weak)),
            delta: measured_deltas.map(|d| d.delta),
            delta_context: measured_deltas.filter(|_| perturbed).map(|d| d.delta_context),
            delta_cosine: measured_deltas.filter(|_| perturbed).map(|d| d.cosine),
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

    fn force(&mut self, step: usize, token: u32, scale: f32) -> StepRecord {
        let spent = budgets(self.weight_rule, &self.confidences, &self.perturbed);
        self.push(token, 1.0, self.spec.settings.guidance.perturbation.row_ends);
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

/// Whether there are logits and all of them are numbers.
fn is_usable(logits: &[f32]) -> bool {
    !logits.is_empty() && logits.iter().all(|logit| logit.is_finite())
}

/// Whether no code is likelier than another.
fn is_constant(logits: &[f32]) -> bool {
    logits.len() > 1 && logits.windows(2).all(|pair| matches!(pair, [a, b] if a == b))
}

impl<'a> BranchLogits<'a> {
    /// Logits of the unconditional branch that owns the cache, whose confidence counts.
    fn cache_owner(&self, clean: bool) -> Option<&'a [f32]> {
        if clean { self.clean } else { self.weak }
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
