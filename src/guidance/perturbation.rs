//! How the weak branch of SoftCFG is perturbed: which weights, on what, and which pass caches
//! (Sec. 3.2 and 3.3, Alg. 1, Table 3 of arXiv 2510.00996).

use super::confidence::Confidence;
use super::weights::{ReleasedCode, Variant, WeightRule};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

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

/// How a weak branch is perturbed. Lanes whose weak branch is not perturbed have one as well: it says
/// which confidence and which budgets their trace reports.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerturbationRule {
    /// Paper or released code.
    pub variant: Variant,
    /// Constants of the released code; the paper's variant does not read them.
    pub released_code: ReleasedCode,
    /// Step normalization of the weights (Eq. 9).
    pub step_norm: bool,
    /// How the confidence of a token is measured.
    pub confidence: Confidence,
    /// V, K or K+V.
    pub perturb: Perturb,
    /// Which pass fills the cache of the weak branch.
    pub cache_rule: CacheRule,
    /// Perturb forced row ends too (Lumina), the literal reading of Eq. 3.
    pub row_ends: bool,
}

impl Default for PerturbationRule {
    fn default() -> Self {
        Self {
            variant: Variant::default(),
            released_code: ReleasedCode::default(),
            step_norm: true,
            confidence: Confidence::default(),
            perturb: Perturb::default(),
            cache_rule: CacheRule::default(),
            row_ends: false,
        }
    }
}

impl PerturbationRule {
    /// How the weights follow from the confidences.
    pub fn weight_rule(&self) -> WeightRule {
        let step_norm = self.step_norm;
        match self.variant {
            Variant::Paper => WeightRule::Paper { step_norm },
            Variant::ReleasedCode => {
                WeightRule::ReleasedCode { step_norm, constants: self.released_code }
            }
        }
    }

    /// Temperature at which confidences are measured, given that of the sampler: 1 in the paper, the
    /// sampler's in the released code.
    pub fn confidence_temperature(&self, sampling_temperature: f32) -> f32 {
        match self.variant {
            Variant::Paper => 1.0,
            Variant::ReleasedCode => sampling_temperature,
        }
    }
}
