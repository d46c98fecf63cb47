//! The guidance scale of each step: the cosine schedule of Sec. 3.4, and beside it the rules of the
//! programs that the models' authors sample with. A scale is the factor of `z_c - z_u`, the paper's
//! γ_t of Eq. 6 plus one.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// `scale_s = 1 + (γ-1)·½(1 - cos(π (s/T)^k))`, the factor of `z_c - z_u` at step `s` (Eq. 2 and 6).
///
/// `step` counts from 0 and `steps` is T, so the first token is unguided (scale exactly 1) and γ is
/// approached, never reached. A `cosine_power` k of 0 means the constant γ, as in the released code.
/// A `guidance_scale` γ of 1 gives exactly 1 at every step.
pub fn guidance_scale_at(step: usize, steps: usize, guidance_scale: f32, cosine_power: f32) -> f32 {
    if cosine_power == 0.0 {
        return guidance_scale;
    }
    // Double precision: near the start the cosine is close to 1 and the difference would cancel.
    let progress = step as f64 / steps.max(1) as f64;
    let angle = std::f64::consts::PI * progress.powf(f64::from(cosine_power));
    let rise = 0.5 * (1.0 - angle.cos());
    (1.0 + (f64::from(guidance_scale) - 1.0) * rise) as f32
}

/// Which schedule a lane follows.
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
pub enum Schedule {
    /// The cosine of the paper, [`guidance_scale_at`].
    #[default]
    Cosine,
    /// What the program of the model's authors does.
    Authors,
}

/// How strongly a lane is guided over its steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScaleSettings {
    /// The cosine of the paper, or the rule of the model's authors.
    pub schedule: Schedule,
    /// γ, at least 0; 1 means no guidance.
    pub guidance_scale: f32,
    /// k, at least 0; 0 means a constant scale. Rules without a cosine do not read it.
    pub cosine_power: f32,
    /// LlamaGen's `cfg_interval`, read only under its authors' schedule; `None` guides every token.
    pub interval: Option<usize>,
}

impl Default for ScaleSettings {
    fn default() -> Self {
        let schedule = Schedule::default();
        Self { schedule, guidance_scale: 4.0, cosine_power: 1.4, interval: None }
    }
}

impl ScaleSettings {
    /// The rule of the chosen schedule, given that of the model's authors; `None` if theirs is chosen
    /// and they have none.
    pub fn rule(&self, authors: Option<ScaleRule>) -> Option<ScaleRule> {
        match self.schedule {
            Schedule::Cosine => Some(ScaleRule::Cosine),
            Schedule::Authors => Some(authors?.with_interval(self.interval)),
        }
    }
}

/// How the scale of a step follows from γ and k.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScaleRule {
    /// The cosine of the paper.
    #[default]
    Cosine,
    /// The same cosine in the programs of AliTok and RAR, where γ = 0 runs no unconditional branch
    /// at all: scale 1.
    ProgramCosine,
    /// γ at every step (SimpleAR).
    Constant,
    /// γ at every step, where γ up to 1 is no guidance, whatever its value (LlamaGen's text programs).
    ConstantAboveOne,
    /// The same with LlamaGen's `cfg_interval` (its class programs): it counts decoding calls after the
    /// prefill and compares with "greater", so tokens 0 to `interval` + 1 are guided and the rest are
    /// not; `None` guides all.
    ConstantUntil {
        /// The interval.
        interval: Option<usize>,
    },
    /// Lumina-mGPT 2.0, see [`decaying_scale`]; `area` is 4 times the product of the two size
    /// tokens' numbers.
    Decaying {
        /// Denominator of the decay.
        area: usize,
    },
}

impl ScaleRule {
    /// The scale at `step` (from 0) of `steps`.
    pub fn scale_at(
        self,
        step: usize,
        steps: usize,
        guidance_scale: f32,
        cosine_power: f32,
    ) -> f32 {
        match self {
            Self::ProgramCosine if guidance_scale == 0.0 => 1.0,
            Self::Cosine | Self::ProgramCosine => {
                guidance_scale_at(step, steps, guidance_scale, cosine_power)
            }
            Self::ConstantAboveOne | Self::ConstantUntil { .. } if guidance_scale <= 1.0 => 1.0,
            Self::ConstantUntil { interval: Some(interval) }
                if step > interval.saturating_add(1) =>
            {
                1.0
            }
            Self::Constant | Self::ConstantAboveOne | Self::ConstantUntil { .. } => guidance_scale,
            Self::Decaying { area } => decaying_scale(guidance_scale, area, step),
        }
    }

