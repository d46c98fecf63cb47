//! Guidance arithmetic on plain slices: the schedule, confidences, perturbation weights, the
//! combination of branches, entropy and the differences between branches (SoftCFG, arXiv
//! 2510.00996). No tensors, no window: every function can be checked with a pencil.

pub mod combine;
pub mod confidence;
pub mod delta;
pub mod entropy;
pub mod schedule;
pub mod weights;

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

/// What the weights multiply in the unconditional attention (Table 3).
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
pub enum Perturb {
    /// Values: the weight multiplies the attention probability.
    #[default]
    Value,
    /// Keys: the weight multiplies the attention score before the softmax.
    Key,
    /// Both.
    KeyValue,
}

/// Which pass fills the unconditional cache.
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
pub enum CacheRule {
    /// The perturbed pass caches its own unscaled keys and values.
    #[default]
    TwoPass,
    /// A clean unconditional pass owns the cache; the perturbed pass only reads it (Alg. 1 line 10).
    Exact,
}

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
    /// What the authors' AliTok program computes; see [`weights::ReleasedCode`].
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
