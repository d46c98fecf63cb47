//! A lane's guidance as data: three choices, of which every method is a point. What is pushed away
//! from, how far apart strong and weak logits are pulled, and how that goes over the steps.

use super::combination::Combination;
use super::perturbation::PerturbationRule;
use super::schedule::ScaleSettings;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// The branch that a lane is pushed away from.
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
pub enum WeakBranch {
    /// None: the conditional branch is sampled as it is.
    None,
    /// The unconditional branch z_u (classifier-free guidance).
    #[default]
    Unconditional,
    /// The perturbed unconditional branch z_ũ (SoftCFG).
    PerturbedUnconditional,
}

/// How one lane is guided.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Guidance {
    /// What the lane is pushed away from.
    pub weak_branch: WeakBranch,
    /// How a perturbed weak branch is perturbed.
    pub perturbation: PerturbationRule,
    /// How strong and weak logits become guided ones.
    pub combination: Combination,
    /// The scale of every step.
    pub scale: ScaleSettings,
}

impl Guidance {
    /// Whether the lane has a weak branch.
    pub fn is_guided(&self) -> bool {
        self.weak_branch != WeakBranch::None
    }

    /// Whether the weak branch is perturbed by weights.
    pub fn is_perturbed(&self) -> bool {
        match self.weak_branch {
            WeakBranch::None | WeakBranch::Unconditional => false,
            WeakBranch::PerturbedUnconditional => true,
        }
    }
}
