//! Perturbation weights of the image tokens in the unconditional branch (Eq. 3, Eq. 9, and the
//! closed form of the authors' released code).

use super::confidence::Confidence;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Which reading of SoftCFG gives the weights.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Variant {
    /// Eq. 3-9 of the paper.
    #[default]
    Paper,
    /// What the authors' AliTok program computes; see [`ReleasedCode`].
    ReleasedCode,
}

impl Variant {
    /// The confidence that belongs to the variant: the largest conditional probability in the paper
    /// (Eq. 3), the probability of the sampled token in the authors' program.
    pub fn default_confidence(self) -> Confidence {
        match self {
            Self::Paper => Confidence::ConditionalMax,
            Self::ReleasedCode => Confidence::SampledProbability,
        }
    }
}

/// ε of step normalization (Eq. 9) in the paper variant.
pub const STEP_NORM_EPSILON: f64 = 1e-6;

/// ε of step normalization in the authors' AliTok program.
pub const RELEASED_CODE_EPSILON: f64 = 1e-5;

/// The constants of the authors' AliTok program, all of them adjustable.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReleasedCode {
    /// Exponent on the step-normalized weight. Ignored without step norm, as in the program.
    pub strength: f32,
    /// Smallest step-normalized weight, applied after the exponent.
    pub floor: f32,
    /// Token i gets the confidence of token i+1 and the newest token weight 1, as in the program.
    /// Off: every token gets its own confidence, the newest one included.
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
    Paper {
        /// Whether the perturbation is held at one token's worth.
        step_norm: bool,
    },
    /// The authors' program.
    ReleasedCode {
        /// Whether the perturbation is held at one token's worth.
        step_norm: bool,
        /// Constants of the program.
        constants: ReleasedCode,
    },
}

/// The sums of a step's perturbation, over the image tokens fed so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budgets {
    /// Σ(1-w_i): without step norm.
    pub raw: f32,
    /// Σ(1-ŵ_i): with step norm (Eq. 9); 1 up to ε as soon as a confidence counts, and less where the
    /// released code's floor or strength takes hold.
    pub normalized: f32,
}

impl WeightRule {
    fn step_norm(self) -> bool {
        match self {
            Self::Paper { step_norm } | Self::ReleasedCode { step_norm, .. } => step_norm,
        }
    }

    fn shift(self) -> bool {
        match self {
            Self::Paper { .. } => false,
            Self::ReleasedCode { constants, .. } => constants.shift,
        }
    }

    /// Weight of a token whose counted confidence is `confidence`, `total` being their sum. A counted
    /// confidence of 0 gives exactly 1.
    fn step_normalized(self, confidence: f32, total: f64) -> f64 {
        let confidence = f64::from(confidence);
        match self {
            Self::Paper { .. } => 1.0 - confidence / (total + STEP_NORM_EPSILON),
            Self::ReleasedCode { constants, .. } => {
                let weight = 1.0 - confidence / (total + RELEASED_CODE_EPSILON);
                // The program clamps after the exponent.
                weight.powf(f64::from(constants.strength)).max(f64::from(constants.floor))
            }
        }
    }
}

/// Weight of every image token in the unconditional attention of one step.
///
/// - Paper: `w_i = 1 - confidence_i` (Eq. 3), or with step norm
///   `ŵ_i = 1 - (1-w_i) / (Σ_j (1-w_j) + 1e-6)` (Eq. 9).
/// - Released code: `1 - confidence_{i+1}`, or with step norm
///   `max(floor, (1 - confidence_{i+1} / (Σ_{j>0} confidence_j + 1e-5))^strength)`; the newest token
///   weighs 1 and the first token's own confidence is thrown away. Without the shift every token has
///   its own confidence. Strength and floor act under step norm only.
///
/// `confidences[i]`, in [0, 1], and `perturbed[i]` belong to image token i (from 0); both run over
/// the tokens fed so far, **the one being fed included**, and have one length. `weights` becomes one
/// factor in [0, 1] per image token. Entries with `perturbed[i] == false` (forced row ends) get
/// exactly 1, stay outside the sum, and the shift passes over them.
pub fn perturbation_weights(
    rule: WeightRule,
    confidences: &[f32],
    perturbed: &[bool],
    weights: &mut Vec<f32>,
) {
    counted_confidences(rule.shift(), confidences, perturbed, weights);
    if rule.step_norm() {
        let total = sum(weights);
        for weight in weights {
            *weight = rule.step_normalized(*weight, total) as f32;
        }
    } else {
        for weight in weights {
            *weight = 1.0 - *weight;
        }
    }
}

