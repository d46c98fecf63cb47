//! A run in words.

use crate::engine::settings::{LaneSettings, RunSettings};
use crate::prompts::condition::Condition;
use crate::ui::kit::token_text::number;
use crate::ui::state::run_view::RunView;

/// What a run draws: its prompt, or "class 7".
pub fn drawn(run: &RunView) -> String {
    match run.record.lanes().first().map(|lane| &lane.settings.condition) {
        Some(Condition::Prompt { text, .. }) => text.clone(),
        Some(Condition::Class(id)) => format!("class {id}"),
        None => String::new(),
    }
}

/// A run in one line: "Run 3: a cat on blue, guidance 4.0, seed 7".
pub fn title(run: &RunView) -> String {
    let LaneSettings { guidance, sampling, .. } = RunSettings::of_run(&run.record.spec).shared;
    format!(
        "Run {}: {}, guidance {}, seed {}",
        run.record.id,
        drawn(run),
        trimmed(guidance.scale.guidance_scale),
        sampling.seed
    )
}

/// At most two digits after the point, at least one: 4.0, 1.4, 0.25.
pub fn trimmed(value: f32) -> String {
    let text = number(Some(value), 2);
    let shorter = text.strip_suffix('0').filter(|text| !text.contains('e'));
    shorter.map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_but_keep_their_point() {
        assert_eq!([1e30, f32::NAN].map(trimmed), ["1.0e30", "–"]);
        assert_eq!([4.0, 1.4, 0.25, 10.0].map(trimmed), ["4.0", "1.4", "0.25", "10.0"]);
    }
}
