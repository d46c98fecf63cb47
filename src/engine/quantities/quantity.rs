//! What the table of quantities says of each of them.

use crate::engine::trace::StepRecord;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// Quantities that share a unit and are drawn over the steps in one plot.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, VariantArray,
)]
pub enum Axis {
    /// Normalized entropies.
    #[default]
    Entropy,
    /// The guidance scale.
    Scale,
    /// Confidence and probability of the token drawn, and the weights that follow from it.
    Confidence,
    /// Differences between branches.
    Delta,
    /// How much of the drawn tokens the perturbation takes in total.
    Budget,
}

impl Axis {
    /// Its name as a title.
    pub fn label(self) -> &'static str {
        match self {
            Self::Entropy => "Entropy",
            Self::Scale => "Scale",
            Self::Confidence => "Confidence",
            Self::Delta => "‖Δ‖",
            Self::Budget => "Budget",
        }
    }

    /// What its plot shows, in one sentence or two.
    pub fn does(self) -> &'static str {
        match self {
            Self::Entropy => {
                "How undecided each branch is, 0 to 1. The gap between conditional and unconditional closes as guidance diminishes."
            }
            Self::Scale => "How strongly the branches are set apart at each step.",
            Self::Confidence => "How sure the model was of each token when it drew it.",
            Self::Delta => "How far the branches are apart.",
            Self::Budget => {
                "How much of the drawn tokens is taken from the unconditional branch in total."
            }
        }
    }

    /// The paper's definition.
    pub fn equation(self) -> &'static str {
        match self {
            Self::Entropy => "Normalized entropy, Eq. 11-13.",
            Self::Scale => "scale_s = 1 + γ_t, γ_t = (γ - 1)·½(1 - cos(π (s/T)^k)) of Eq. 6.",
            Self::Confidence => "Eq. 3: largest conditional probability.",
            Self::Delta => "L2 norms of Δ = z_c - z_u and Δctx = z_u - z_ũ, Eq. 7.",
            Self::Budget => {
                "Σ(1 - w_i) grows without step norm; Σ(1 - ŵ_i) stays at one token, Eq. 9."
            }
        }
    }

    /// What the numbers along the axis count.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Entropy => "normalized entropy",
            Self::Scale => "scale_s",
            Self::Confidence => "probability",
            Self::Delta => "L2 norm of logits",
            Self::Budget => "tokens",
        }
    }
}

/// How a quantity appears in the plot of its axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plotted {
    /// The curve to look at: thick, in front.
    Main,
    /// A thin curve.
    Second,
    /// A dashed curve, behind.
    Third,
    /// A number beside the curves, in the table under the pointer and in the plot's CSV.
    Number,
    /// Not there.
    No,
}

/// How a quantity is read.
#[derive(Clone, Copy)]
pub enum Read {
    /// From what a step recorded, in the trace too.
    Recorded(fn(&StepRecord) -> Option<f32>),
    /// Computed from what a step recorded; the trace leaves it to its reader.
    Derived(fn(&StepRecord) -> Option<f32>),
    /// Of a past token at a later step, from the confidences of all tokens before that step
    /// ([`super::weights::weights_at`]).
    PastToken {
        /// Whether the weights are step-normalized.
        step_norm: bool,
    },
}

/// One measured number per lane and step.
pub struct Quantity {
    /// Column in CSV files and, where it is recorded, field in JSON.
    pub key: &'static str,
    /// Name where it stands alone.
    pub name: &'static str,
    /// Name beside others of its axis.
    pub short: &'static str,
    /// The paper's symbol.
    pub symbol: &'static str,
    /// What it says, in one sentence.
    pub does: &'static str,
    /// The paper's definition.
    pub equation: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Least and greatest value there can be.
    pub range: (Option<f32>, Option<f32>),
    /// Digits after the point.
    pub decimals: usize,
    /// Where it is drawn.
    pub axis: Axis,
    /// How it is drawn there.
    pub plotted: Plotted,
    /// How it is read.
    pub read: Read,
}

impl Quantity {
    /// Its value at a step; `None` where it was not measured, and for weights of past tokens.
    pub fn value(&self, record: &StepRecord) -> Option<f32> {
        match self.read {
            Read::Recorded(read) | Read::Derived(read) => read(record),
            Read::PastToken { .. } => None,
        }
    }
}
