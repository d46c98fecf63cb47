//! The list of combinations. A new one is a file beside this one, a member here, and an arm below.

use super::linear;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// How strong logits `z_s` (the conditional branch) and weak logits `z_w` become guided ones.
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
pub enum Combination {
    /// `z_w + scale (z_s - z_w)`, Eq. 2 and 6: [`linear::combine`].
    #[default]
    Linear,
}

impl Combination {
    /// Guided logits of one step. All slices run over the vocabulary and have one length; `guided` is
    /// overwritten.
    pub fn combine(self, strong: &[f32], weak: &[f32], scale: f32, guided: &mut Vec<f32>) {
        match self {
            Self::Linear => linear::combine(strong, weak, scale, guided),
        }
    }
}
