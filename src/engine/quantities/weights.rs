//! The weights of past tokens at a step, computed again from the confidences of a trace (Eq. 3, Eq. 9).

use crate::engine::settings::{LaneKind, RunSpec};
use crate::engine::trace::StepRecord;
use crate::guidance::weights::{WeightRule, perturbation_weights};

/// A lane's weights at `step`, one for each token before it; row ends only where the run perturbs
/// them. `step_norm` overrides the lane's own rule.
pub fn weights_at(
    spec: &RunSpec,
    kind: LaneKind,
    records: &[StepRecord],
    step: usize,
    step_norm: Option<bool>,
) -> Vec<f32> {
    let past = records.get(..step.min(records.len())).unwrap_or_default();
    let confidences: Vec<f32> = past.iter().map(|record| record.confidence).collect();
    let perturbed: Vec<bool> =
        past.iter().map(|record| !record.forced || spec.settings.perturb_row_ends).collect();
    let rule = match (spec.weight_rule(kind), step_norm) {
        (rule, None) => rule,
        (WeightRule::Paper { .. }, Some(step_norm)) => WeightRule::Paper { step_norm },
        (WeightRule::ReleasedCode { constants, .. }, Some(step_norm)) => {
            WeightRule::ReleasedCode { step_norm, constants }
        }
    };
    let mut weights = Vec::with_capacity(past.len());
    perturbation_weights(rule, &confidences, &perturbed, &mut weights);
    weights
}
