//! What a run is made from: validated, immutable, written into `run.json` and every saved image.

use crate::engine::settings::lane::LaneSettings;
use crate::engine::settings::version_0_1::FlatSettings;
use crate::guidance::Preset;
use crate::guidance::schedule::ScaleRule;
use crate::models::card::ModelIdentity;
use serde::{Deserialize, Serialize};

/// A validated run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct RunSpec {
    /// At least one, under different names, in the order they are shown.
    pub lanes: Vec<LaneSpec>,
    /// The model that they were checked against.
    pub model: ModelIdentity,
    /// T, the number of steps of every lane.
    pub steps: usize,
}

/// One lane of a run, with all that it depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaneSpec {
    /// Its name in files: that of its preset, unless another was given.
    pub name: String,
    /// The settings, checked against the model.
    pub settings: LaneSettings,
    /// How γ and k become the scale of a step, the interval included.
    pub scale_rule: ScaleRule,
    /// What the unconditional branch saw, markers included; `None` for classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconditional_text: Option<String>,
}

impl LaneSpec {
    /// The preset that describes the lane.
    pub fn preset(&self) -> Preset {
        Preset::of(&self.settings.guidance)
    }

    /// Name beside its colour.
    pub fn label(&self) -> &'static str {
        self.preset().info().label
    }

    /// The guidance scale at `step` (from 0) of `steps`: 1 without a weak branch.
    pub fn guidance_scale_at(&self, step: usize, steps: usize) -> f32 {
        if !self.settings.guidance.is_guided() {
            return 1.0;
        }
        let scale = &self.settings.guidance.scale;
        self.scale_rule.scale_at(step, steps, scale.guidance_scale, scale.cosine_power)
    }
}

/// A run as it is read. Version 0.1.0 wrote one set of settings for all lanes.
#[derive(Deserialize)]
struct Stored {
    lanes: Option<Vec<LaneSpec>>,
    settings: Option<FlatSettings>,
    model: ModelIdentity,
    steps: usize,
    #[serde(default)]
    scale_rule: ScaleRule,
    unconditional_text: Option<String>,
}

impl TryFrom<Stored> for RunSpec {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored { lanes, settings, model, steps, scale_rule, unconditional_text } = stored;
        let lanes = match (lanes, settings) {
            (Some(lanes), _) => lanes,
            (None, Some(flat)) => {
                let lanes = flat.shared().with_presets(&flat.lanes).into_iter();
                let spec = |(name, settings)| LaneSpec {
                    name,
                    settings,
                    scale_rule,
                    unconditional_text: unconditional_text.clone(),
                };
                lanes.map(spec).collect()
            }
            (None, None) => return Err("a run without lanes"),
        };
        if lanes.is_empty() {
            return Err("a run without lanes");
        }
        Ok(Self { lanes, model, steps })
    }
}
