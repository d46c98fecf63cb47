//! What panel and command line edit: settings that all lanes share, and the list of lanes.

use crate::engine::settings::lane::{LaneSettings, USUAL_LANES};
use crate::engine::settings::spec::RunSpec;
use crate::engine::settings::version_0_1::FlatSettings;
use crate::guidance::{Guidance, Preset};
use serde::{Deserialize, Serialize};

/// Everything a person can set for a run. A run itself is a list of complete lanes, [`RunSpec`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct RunSettings {
    /// What the lanes share; their weak branches and combinations come from their presets.
    pub shared: LaneSettings,
    /// 1 to 4 different lanes, in the order they are shown.
    pub lanes: Vec<Preset>,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self { shared: LaneSettings::default(), lanes: USUAL_LANES.to_vec() }
    }
}

impl RunSettings {
    /// The guidance of a lane with this preset.
    pub fn guidance(&self, preset: Preset) -> Guidance {
        preset.applied_to(self.shared.guidance)
    }

    /// The lanes, each with its name and its whole settings.
    pub fn named_lanes(&self) -> Vec<(String, LaneSettings)> {
        self.shared.with_presets(&self.lanes)
    }

    /// The settings that make a run. What lanes share is taken from the first of them.
    pub fn of_run(spec: &RunSpec) -> Self {
        let preset =
            |name: &str, guidance: &Guidance| name.parse().unwrap_or_else(|_| Preset::of(guidance));
        let lanes: Vec<Preset> =
            spec.lanes.iter().map(|lane| preset(&lane.name, &lane.settings.guidance)).collect();
        let mut shared =
            spec.lanes.first().map_or_else(LaneSettings::default, |lane| lane.settings.clone());
        let usual = Guidance::default();
        let guidance = &mut shared.guidance;
        (guidance.weak_branch, guidance.combination) = (usual.weak_branch, usual.combination);
        // As it stood for the lanes that follow the switch.
        let mut following =
            spec.lanes.iter().zip(&lanes).filter(|(_, preset)| !preset.sets_step_norm());
        guidance.perturbation.step_norm =
            following.next().map_or(usual.perturbation.step_norm, |(lane, _)| {
                lane.settings.guidance.perturbation.step_norm
            });
        Self { shared, lanes }
    }
}

/// Settings as they are read: those of version 0.1.0 stood flat beside the lanes.
#[derive(Deserialize)]
struct Stored {
    shared: Option<LaneSettings>,
    #[serde(flatten)]
    flat: FlatSettings,
}

impl From<Stored> for RunSettings {
    fn from(Stored { shared, flat }: Stored) -> Self {
        match shared {
            Some(shared) => Self { shared, lanes: flat.lanes },
            None => Self { shared: flat.shared(), lanes: flat.lanes },
        }
    }
}
