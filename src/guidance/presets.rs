//! The methods that have names. A preset sets what makes the method and leaves the rest of a lane's
//! guidance as it is; one table says for each what it is called, where it comes from and what it sets.

use super::combination::Combination;
use super::method::{Guidance, WeakBranch};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// A named method; its key, in files and on the command line, is the name in kebab case.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Preset {
    /// Conditional branch alone.
    None,
    /// Classifier-free guidance.
    Cfg,
    /// SoftCFG, with step norm unless it is switched off.
    #[serde(rename = "softcfg")]
    #[strum(serialize = "softcfg")]
    SoftCfg,
    /// SoftCFG without step norm, whatever the switch says.
    #[serde(rename = "softcfg-no-step-norm")]
    #[strum(serialize = "softcfg-no-step-norm")]
    SoftCfgNoStepNorm,
}

/// What is known of a preset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PresetInfo {
    /// Name beside its colour.
    pub label: &'static str,
    /// Name above narrow images, which the colour helps to tell.
    pub narrow: &'static str,
    /// Name for narrow columns.
    pub short: &'static str,
    /// What the weak branch is, in a few words.
    pub summary: &'static str,
    /// The same in the paper's terms.
    pub explanation: &'static str,
    /// What a lane with it does, one sentence.
    pub does: &'static str,
    /// The paper's term and equation.
    pub term: &'static str,
    /// Where the method was published.
    pub source: &'static str,
    /// What it sets.
    sets: Sets,
}

/// What a preset sets of a lane's guidance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sets {
    weak_branch: WeakBranch,
    combination: Combination,
    /// `None` leaves the switch as it is.
    step_norm: Option<bool>,
}

const NONE: PresetInfo = PresetInfo {
    label: "No guidance",
    narrow: "No guidance",
    short: "None",
    summary: "conditional branch alone",
    explanation: "Samples from the conditional logits z_c without guidance.",
    does: "Draws with the condition alone.",
    term: "z_c: no guidance, scale 1.",
    source: "Sampling from the model as it was trained.",
    sets: Sets { weak_branch: WeakBranch::None, combination: Combination::Linear, step_norm: None },
};

const CFG: PresetInfo = PresetInfo {
    label: "CFG",
    narrow: "CFG",
    short: "CFG",
    summary: "plain unconditional branch",
    explanation: "Classifier-free guidance: z_u + scale_s (z_c - z_u), the unconditional branch as it is.",
    does: "Draws under classifier-free guidance.",
    term: "CFG: z_u + scale·(z_c − z_u), the baseline of the paper.",
    source: "Ho and Salimans 2022, arXiv 2207.12598.",
    sets: Sets {
        weak_branch: WeakBranch::Unconditional,
        combination: Combination::Linear,
        step_norm: None,
    },
};

const SOFTCFG: PresetInfo = PresetInfo {
    label: "SoftCFG",
    narrow: "SoftCFG",
    short: "Soft",
    summary: "confident tokens weigh less",
    explanation: "SoftCFG: the unconditional branch sees each drawn token's value times ŵ, less the more confident the model was of it (Eq. 3), with step normalization (Eq. 9).",
    does: "Draws under SoftCFG: tokens the model was sure of say less in the unconditional branch.",
    term: "SoftCFG: z_ũ + scale·(z_c − z_ũ), Eq. 3 to 6; with step norm Eq. 9.",
    source: "SoftCFG, arXiv 2510.00996, Eq. 3 to 9.",
    sets: Sets {
        weak_branch: WeakBranch::PerturbedUnconditional,
        combination: Combination::Linear,
        step_norm: None,
    },
};

const SOFTCFG_NO_STEP_NORM: PresetInfo = PresetInfo {
    label: "SoftCFG, no step norm",
    narrow: "No step norm",
    short: "Soft −N",
    summary: "confident tokens weigh less, unlimited",
    explanation: "SoftCFG without step normalization: the unconditional branch sees each drawn token's value times w = 1 - confidence (Eq. 3); the total is not limited.",
    does: "Draws under SoftCFG without step norm, whatever the switch says.",
    term: "w_i = 1 − confidence_i, Eq. 3: the budget Σ(1 − w_i) grows with the sequence.",
    source: "SoftCFG, arXiv 2510.00996, Eq. 3 to 6.",
    sets: Sets {
        weak_branch: WeakBranch::PerturbedUnconditional,
        combination: Combination::Linear,
        step_norm: Some(false),
    },
};

impl Preset {
    /// The preset's row of the table.
    pub fn info(self) -> &'static PresetInfo {
        match self {
            Self::None => &NONE,
            Self::Cfg => &CFG,
            Self::SoftCfg => &SOFTCFG,
            Self::SoftCfgNoStepNorm => &SOFTCFG_NO_STEP_NORM,
        }
    }

    /// Its key.
    pub fn key(self) -> &'static str {
        self.into()
    }

    /// `guidance` with what the preset sets.
    pub fn applied_to(self, guidance: Guidance) -> Guidance {
        let Sets { weak_branch, combination, step_norm } = self.info().sets;
        let mut guidance = Guidance { weak_branch, combination, ..guidance };
        guidance.perturbation.step_norm = step_norm.unwrap_or(guidance.perturbation.step_norm);
        guidance
    }

    /// Whether step norm is the preset's own choice, whatever the switch says.
    pub fn sets_step_norm(self) -> bool {
        self.info().sets.step_norm.is_some()
    }

    /// The preset that describes a guidance best: the one that sets most of what stands there. SoftCFG
    /// with its step norm switched off is SoftCFG without step norm.
    pub fn of(guidance: &Guidance) -> Self {
        // Presets that set more stand later in the list.
        let describes = |preset: &&Self| {
            let Sets { weak_branch, combination, step_norm } = preset.info().sets;
            (weak_branch, combination) == (guidance.weak_branch, guidance.combination)
                && step_norm.is_none_or(|on| on == guidance.perturbation.step_norm)
        };
        Self::VARIANTS.iter().rev().find(describes).copied().unwrap_or(Self::None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_describes_what_it_sets() {
        for &preset in Preset::VARIANTS {
            let guidance = preset.applied_to(Guidance::default());
            assert_eq!(Preset::of(&guidance), preset);
            assert_eq!(preset.key().parse(), Ok(preset));
        }
        let mut soft = Preset::SoftCfg.applied_to(Guidance::default());
        assert!(soft.perturbation.step_norm && soft.is_perturbed());
        soft.perturbation.step_norm = false;
        assert_eq!(Preset::of(&soft), Preset::SoftCfgNoStepNorm);
        assert_eq!(Preset::SoftCfg.applied_to(soft), soft, "the switch stays off");
    }
}
