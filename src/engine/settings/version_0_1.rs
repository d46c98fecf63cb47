//! Settings and runs as version 0.1.0 wrote them: one flat set of settings for all lanes.

use crate::engine::settings::lane::LaneSettings;
use crate::engine::settings::run::RunSettings;
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
        let RunSettings { shared, lanes } = RunSettings::default();
        let LaneSettings { condition, guidance, sampling, repetition_penalty, delta_context } =
            shared;
        let Guidance { perturbation, scale, .. } = guidance;
        Self {
            lanes,
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

impl From<FlatSettings> for RunSettings {
    fn from(flat: FlatSettings) -> Self {
        let guidance = Guidance {
            perturbation: PerturbationRule {
                variant: flat.variant,
                released_code: flat.released_code,
                step_norm: flat.step_norm,
                confidence: flat.confidence,
                perturb: flat.perturb,
                cache_rule: flat.cache_rule,
                row_ends: flat.perturb_row_ends,
            },
            scale: ScaleSettings {
                schedule: flat.schedule,
                guidance_scale: flat.guidance_scale,
                cosine_power: flat.cosine_power,
                interval: flat.guidance_interval,
            },
            ..Guidance::default()
        };
        Self {
            shared: LaneSettings {
                condition: flat.condition,
                guidance,
                sampling: flat.sampling,
                repetition_penalty: flat.repetition_penalty,
                delta_context: flat.delta_context,
            },
            lanes: flat.lanes,
        }
    }
}
