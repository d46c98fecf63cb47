//! The five definitions of an image token's confidence, measured at the step that produces the token
//! (Eq. 3; the alternatives are those of Fig. 9c and of the released code).

use super::entropy::{max_probability, normalized_entropy_at, probability};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// How the confidence of an image token is measured, at the step that produced it (Fig. 9c).
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
pub enum Confidence {
    /// Largest conditional probability, before temperature, filters and guidance (Eq. 3).
    #[default]
    ConditionalMax,
    /// Largest probability of the unconditional branch that owns the cache.
    UnconditionalMax,
    /// Largest probability of the guided distribution.
    GuidedMax,
    /// Conditional probability of the token that was sampled.
    SampledProbability,
    /// One minus the normalized entropy of the conditional distribution.
    OneMinusEntropy,
}

/// What a confidence can be measured on: the logits of one step, over the codes that the step may
/// draw, before temperature and filters.
#[derive(Debug, Clone, Copy)]
pub struct ConfidenceInputs<'a> {
    /// z_c.
    pub conditional: &'a [f32],
    /// Logits of the unconditional branch that owns the cache: z_ũ under the two-pass rule, the clean
    /// z_u under the exact one. May be empty where no definition but the unconditional one needs it.
    pub unconditional: &'a [f32],
    /// Guided logits.
    pub guided: &'a [f32],
    /// Index of the sampled token in these slices.
    pub token: usize,
    /// Divides the logits, above 0: 1 in the paper, the sampling temperature in the released code.
    pub temperature: f32,
}

/// Confidence of the token produced at this step, in [0, 1] (`1 - w_i` of Eq. 3).
///
/// Non-finite logits give NaN; sampling from them fails before a confidence is used.
pub fn confidence(definition: Confidence, inputs: &ConfidenceInputs<'_>) -> f32 {
    let &ConfidenceInputs { conditional, unconditional, guided, token, temperature } = inputs;
    match definition {
        Confidence::ConditionalMax => max_probability(conditional, temperature),
        Confidence::UnconditionalMax => max_probability(unconditional, temperature),
        Confidence::GuidedMax => max_probability(guided, temperature),
        Confidence::SampledProbability => probability(conditional, token, temperature),
        Confidence::OneMinusEntropy => 1.0 - normalized_entropy_at(conditional, temperature),
    }
}