/// Σ(1-w_i) and Σ(1-ŵ_i) of one step (the two sides of Eq. 9), whether or not the rule itself uses
/// step norm. Arguments as in [`perturbation_weights`].
pub fn budgets(rule: WeightRule, confidences: &[f32], perturbed: &[bool]) -> Budgets {
    let mut counted = Vec::with_capacity(confidences.len());
    counted_confidences(rule.shift(), confidences, perturbed, &mut counted);
    let raw = sum(&counted);
    let normalized: f64 =
        counted.iter().map(|&confidence| 1.0 - rule.step_normalized(confidence, raw)).sum();
    Budgets { raw: raw as f32, normalized: (0.0 + normalized) as f32 }
}

/// The confidence that weakens each token: its own, or with `shift` that of the next perturbed token
/// (the released code stores a confidence one place too early). 0, which means a weight of exactly 1
/// and no part in the sum, for tokens that are not perturbed and for the newest one under `shift`.
fn counted_confidences(
    shift: bool,
    confidences: &[f32],
    perturbed: &[bool],
    counted: &mut Vec<f32>,
) {
    debug_assert_eq!(confidences.len(), perturbed.len());
    counted.clear();
    counted.extend(
        confidences
            .iter()
            .zip(perturbed)
            .map(|(&confidence, &perturbed)| if perturbed { confidence } else { 0.0 }),
    );
    if shift {
        let mut next = 0.0;
        for (confidence, _) in
            counted.iter_mut().zip(perturbed).rev().filter(|(_, perturbed)| **perturbed)
        {
            next = std::mem::replace(confidence, next);
        }
    }
}

/// In double precision: thousands of confidences are added at every step.
fn sum(confidences: &[f32]) -> f64 {
    // An empty sum of floats is -0 in Rust.
    0.0 + confidences.iter().copied().map(f64::from).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(rule: WeightRule, confidences: &[f32], perturbed: &[bool]) -> Vec<f32> {
        let mut weights = Vec::new();
        perturbation_weights(rule, confidences, perturbed, &mut weights);
        weights
    }

    fn released(step_norm: bool, constants: ReleasedCode) -> WeightRule {
        WeightRule::ReleasedCode { step_norm, constants }
    }

    #[test]
    fn paper_weights_by_hand() {
        let all = [true; 3];
        let confidences = [0.5, 0.25, 0.25];
        assert_eq!(
            weights(WeightRule::Paper { step_norm: false }, &confidences, &all),
            [0.5, 0.75, 0.75]
        );
        for (found, expected) in weights(WeightRule::Paper { step_norm: true }, &confidences, &all)
            .into_iter()
            .zip([0.5, 0.75, 0.75])
        {
            assert!((found - expected).abs() < 1e-6);
        }
        // Row ends neither weigh nor count.
        let found =
            weights(WeightRule::Paper { step_norm: true }, &[0.5, 1.0, 0.5], &[true, false, true]);
        assert_eq!(found[1], 1.0);
        assert!((found[0] - 0.5).abs() < 2e-6 && (found[2] - 0.5).abs() < 2e-6);
    }

    #[test]
    fn released_code_shifts_clamps_and_spares_the_newest() {
        let all = [true; 4];
        let confidences = [0.9, 0.5, 0.25, 0.25];
        assert_eq!(
            weights(released(false, ReleasedCode::default()), &confidences, &all),
            [0.5, 0.75, 0.75, 1.0]
        );
        let found = weights(released(true, ReleasedCode::default()), &[0.9, 0.5], &[true; 2]);
        assert_eq!(found, [0.05, 1.0]);
        let half = ReleasedCode { strength: 0.5, ..ReleasedCode::default() };
        let found = weights(released(true, half), &confidences, &all);
        assert!((found[1] - 0.75f32.sqrt()).abs() < 1e-5 && found[3] == 1.0);
        let own = ReleasedCode { shift: false, ..ReleasedCode::default() };
        assert_eq!(weights(released(false, own), &confidences, &all), [1.0 - 0.9, 0.5, 0.75, 0.75]);
        // The shift passes over a row end, and the newest drawn token keeps weight 1 behind one.
        let found = weights(
            released(false, ReleasedCode::default()),
            &[0.9, 1.0, 0.5, 1.0],
            &[true, false, true, false],
        );
        assert_eq!(found, [0.5, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn budgets_report_both_sums_whatever_the_rule_uses() {
        for step_norm in [false, true] {
            let found = budgets(WeightRule::Paper { step_norm }, &[0.9, 0.5, 0.4], &[true; 3]);
            assert!((found.raw - 1.8).abs() < 1e-6 && (found.normalized - 1.0).abs() < 1e-5);
            let rule = released(step_norm, ReleasedCode::default());
            let found = budgets(rule, &[0.9, 0.5], &[true; 2]);
            assert!((found.raw - 0.5).abs() < 1e-6 && (found.normalized - 0.95).abs() < 1e-6);
        }
        assert_eq!(budgets(WeightRule::Paper { step_norm: true }, &[], &[]), Budgets::default());
    }
}