    /// Whether k changes anything.
    pub fn uses_cosine_power(self) -> bool {
        matches!(self, Self::Cosine | Self::ProgramCosine)
    }

    /// The rule with LlamaGen's interval, for rules that have none unchanged.
    pub fn with_interval(self, interval: Option<usize>) -> Self {
        match self {
            Self::ConstantUntil { .. } => Self::ConstantUntil { interval },
            other => other,
        }
    }
}

/// Scale below which Lumina-mGPT's program never guides, unless it does not guide at all.
const DECAY_FLOOR: f64 = 4.0;

/// The scale under Lumina-mGPT's rule: at every step `s ← max(4, s (1 - n / area))` with n tokens after
/// the image's start token, of which the two size tokens stand before image token 0. A scale of 1
/// stays 1: no guidance.
pub fn decaying_scale(guidance_scale: f32, area: usize, step: usize) -> f32 {
    if guidance_scale == 1.0 {
        return guidance_scale;
    }
    let mut scale = f64::from(guidance_scale);
    for step in 0..=step {
        let before = scale;
        scale = (scale * (1.0 - (step + 2) as f64 / area.max(1) as f64)).max(DECAY_FLOOR);
        // From here on every factor is below 1, or multiplies what the floor catches.
        if before == DECAY_FLOOR && scale == DECAY_FLOOR {
            break;
        }
    }
    scale as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_unguided_passes_the_middle_and_can_be_constant() {
        assert_eq!(guidance_scale_at(0, 256, 13.0, 1.4), 1.0);
        assert!((guidance_scale_at(128, 256, 13.0, 1.0) - 7.0).abs() < 1e-6);
        for step in 0..256 {
            assert_eq!(guidance_scale_at(step, 256, 13.0, 0.0), 13.0);
            assert_eq!(guidance_scale_at(step, 256, 1.0, 1.4), 1.0);
        }
    }

    #[test]
    fn no_steps_is_no_division_by_zero() {
        assert_eq!(guidance_scale_at(0, 0, 4.0, 1.4), 1.0);
        assert_eq!(decaying_scale(9.0, 0, 3), 4.0);
    }

    #[test]
    fn a_constant_scale_guides_up_to_its_interval() {
        let scales = |interval, guidance_scale| -> Vec<f32> {
            let rule = ScaleRule::ConstantUntil { interval };
            (0..6).map(|step| rule.scale_at(step, 6, guidance_scale, 1.4)).collect()
        };
        assert_eq!(scales(None, 4.0), [4.0; 6]);
        assert_eq!(scales(Some(2), 4.0), [4.0, 4.0, 4.0, 4.0, 1.0, 1.0]);
        assert_eq!(scales(Some(0), 4.0), [4.0, 4.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(scales(Some(usize::MAX), 4.0), [4.0; 6]);
        assert_eq!(scales(None, 0.5), [1.0; 6]);
        assert_eq!(ScaleRule::ConstantAboveOne.scale_at(3, 6, 0.5, 1.4), 1.0);
        assert_eq!(ScaleRule::Constant.scale_at(3, 6, 0.5, 1.4), 0.5);
        assert_eq!(ScaleRule::Constant.with_interval(Some(1)), ScaleRule::Constant);
    }

    #[test]
    fn the_programs_of_alitok_and_rar_switch_off_at_zero() {
        let rule = ScaleRule::ProgramCosine;
        for step in 0..20 {
            assert_eq!(rule.scale_at(step, 20, 0.0, 1.4), 1.0);
            assert_eq!(rule.scale_at(step, 20, 7.0, 1.4), guidance_scale_at(step, 20, 7.0, 1.4));
        }
        assert_ne!(ScaleRule::Cosine.scale_at(10, 20, 0.0, 1.4), 1.0);
    }

    #[test]
    fn a_decaying_scale_ends_at_its_floor() {
        let area = 4 * 8 * 8;
        let scales: Vec<f32> = (0..300).map(|step| decaying_scale(10.0, area, step)).collect();
        assert!(scales[0] < 10.0 && scales[0] > 9.0);
        assert!(scales.is_sorted_by(|a, b| a >= b));
        assert_eq!(scales.last(), Some(&4.0));
        assert_eq!(decaying_scale(1.0, area, 9), 1.0);
        assert_eq!(decaying_scale(2.0, area, 0), 4.0);
    }
}
