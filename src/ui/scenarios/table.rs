//! Scenarios: settings for which the built-in model shows what the paper's figures show, each with
//! two lines that say what to look at. Plain data; applying one is a change of the settings.

use crate::engine::quantities::quantity::Axis;
use crate::engine::settings::{LaneSettings, RunSettings};
use crate::guidance::Preset;
use crate::prompts::condition::Condition;
use crate::ui::state::view::{Overlay, ViewSettings};

/// One scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scenario {
    /// Name in the menu.
    pub name: &'static str,
    /// Figure of the paper.
    pub figure: &'static str,
    /// What to look at: two lines.
    pub look_at: [&'static str; 2],
    prompt: &'static str,
    seed: u64,
    guidance_scale: f32,
    cosine_power: f32,
    lanes: &'static [Preset],
    delta_context: bool,
    overlay: Overlay,
    plot_tab: Axis,
}

/// All of them, in the order of the menu.
pub fn all() -> &'static [Scenario] {
    &SCENARIOS
}

// The words say what `cargo bench --bench scenarios` measures on the built-in model over 24 seeds.
static SCENARIOS: [Scenario; 4] = [
    Scenario {
        name: "Guidance diminishing",
        figure: "Fig. 3",
        look_at: [
            "‖Δ‖, CFG: the branches are far apart in the first rows and close in on each other; so does the entropy gap.",
            "‖Δ‖ falls to less than half with every seed tried. SoftCFG with step norm stays close to CFG in this small model.",
        ],
        prompt: "a bus and a house on yellow",
        seed: 7,
        guidance_scale: 4.0,
        cosine_power: 0.0,
        lanes: &[Preset::Cfg, Preset::SoftCfg],
        delta_context: true,
        overlay: Overlay::Delta,
        plot_tab: Axis::Delta,
    },
    Scenario {
        name: "Over-guidance",
        figure: "Fig. 4",
        look_at: [
            "Constant scale of 8: shapes break up although each step follows the prompt. SoftCFG does not mend it here.",
            "Move γ down to 2 and watch the scene come back; the lane without guidance shows what the model draws alone.",
        ],
        prompt: "a dog left of a pizza on green",
        seed: 7,
        guidance_scale: 8.0,
        cosine_power: 0.0,
        lanes: &[Preset::None, Preset::Cfg, Preset::SoftCfg],
        delta_context: true,
        overlay: Overlay::Off,
        plot_tab: Axis::Entropy,
    },
    Scenario {
        name: "Explosion without step norm",
        figure: "Fig. 7",
        look_at: [
            "Thin ‖z_c − z_g‖ curves: without step norm the branches end about six times as far apart.",
            "The budget plot says why: Σ(1−w) grows with every token; with step norm it stays at one token's worth.",
        ],
        prompt: "a bus and a house on yellow",
        seed: 7,
        guidance_scale: 4.0,
        cosine_power: 1.4,
        lanes: &[Preset::SoftCfg, Preset::SoftCfgNoStepNorm],
        delta_context: true,
        overlay: Overlay::Off,
        plot_tab: Axis::Delta,
    },
    Scenario {
        name: "Attribute binding",
        figure: "Fig. 12",
        look_at: [
            "Two objects with a colour each: look for the first one's colour in the second as rows are drawn.",
            "Weak in this small model: in 20 of 20 seeds each colour stays with its object in every lane; shapes drift instead.",
        ],
        prompt: "a red cat left of a blue dog on white",
        seed: 17,
        guidance_scale: 6.0,
        cosine_power: 1.4,
        lanes: &[Preset::Cfg, Preset::SoftCfg],
        delta_context: true,
        overlay: Overlay::Weight,
        plot_tab: Axis::Entropy,
    },
];

impl Scenario {
    /// Puts the scenario's values in place; what it does not set goes back to the paper's.
    pub fn apply(&self, settings: &mut RunSettings, view: &mut ViewSettings) {
        let mut shared = LaneSettings {
            condition: Condition::Prompt { text: self.prompt.into(), negative: None },
            delta_context: self.delta_context,
            ..LaneSettings::default()
        };
        shared.guidance.scale.guidance_scale = self.guidance_scale;
        shared.guidance.scale.cosine_power = self.cosine_power;
        shared.sampling.seed = self.seed;
        *settings = RunSettings { shared, lanes: self.lanes.to_vec() };
        view.overlay = self.overlay;
        view.plot_tab = self.plot_tab;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_told_apart_and_leave_nothing_of_the_settings_before() {
        let names: std::collections::HashSet<_> = all().iter().map(|one| one.name).collect();
        assert_eq!(names.len(), all().len());
        for scenario in all() {
            let (mut one, mut other) = (RunSettings::default(), RunSettings::default());
            other.shared.sampling.temperature = 0.3;
            other.shared.guidance.perturbation.step_norm = false;
            other.lanes.clear();
            let mut view = ViewSettings::default();
            scenario.apply(&mut one, &mut view);
            scenario.apply(&mut other, &mut view);
            assert_eq!(one, other);
            assert!(!one.lanes.is_empty() && scenario.look_at.iter().all(|line| line.len() < 130));
        }
    }
}
