//! What can be set for one lane.

use crate::guidance::schedule::ScaleRule;
use crate::guidance::{Guidance, Preset};
use crate::models::card::{AuthorsSchedule, ModelDefaults};
use crate::prompts::condition::Condition;
use crate::sampling::Sampling;

/// What is drawn first. The built-in model draws it well under both usual lanes, which part visibly with
/// [`FIRST_SEED`] (`cargo bench --bench fidelity -- part`).
const FIRST_PROMPT: &str = "a purple umbrella above a green cactus on white";
/// The seed of the first picture.
const FIRST_SEED: u64 = 11;

/// Everything that shapes one lane: complete, editable, possibly wrong.
/// The table of settings has a row for each of its values, and files hold one value a key.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneSettings {
    /// Prompt or class.
    pub condition: Condition,
    /// Weak branch, perturbation, combination, scale.
    pub guidance: Guidance,
    /// Temperature, filters, seed.
    pub sampling: Sampling,
    /// Penalty on codes drawn before, above 0; 1 is none. It acts on the conditional logits before
    /// guidance, and on nothing that is measured.
    pub repetition_penalty: f32,
    /// Measure Δctx with one more row, in lanes whose weak branch is perturbed.
    pub delta_context: bool,
}

impl Default for LaneSettings {
    fn default() -> Self {
        Self {
            condition: Condition::Prompt { text: FIRST_PROMPT.into(), negative: None },
            guidance: Guidance::default(),
            sampling: Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed: FIRST_SEED },
            repetition_penalty: 1.0,
            // One more row: the plots are worth it, and decoding hardly notices.
            delta_context: true,
        }
    }
}

/// Presets of the lanes that a run has unless others are chosen.
pub(super) const USUAL_LANES: [Preset; 2] = [Preset::Cfg, Preset::SoftCfg];

impl LaneSettings {
    /// The lanes that share these settings but for their presets, each with its name.
    pub fn with_presets(&self, presets: &[Preset]) -> Vec<(String, Self)> {
        let lane = |&preset: &Preset| {
            let guidance = preset.applied_to(self.guidance);
            (preset.key().to_owned(), Self { guidance, ..self.clone() })
        };
        presets.iter().map(lane).collect()
    }

    /// Takes over what the model's authors sample with: γ, k, penalty, temperature, filters, seed.
    pub fn adopt(&mut self, defaults: &ModelDefaults) {
        self.guidance.scale.guidance_scale = defaults.guidance_scale;
        self.guidance.scale.cosine_power = defaults.cosine_power;
        self.repetition_penalty = defaults.repetition_penalty;
        self.sampling = defaults.sampling;
    }

    /// The rule of the chosen schedule, given that of the model's authors; `None` if theirs is chosen and
    /// they have none.
    pub fn scale_rule(&self, authors: Option<&AuthorsSchedule>) -> Option<ScaleRule> {
        self.guidance.scale.rule(authors.map(|schedule| schedule.rule))
    }
}
