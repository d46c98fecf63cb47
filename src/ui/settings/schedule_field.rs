//! Which schedule the guidance follows: the cosine of the paper with its power k, or what the program
//! of the model's authors does. Models without a program of their own have no choice to make.

use crate::engine::settings::Field;
use crate::guidance::schedule::Schedule;
use crate::models::card::{AuthorsSchedule, ModelDefaults};
use crate::ui::kit::controls;
use crate::ui::kit::controls::{Hint, SliderRow};
use crate::ui::settings::form::Form;
use egui::{DragValue, Ui, vec2};

const COSINE_POWER: Hint = Hint::new(
    "How late the guidance sets in. 0 keeps it constant; larger waits longer.",
    "k, the power of the cosine schedule ½(1 − cos(π·(t/T)ᵏ)).",
);
const SCHEDULE: Hint = Hint::new(
    "How the guidance scale goes over the steps.",
    "The cosine of Sec. 3.4, or the rule of the program that the model's authors sample with.",
);
const INTERVAL: Hint = Hint::new(
    "Ends the guidance early: tokens after this one and the next are drawn without it.",
    "LlamaGen's cfg_interval counts decoding calls: tokens 0 to interval + 1 are guided.",
);
const UNUSED: &str = "The schedule of the authors does not use k.";

/// The power k, off where the chosen schedule does not use it.
pub fn cosine_power(ui: &mut Ui, form: &mut Form, defaults: &ModelDefaults, one_line: bool) {
    let used =
        form.settings.shared.scale_rule(defaults).is_none_or(|rule| rule.uses_cosine_power());
    let row = SliderRow {
        name: if one_line { "Power k" } else { "Cosine power k" },
        hint: COSINE_POWER,
        range: 0.0..=4.0,
        default: defaults.cosine_power,
        decimals: 1,
        one_line,
    };
    let power = &mut form.settings.shared.guidance.scale.cosine_power;
    let response = ui.add_enabled_ui(used, |ui| row.show(ui, power)).response;
    if !used {
        response.on_hover_text(UNUSED).on_disabled_hover_text(UNUSED);
    }
    controls::field_message(ui, form.field_error(Field::CosinePower));
}

/// The choice of the schedule, and the interval where the chosen one has it.
pub fn show(ui: &mut Ui, form: &mut Form, defaults: &ModelDefaults) {
    if let Some(schedule) = &defaults.authors_schedule {
        let scale = &mut form.settings.shared.guidance.scale;
        controls::choice(ui, "Schedule", SCHEDULE, &mut scale.schedule, |one| match one {
            Schedule::Cosine => "Cosine (paper)",
            Schedule::Authors => "Authors' code",
        })
        .on_hover_text(format!("{}: {}", schedule.source, schedule.description));
        if scale.schedule == Schedule::Authors && schedule.takes_interval() {
            interval(ui, &mut scale.interval);
        }
    }
    controls::field_message(ui, form.field_error(Field::Schedule));
}

fn interval(ui: &mut Ui, value: &mut Option<usize>) {
    ui.horizontal(|ui| {
        let mut on = value.is_some();
        if controls::switch(ui, &mut on, "Interval", INTERVAL).changed() {
            *value = on.then_some(64);
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| match value {
            Some(interval) => {
                let number = DragValue::new(interval).range(0..=100_000).min_size(vec2(72.0, 26.0));
                INTERVAL.on(ui.add(number).accessible_name("Interval value"));
            }
            None => {
                ui.label(egui::RichText::new("guides every token").small().weak());
            }
        });
    });
}

/// What the plot says of a schedule, besides its numbers.
pub fn term(schedule: Option<&AuthorsSchedule>) -> String {
    match schedule {
        None => "scale = 1 + (γ − 1)·½(1 − cos(π·(step/T)ᵏ)); the paper's γ_t of Eq. 6 is scale − 1. The dashed line is scale 1: no guidance.".into(),
        Some(AuthorsSchedule { description, source, .. }) => {
            format!("{source}: {description} The dashed line is scale 1: no guidance.")
        }
    }
}
