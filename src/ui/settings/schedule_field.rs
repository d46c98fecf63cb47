//! Which schedule the guidance follows: the cosine of the paper with its power k, or what the program
//! of the model's authors does. Models without a program of their own have no choice to make.

use crate::engine::settings::{LaneSettings, SettingKey};
use crate::guidance::schedule::Schedule;
use crate::models::card::AuthorsSchedule;
use crate::ui::settings::form::Form;
use crate::ui::settings::rows;
use crate::ui::settings::rows::Count;
use egui::Ui;

const UNUSED: &str = "The schedule of the authors does not use k.";

/// The power k, off where the chosen schedule does not use it.
pub fn cosine_power(
    ui: &mut Ui,
    form: &mut Form,
    usual: &LaneSettings,
    authors: Option<&AuthorsSchedule>,
    one_line: bool,
) {
    let rule = form.settings.shared.scale_rule(authors);
    let used = rule.is_none_or(|rule| rule.uses_cosine_power());
    let row = |ui: &mut Ui| rows::number(ui, form, SettingKey::CosinePower, usual, one_line);
    let response = ui.add_enabled_ui(used, row).response;
    if !used {
        response.on_hover_text(UNUSED).on_disabled_hover_text(UNUSED);
    }
}

/// The choice of the schedule, and the interval where the chosen one has it.
pub fn show(ui: &mut Ui, form: &mut Form, usual: &LaneSettings, authors: Option<&AuthorsSchedule>) {
    let Some(authors) = authors else {
        rows::problem(ui, form, SettingKey::Schedule);
        return;
    };
    if let Some(response) = rows::choice(ui, form, SettingKey::Schedule, usual) {
        response.on_hover_text(format!("{}: {}", authors.source, authors.description));
    }
    let chosen = form.settings.shared.guidance.scale.schedule;
    if chosen == Schedule::Authors && authors.takes_interval() {
        let row = Count {
            first: 64,
            speed: 1.0,
            suffix: String::new(),
            off: "guides every token".into(),
        };
        rows::count(ui, form, SettingKey::GuidanceInterval, usual, row);
    }
}

/// A schedule in words, for the tooltip of its plot.
pub fn term(schedule: Option<&AuthorsSchedule>) -> String {
    match schedule {
        None => "scale = 1 + (γ − 1)·½(1 − cos(π·(step/T)ᵏ)); the paper's γ_t of Eq. 6 is scale − 1. The dashed line is scale 1: no guidance.".into(),
        Some(AuthorsSchedule { description, source, .. }) => {
            format!("{source}: {description} The dashed line is scale 1: no guidance.")
        }
    }
}
