//! Settings and runs as version 0.1.0 wrote them: one flat set of settings for all lanes.

use crate::engine::settings::lane::{LaneSettings, USUAL_LANES};
use crate::guidance::schedule::{ScaleSettings, Schedule};
use crate::guidance::weights::ReleasedCode;
use crate::guidance::{
    CacheRule, Confidence, Guidance, Perturb, PerturbationRule, Preset, Variant,
};
use crate::prompts::condition::Condition;
use crate::sampling::Sampling;
use serde::Deserialize;

/// `RunSettings` of version 0.1.0.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub(super) struct FlatSettings {
    pub(super) lanes: Vec<Preset>,
    condition: Condition,
    guidance_scale: f32,
    cosine_power: f32,
    schedule: Schedule,
    guidance_interval: Option<usize>,
    step_norm: bool,
    variant: Variant,
    released_code: ReleasedCode,
    confidence: Confidence,
    perturb: Perturb,
    cache_rule: CacheRule,
    perturb_row_ends: bool,
    sampling: Sampling,
    repetition_penalty: f32,
    delta_context: bool,
}

impl Default for FlatSettings {
    fn default() -> Self {
        let LaneSettings { condition, guidance, sampling, repetition_penalty, delta_context } =
            LaneSettings::default();
        let Guidance { perturbation, scale, .. } = guidance;
        Self {
            lanes: USUAL_LANES.to_vec(),
            condition,
            guidance_scale: scale.guidance_scale,
            cosine_power: scale.cosine_power,
            schedule: scale.schedule,
            guidance_interval: scale.interval,
            step_norm: perturbation.step_norm,
            variant: perturbation.variant,
            released_code: perturbation.released_code,
            confidence: perturbation.confidence,
            perturb: perturbation.perturb,
            cache_rule: perturbation.cache_rule,
            perturb_row_ends: perturbation.row_ends,
            sampling,
            repetition_penalty,
            delta_context,
        }
    }
}

impl FlatSettings {
    /// What the lanes share.
    pub(super) fn shared(&self) -> LaneSettings {
        let guidance = Guidance {
            perturbation: PerturbationRule {
                variant: self.variant,
                released_code: self.released_code,
                step_norm: self.step_norm,
                confidence: self.confidence,
                perturb: self.perturb,
                cache_rule: self.cache_rule,
                row_ends: self.perturb_row_ends,
            },
            scale: ScaleSettings {
                schedule: self.schedule,
                guidance_scale: self.guidance_scale,
                cosine_power: self.cosine_power,
                interval: self.guidance_interval,
            },
            ..Guidance::default()
        };
        LaneSettings {
            condition: self.condition.clone(),
            guidance,
            sampling: self.sampling,
            repetition_penalty: self.repetition_penalty,
            delta_context: self.delta_context,
        }
    }
}
