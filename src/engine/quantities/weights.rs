//! The weights of past tokens at a step, computed again from the confidences of a trace (Eq. 3, Eq. 9).

use crate::engine::settings::LaneSpec;
use crate::engine::trace::StepRecord;
use crate::guidance::PerturbationRule;
use crate::guidance::weights::perturbation_weights;

/// A lane's weights at `step`, one for each token before it; row ends only where the run perturbs
/// them. `step_norm` overrides the lane's own rule.
pub fn weights_at(
    spec: &LaneSpec,
    records: &[StepRecord],
    step: usize,
    step_norm: Option<bool>,
) -> Vec<f32> {
    let perturbation = spec.settings.guidance.perturbation;
    let past = records.get(..step.min(records.len())).unwrap_or_default();
    let confidences: Vec<f32> = past.iter().map(|record| record.confidence).collect();
    let perturbed: Vec<bool> =
        past.iter().map(|record| !record.forced || perturbation.row_ends).collect();
    let step_norm = step_norm.unwrap_or(perturbation.step_norm);
    let rule = PerturbationRule { step_norm, ..perturbation }.weight_rule();
    let mut weights = Vec::with_capacity(past.len());
    perturbation_weights(rule, &confidences, &perturbed, &mut weights);
    weights
}
