//! What a person sets ([`RunSettings`], always editable, may be wrong) and what a run is made from
//! ([`RunSpec`], validated, immutable, serializable). Window and command line build both the same way.

use crate::guidance::weights::{ReleasedCode, WeightRule};
use crate::guidance::{CacheRule, Confidence, Perturb, Variant};
use crate::models::card::{Conditions, ModelCard, ModelIdentity};
use crate::models::decoder::Condition;
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
            step_norm: true,
            variant: Variant::default(),
            released_code: ReleasedCode::default(),
            confidence: Confidence::default(),
            perturb: Perturb::default(),
            cache_rule: CacheRule::default(),
            perturb_row_ends: false,
            sampling: Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed: 3 },
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
}

impl RunSpec {
    /// Whether a lane's weights are step-normalized.
    pub fn step_norm(&self, lane: LaneKind) -> bool {
        lane == LaneKind::SoftCfg && self.settings.step_norm
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
    /// Checks everything against a model.
    ///
    /// # Errors
    /// One message per wrong field.
    pub fn validate(&self, card: &ModelCard) -> Result<RunSpec, Vec<FieldError>> {
        let mut errors = Vec::new();
        self.check_condition(card, &mut errors);
        self.check_lanes(&mut errors);
        self.check_guidance(&mut errors);
        self.check_sampling(card, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(RunSpec {
            settings: self.clone(),
            model: card.identity.clone(),
            steps: card.layout.len(),
        })
    }

    fn check_condition(&self, card: &ModelCard, errors: &mut Vec<FieldError>) {
        let mut wrong = |field, message: String| errors.push(FieldError { field, message });
        match (&self.condition, &card.conditions) {
            (Condition::Prompt { text, negative }, Conditions::Prompts(book)) => {
                if text.trim().is_empty() {
                    wrong(
                        Field::Prompt,
                        "The prompt is empty. Type one, or press the dice.".into(),
                    );
                    return;
                }
                let texts = std::iter::once(("prompt", text))
                    .chain(negative.as_ref().map(|text| ("unconditional prompt", text)));
                for (what, text) in texts {
                    match book.check(text) {
                        Ok(check) if !check.unknown_words.is_empty() => wrong(
                            Field::Prompt,
                            format!(
                                "{} does not know {}. Use words from the list of subjects.",
                                card.identity.name,
                                quoted_list(&check.unknown_words)
                            ),
                        ),
                        Ok(check) if check.tokens > check.limit => wrong(
                            Field::Prompt,
                            format!(
                                "The {what} takes {} tokens and {} has room for {}. Shorten it.",
                                check.tokens, card.identity.name, check.limit
                            ),
                        ),
                        Ok(_) => {}
                        Err(error) => wrong(Field::Prompt, error.to_string()),
                    }
                }
            }
            (Condition::Class(id), Conditions::Classes(classes)) => {
                if !classes.iter().any(|class| class.id == *id) {
                    wrong(
                        Field::Class,
                        format!(
                            "There is no class {id}. Choose one of the {} classes.",
                            classes.len()
                        ),
                    );
                }
            }
            (Condition::Prompt { .. }, Conditions::Classes(_)) => {
                wrong(Field::Class, "This model draws classes. Choose a class.".into());
            }
            (Condition::Class(_), Conditions::Prompts(_)) => {
                wrong(Field::Prompt, "This model draws prompts. Type a prompt.".into());
            }
        }
    }

    fn check_lanes(&self, errors: &mut Vec<FieldError>) {
        let mut seen = self.lanes.clone();
        seen.sort_unstable();
        seen.dedup();
        let message = if self.lanes.is_empty() {
            "No lane is on. Switch at least one on."
        } else if seen.len() != self.lanes.len() {
            "A lane is named twice. Name each lane once."
        } else {
            return;
        };
        errors.push(FieldError { field: Field::Lanes, message: message.into() });
    }

    fn check_guidance(&self, errors: &mut Vec<FieldError>) {
        let at_least_zero = [
            (Field::GuidanceScale, "guidance scale γ", self.guidance_scale),
            (Field::CosinePower, "cosine power k", self.cosine_power),
            (Field::ReleasedCode, "strength", self.released_code.strength),
            (Field::ReleasedCode, "weight floor", self.released_code.floor),
        ];
        for (field, name, value) in at_least_zero {
            if !value.is_finite() || value < 0.0 {
                let message = format!("The {name} is {value}. Use a number of 0 or more.");
                errors.push(FieldError { field, message });
            }
        }
        if self.released_code.floor > 1.0 {
            let message = format!(
                "The weight floor is {}. Use a number from 0 to 1.",
                self.released_code.floor
            );
            errors.push(FieldError { field: Field::ReleasedCode, message });
        }
    }

    fn check_sampling(&self, card: &ModelCard, errors: &mut Vec<FieldError>) {
        let Sampling { temperature, top_k, top_p, seed: _ } = self.sampling;
        let mut wrong = |field, message| errors.push(FieldError { field, message });
        if !temperature.is_finite() || temperature <= 0.0 {
            wrong(
                Field::Temperature,
                format!(
                    "The temperature is {temperature}. Use a number above 0; 1 leaves the distribution as it is."
                ),
            );
        }
        let codes = card.decoder.codebook_size;
        if let Some(k) = top_k
            && !(1..=codes).contains(&k)
        {
            wrong(
                Field::TopK,
                format!("Top-k is {k}. Use 1 to {codes}, the number of codes, or switch it off."),
            );
        }
        if !(top_p > 0.0 && top_p <= 1.0) {
            wrong(Field::TopP, format!("Top-p is {top_p}. Use a number above 0 and up to 1."));
        }
    }
}

fn quoted_list(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("“{word}”")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
