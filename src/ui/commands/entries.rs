//! What the palette lists: the commands that can be given now, and what there is of scenarios, models,
//! looks and runs; and how typed words find it.

use crate::engine::quantities::quantity::Axis;
use crate::ui::action::Action;
use crate::ui::commands::situation::Situation;
use crate::ui::commands::table;
use crate::ui::kit::run_text;
use crate::ui::scenarios::table as scenarios;
use crate::ui::state::view::{Comparison, Overlay};
use crate::ui::theme::ThemeChoice;
use egui::KeyboardShortcut;
use strum::VariantArray;

/// One line of the palette.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What is read and searched.
    pub label: String,
    /// What it does.
    pub tooltip: String,
    /// Its shortcuts.
    pub keys: &'static [KeyboardShortcut],
    /// What it asks for.
    pub action: Action,
}

/// Everything that can be done now.
pub fn entries(situation: &Situation) -> Vec<Entry> {
    let mut entries = Vec::new();
    for command in table::ALL {
        match (command.action)(situation) {
            None | Some(Action::TogglePalette) => {}
            Some(action) => entries.push(Entry {
                label: command.label.into(),
                tooltip: command.tooltip.into(),
                keys: command.keys,
                action,
            }),
        }
    }
    let mut add = |label: String, tooltip: &str, action| {
        entries.push(Entry { label, tooltip: tooltip.into(), keys: &[], action });
    };
    if situation.draws_scenarios {
        for (index, one) in scenarios::all().iter().enumerate() {
            let tooltip = one.look_at.join("\n");
            add(format!("Scenario: {}", one.name), &tooltip, Action::ApplyScenario(index));
        }
    }
    if situation.can_open_models {
        for recent in situation.recent {
            let paths = recent.request.paths.iter().map(|path| path.display().to_string());
            let tooltip = paths.collect::<Vec<_>>().join("\n");
            let action = Action::LoadModel(recent.request.clone());
            add(format!("Open model: {}", recent.name), &tooltip, action);
        }
    }
    for &overlay in Overlay::VARIANTS {
        let tooltip = "Lays this over the images.";
        add(format!("Overlay: {}", overlay.label()), tooltip, Action::SetOverlay(overlay));
    }
    for &axis in Axis::VARIANTS {
        add(format!("Plot: {}", axis.label()), axis.does(), Action::SetPlotTab(axis));
    }
    if situation.shown().is_some_and(|run| run.lanes.len() > 1) {
        for &one in Comparison::VARIANTS {
            add(format!("Compare: {}", one.label()), one.does(), Action::SetComparison(one));
        }
    }
    for (name, theme) in [("dark", ThemeChoice::Dark), ("light", ThemeChoice::Light)] {
        add(format!("Theme: {name}"), "Colours of the window.", Action::SetTheme(theme));
    }
    if let Some(run) = situation.shown() {
        for (lane, spec) in run.record.lanes().iter().enumerate() {
            let tooltip = "Saves the image at full resolution, with its settings inside.";
            for with_overlay in [false, true] {
                let what = if with_overlay { " with overlay" } else { "" };
                let action = Action::SaveImage { run: run.record.id, lane, with_overlay };
                add(format!("Save image: {}{what}", spec.label()), tooltip, action);
            }
        }
    }
    for run in situation.runs.iter().rev() {
        let (id, title) = (run.record.id, run_text::title(run));
        add(format!("Show {title}"), "Shows the run again.", Action::ShowRun(id));
        let tooltip = "Takes the run's settings back into the settings panel.";
        add(format!("Restore {title}"), tooltip, Action::RestoreSettings(id));
    }
    entries
}

/// Those that every word of `query` finds, best first: words at the beginning of words, then inside them,
/// then letters in their order.
pub fn found(entries: Vec<Entry>, query: &str) -> Vec<Entry> {
    let query = query.to_lowercase();
    let ranked = entries.into_iter().filter_map(|entry| Some((rank(&entry.label, &query)?, entry)));
    let mut ranked: Vec<(usize, Entry)> = ranked.collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, entry)| entry).collect()
}

/// How well a label answers a query in lower case, 0 best; `None` if it does not.
fn rank(label: &str, query: &str) -> Option<usize> {
    let label = label.to_lowercase();
    query.split_whitespace().map(|word| rank_of_word(&label, word)).sum()
}

fn rank_of_word(label: &str, word: &str) -> Option<usize> {
    let starts = label.match_indices(word).map(|(at, _)| at);
    let best = starts.map(|at| {
        let inside = label.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
        usize::from(inside)
    });
    if let Some(best) = best.min() {
        return Some(best);
    }
    let mut letters = label.chars();
    word.chars().all(|wanted| letters.any(|letter| letter == wanted)).then_some(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::state::shared::Shared;
    use crate::ui::state::zoom::WindowZoom;

    fn labels(query: &str) -> Vec<String> {
        let shared = Shared::default();
        let situation = Situation {
            runs: &[],
            shared: &shared,
            sheet_open: false,
            can_open_models: true,
            recent: &[],
            draws_scenarios: true,
            theme: ThemeChoice::Dark,
            zoom: WindowZoom::default(),
        };
        found(entries(&situation), query).into_iter().map(|entry| entry.label).collect()
    }

    #[test]
    fn words_find_commands_in_any_order() {
        assert_eq!(
            labels("over guid").first().map(String::as_str),
            Some("Scenario: Over-guidance")
        );
        assert_eq!(labels("light").first().map(String::as_str), Some("Theme: light"));
        assert_eq!(labels("model open").first().map(String::as_str), Some("Open model…"));
        assert_eq!(labels("plent").first().map(String::as_str), Some("Plot: Entropy"));
        assert!(labels("zzz").is_empty());
    }

    #[test]
    fn what_cannot_be_done_is_not_listed() {
        let all = labels("");
        for absent in ["Restore settings", "Stop, or let go of the token", "Commands"] {
            assert!(!all.iter().any(|label| label == absent), "{absent}");
        }
        assert!(all.iter().any(|label| label == "Generate"));
    }
}
