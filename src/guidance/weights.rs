//! Perturbation weights of the image tokens in the unconditional branch (Eq. 3, Eq. 9, and the
//! closed form of the authors' released code).

use serde::{Deserialize, Serialize};

/// ε of step normalization (Eq. 9) in the paper variant.
pub const STEP_NORM_EPSILON: f64 = 1e-6;

/// The constants of the authors' AliTok program, all of them adjustable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReleasedCode {
    /// Exponent on the step-normalized weight. Ignored without step norm, as in the program.
    pub strength: f32,
    /// Smallest step-normalized weight, applied after the exponent.
    pub floor: f32,
    /// Token i gets the confidence of token i+1 and the newest token weight 1.
    pub shift: bool,
}

impl Default for ReleasedCode {
    fn default() -> Self {
        Self { strength: 1.0, floor: 0.05, shift: true }
    }
}

/// How weights follow from confidences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WeightRule {
    /// `w_i = 1 - confidence_i`, or ŵ_i of Eq. 9 with `step_norm`.
    Paper { step_norm: bool },
    /// The authors' program.
    ReleasedCode { step_norm: bool, constants: ReleasedCode },
}

// contract (guidance helper implements):
//   pub fn perturbation_weights(rule: WeightRule, confidences: &[f32], perturbed: &[bool], weights: &mut Vec<f32>)
//     confidences[i], perturbed[i] of image token i (0-based), i < tokens fed so far INCLUDING the one being fed.
//     weights becomes one factor per image token; exactly 1.0 where !perturbed[i] (forced row ends: outside the sum too).
//   pub struct Budgets { pub raw: f32 /* Σ(1-w_i) */, pub normalized: f32 /* Σ(1-ŵ_i) */ }
//   pub fn budgets(rule, confidences, perturbed) -> Budgets
