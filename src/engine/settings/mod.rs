//! What a person sets ([`RunSettings`], always editable, may be wrong) and what a run is made from
//! ([`RunSpec`], validated, immutable, serializable). Window and command line build both the same way.

mod validate;

use crate::guidance::schedule::{ScaleRule, Schedule};
use crate::guidance::weights::{ReleasedCode, WeightRule};
use crate::guidance::{CacheRule, Confidence, Perturb, Variant};
use crate::models::card::{ModelDefaults, ModelIdentity};
use crate::prompts::condition::Condition;
use crate::sampling::Sampling;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// One sequence of a run: the guidance it is decoded under.
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
pub enum LaneKind {
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

impl LaneKind {
    /// Name beside its colour.
    pub fn label(self, step_norm: bool) -> &'static str {
        match (self, step_norm) {
            (Self::None, _) => "No guidance",
            (Self::Cfg, _) => "CFG",
            (Self::SoftCfg, true) => "SoftCFG",
            (Self::SoftCfg, false) | (Self::SoftCfgNoStepNorm, _) => "SoftCFG, no step norm",
        }
    }

    /// Whether the lane's unconditional branch is perturbed.
    pub fn is_soft(self) -> bool {
        matches!(self, Self::SoftCfg | Self::SoftCfgNoStepNorm)
    }
}

/// Everything a person can set for a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSettings {
    /// Prompt or class.
    pub condition: Condition,
    /// 1 to 4 different lanes, in the order they are shown.
    pub lanes: Vec<LaneKind>,
    /// γ, at least 0; 1 means no guidance.
    pub guidance_scale: f32,
    /// k, at least 0; 0 means a constant scale.
    pub cosine_power: f32,
    /// The cosine of the paper, or what the model's authors do.
    pub schedule: Schedule,
    /// LlamaGen's `cfg_interval`, read only under its authors' schedule; `None` guides every token.
    pub guidance_interval: Option<usize>,
    /// Step norm of the lane `softcfg` (Eq. 9).
    pub step_norm: bool,
    /// Paper or released code.
    pub variant: Variant,
    /// Constants of the released code.
    pub released_code: ReleasedCode,
    /// Confidence definition.
    pub confidence: Confidence,
    /// V, K or K+V.
    pub perturb: Perturb,
    /// Who fills the unconditional cache.
    pub cache_rule: CacheRule,
    /// Perturb forced row ends too (Lumina); the literal reading.
    pub perturb_row_ends: bool,
    /// Temperature, filters, seed.
    pub sampling: Sampling,
    /// Penalty on codes drawn before, above 0; 1 is none. It acts on the conditional logits before
    /// guidance, and on nothing that is measured.
    pub repetition_penalty: f32,
    /// Measure Δctx with one more row per SoftCFG lane.
    pub delta_context: bool,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            condition: Condition::Prompt {
                text: "a panda left of a pizza on blue".into(),
                negative: None,
            },
            lanes: vec![LaneKind::Cfg, LaneKind::SoftCfg],
            guidance_scale: 4.0,
            cosine_power: 1.4,
            schedule: Schedule::default(),
            guidance_interval: None,
            step_norm: true,
            variant: Variant::default(),
            released_code: ReleasedCode::default(),
            confidence: Confidence::default(),
            perturb: Perturb::default(),
            cache_rule: CacheRule::default(),
            perturb_row_ends: false,
            sampling: Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed: 3 },
            repetition_penalty: 1.0,
            // One more row: the plots are worth it, and decoding hardly notices.
            delta_context: true,
        }
    }
}

/// A setting that a message can point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    Prompt,
    Class,
    Lanes,
    GuidanceScale,
    CosinePower,
    Schedule,
    Unconditional,
    RepetitionPenalty,
    Temperature,
    TopK,
    TopP,
    ReleasedCode,
}

/// What is wrong with one field, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FieldError {
    /// Where.
    pub field: Field,
    /// What, and what to do.
    pub message: String,
}

/// A validated run. Serialized into `run.json` and every saved image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// The settings, checked against the model.
    pub settings: RunSettings,
    /// The model they were checked against.
    pub model: ModelIdentity,
    /// T.
    pub steps: usize,
    /// How γ and k become the scale of a step, the interval included.
    #[serde(default)]
    pub scale_rule: ScaleRule,
    /// What the unconditional branch saw, markers included; `None` for classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconditional_text: Option<String>,
}

impl RunSpec {
    /// Whether a lane's weights are step-normalized.
    pub fn step_norm(&self, lane: LaneKind) -> bool {
        lane == LaneKind::SoftCfg && self.settings.step_norm
    }

    /// The scale of guided lanes at `step`, from 0.
    pub fn guidance_scale_at(&self, step: usize) -> f32 {
        let RunSettings { guidance_scale, cosine_power, .. } = self.settings;
        self.scale_rule.scale_at(step, self.steps, guidance_scale, cosine_power)
    }

    /// Name of a lane as it was run.
    pub fn lane_label(&self, lane: LaneKind) -> &'static str {
        lane.label(self.step_norm(lane))
    }

    /// How a lane's weights follow from its confidences; CFG and unguided lanes report the budgets
    /// that SoftCFG would have.
    pub fn weight_rule(&self, lane: LaneKind) -> WeightRule {
        let step_norm = self.settings.step_norm && lane != LaneKind::SoftCfgNoStepNorm;
        match self.settings.variant {
            Variant::Paper => WeightRule::Paper { step_norm },
            Variant::ReleasedCode => {
                WeightRule::ReleasedCode { step_norm, constants: self.settings.released_code }
            }
        }
    }

    /// Temperature at which the confidence is measured: 1 in the paper, the sampler's in the
    /// released code.
    pub fn confidence_temperature(&self) -> f32 {
        match self.settings.variant {
            Variant::Paper => 1.0,
            Variant::ReleasedCode => self.settings.sampling.temperature,
        }
    }
}

impl RunSettings {
    /// The rule of the chosen schedule; `None` if the authors' is chosen and the model has none.
    pub fn scale_rule(&self, defaults: &ModelDefaults) -> Option<ScaleRule> {
        match self.schedule {
            Schedule::Cosine => Some(ScaleRule::Cosine),
            Schedule::Authors => {
                let schedule = defaults.authors_schedule.as_ref()?;
                Some(schedule.rule.with_interval(self.guidance_interval))
            }
        }
    }
}
