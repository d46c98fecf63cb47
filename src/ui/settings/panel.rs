//! The settings: what shapes every run stands fixed at the top, the rest scrolls below it. Where the window is very low,
//! only the prompt and Generate stand fixed.

use crate::engine::settings::{LaneSettings, RunSettings, SettingKey, Value};
use crate::engine::trace::RunStatus;
use crate::guidance::Preset;
use crate::guidance::schedule::Schedule;
use crate::models::card::{Conditions, ModelCard};
use crate::prompts::condition::Condition;
use crate::ui::action::Action;
use crate::ui::commands::table;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::kit::fonts;
use crate::ui::kit::typed_number::TypedNumber;
use crate::ui::settings::form::Form;
use crate::ui::settings::rows;
use crate::ui::settings::schedule_plot::SchedulePlot;
use crate::ui::settings::{class_field, machine, method, prompt_field, schedule_field};
use crate::ui::state::model::ModelStatus;
use crate::ui::theme::{CONTROL_HEIGHT, palette};
use egui::{Button, Label, RichText, ScrollArea, Sense, Stroke, TextEdit, Ui, vec2};
use egui_material_icons::icons::{
    ICON_CASINO, ICON_LOCK, ICON_LOCK_OPEN, ICON_PAUSE, ICON_PLAY_ARROW, ICON_RESUME, ICON_STOP,
};
use std::sync::Arc;
use strum::VariantArray;

const STOP: Hint = Hint {
    does: "Stops after the present step; what is drawn stays.",
    term: "",
    keys: table::STOP.keys,
};
const LIVE: Hint =
    Hint::new("Decodes again 150 ms after every change of the settings, stopping what runs.", "");
const LOCK: Hint =
    Hint::new("Closed: Generate keeps the seed. Open: Generate takes a new one each time.", "");

/// Shows the panel.
pub fn show(ui: &mut Ui, form: &mut Form) {
    let card = form.model.card().cloned();
    let mut usual = LaneSettings::default();
    if let Some(card) = &card {
        usual.adopt(&card.defaults);
    }
    ui.spacing_mut().item_spacing.y = if form.low { 4.0 } else { 8.0 };
    condition(ui, form, card.as_deref());
    generate(ui, form);
    if !form.tight {
        guidance(ui, form, &usual, card.as_deref());
        seed(ui, form);
    }
    ui.add_space(if form.low { 0.0 } else { 4.0 });
    separator(ui);
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        // Room for the scroll bar, so that it covers nothing.
        ui.set_max_width(ui.available_width() - 8.0);
        if form.tight {
            guidance(ui, form, &usual, card.as_deref());
            seed(ui, form);
            ui.add_space(8.0);
        }
        lanes(ui, form);
        ui.add_space(8.0);
        method::sampling(ui, form, &usual, card.as_deref());
        ui.add_space(8.0);
        method::method(ui, form, &usual, card.as_deref());
        ui.add_space(8.0);
        machine::show(ui, form);
    });
}

fn separator(ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 1.0), Sense::hover());
    let stroke = Stroke::new(1.0, palette(ui.ctx()).border);
    ui.painter().hline(rect.x_range(), rect.center().y, stroke);
}

fn condition(ui: &mut Ui, form: &mut Form, card: Option<&ModelCard>) {
    match card.map(|card| card.conditions.clone()) {
        Some(Conditions::Prompts(book)) => prompt_field::show(ui, form, &book),
        Some(Conditions::Classes(classes)) => class_field::show(ui, form, &classes),
        None => {
            // Before a model is there the prompt of the last session is shown as it will stand.
            controls::group_title(ui, "Prompt", |_| {});
            let mut text = match &form.settings.shared.condition {
                Condition::Prompt { text, .. } => text.clone(),
                Condition::Class(id) => format!("class {id}"),
            };
            let field = TextEdit::multiline(&mut text)
                .desired_rows(2)
                .desired_width(f32::INFINITY)
                .margin(egui::Margin::symmetric(8, 6));
            ui.add_enabled(false, field).accessible_name("Prompt");
        }
    }
}

fn generate(ui: &mut Ui, form: &mut Form) {
    ui.horizontal(|ui| {
        // Pause keeps its place while nothing runs, so that nothing moves when a run begins.
        let (live_width, gap) = (76.0, ui.spacing().item_spacing.x);
        let size = vec2(ui.available_width() - CONTROL_HEIGHT - live_width - 2.0 * gap, 32.0);
        let running = form.running.map(|run| (run.record.id, run.steps_done, run.steps()));
        match running {
            Some((id, done, steps)) => stop_button(ui, form, size, id, done as f32 / steps as f32),
            None => generate_button(ui, form, size),
        }
        pause_button(ui, form);
        controls::switch(ui, form.live, "Live", LIVE);
    });
}

fn generate_button(ui: &mut Ui, form: &mut Form, size: egui::Vec2) {
    let colours = palette(ui.ctx());
    let reason = match form.model {
        ModelStatus::Loading => Some("The model is still being loaded."),
        ModelStatus::Failed(_) => {
            Some("There is no model. Choose one in the menu at the top left.")
        }
        ModelStatus::Ready(_) => form.problems.first().map(|error| error.message.as_str()),
    };
    let text = |text: RichText| text.color(colours.on_accent);
    let button =
        Button::new((text(ICON_PLAY_ARROW.rich_text().size(18.0)), text(fonts::group("Generate"))))
            .fill(colours.accent)
            .stroke(Stroke::NONE)
            .min_size(size);
    let response = ui.add_enabled(reason.is_none(), button).accessible_name("Generate");
    let response = match reason {
        Some(reason) => response.on_disabled_hover_text(reason),
        None => table::GENERATE
            .hint_with("One forward pass a step for all branches of all lanes.")
            .on(response),
    };
    if response.clicked() {
        form.actions.push(Action::Generate);
    }
}

fn stop_button(ui: &mut Ui, form: &mut Form, size: egui::Vec2, id: u64, done: f32) {
    let colours = palette(ui.ctx());
    let stopping = form.stopping == Some(id);
    let name = if stopping { "Stopping…" } else { "Stop" };
    let button = Button::new((ICON_STOP.rich_text().size(18.0), fonts::group(name)))
        .fill(colours.raised)
        .min_size(size);
    let response = STOP.on(ui.add_enabled(!stopping, button).accessible_name(name));
    // How far the run is, as a line along the button's foot.
    let mut line = response.rect.shrink2(vec2(5.0, 0.0));
    line.set_top(line.bottom() - 3.0);
    line.set_width(line.width() * done.clamp(0.0, 1.0));
    ui.painter().rect_filled(line, 1.5, colours.accent);
    if response.clicked() {
        form.actions.push(Action::Cancel);
    }
}

fn pause_button(ui: &mut Ui, form: &mut Form) {
    let status = form.running.map(|run| &run.status);
    let mut paused = status == Some(&RunStatus::Paused);
    let name = if paused { "Resume run" } else { "Pause run" };
    let icons = (ICON_RESUME, ICON_PAUSE);
    let toggled = ui
        .add_enabled_ui(status.is_some(), |ui| {
            controls::icon_toggle(ui, &mut paused, icons, name, table::PAUSE.hint())
        })
        .inner;
    if toggled.changed() {
        form.actions.push(Action::SetPaused(paused));
    }
}

fn guidance(ui: &mut Ui, form: &mut Form, usual: &LaneSettings, card: Option<&ModelCard>) {
    let one_line = form.low;
    let authors = card.and_then(|card| card.defaults.authors_schedule.as_ref());
    rows::number(ui, form, SettingKey::GuidanceScale, usual, one_line);
    schedule_field::cosine_power(ui, form, usual, authors, one_line);
    schedule_field::show(ui, form, usual, authors);
    let settings = &form.settings.shared;
    let scale = &settings.guidance.scale;
    let plot = SchedulePlot {
        steps: card.map_or(256, |card| card.layout.len()),
        rule: settings.scale_rule(authors).unwrap_or_default(),
        guidance_scale: scale.guidance_scale,
        cosine_power: scale.cosine_power,
        step: form.cursor_step,
        height: if one_line { 44.0 } else { 64.0 },
        term: schedule_field::term(authors.filter(|_| scale.schedule == Schedule::Authors)),
    };
    plot.show(ui);
    let step_norm = &mut form.settings.shared.guidance.perturbation.step_norm;
    let label = SettingKey::StepNorm.setting().label;
    controls::switch(ui, step_norm, label, rows::hint(SettingKey::StepNorm));
}

fn seed(ui: &mut Ui, form: &mut Form) {
    let setting = SettingKey::Seed.setting();
    let seed = &mut form.settings.shared.sampling.seed;
    let write = |seed: u64| seed.to_string();
    let typed = form.panel.seed.get_or_insert_with(|| TypedNumber::new(*seed, write(*seed)));
    ui.horizontal(|ui| {
        let hint = rows::hint(SettingKey::Seed);
        let label = hint.on(ui.label(setting.label));
        ui.spacing_mut().item_spacing.x = 4.0;
        let width = ui.available_width() - 2.0 * (CONTROL_HEIGHT + 4.0);
        let wrong = palette(ui.ctx()).error;
        let colour = typed.problem().map(|_| wrong);
        let field = TextEdit::singleline(typed.text(*seed, write))
            .font(fonts::number_font())
            .text_color_opt(colour)
            .desired_width(width)
            .char_limit(24)
            .margin(egui::Margin::symmetric(8, 5));
        let response = hint.on(ui.add(field).labelled_by(label.id));
        let read = |text: &str| {
            rows::read(setting, text, |value| match value {
                Value::Whole(seed) => Some(seed),
                _ => None,
            })
        };
        typed.follow(&response, ui, seed, read, write);
        let icons = (ICON_LOCK, ICON_LOCK_OPEN);
        controls::icon_toggle(ui, form.seed_locked, icons, "Lock seed", LOCK);
        if controls::icon_button(ui, ICON_CASINO, table::NEW_SEED.label, table::NEW_SEED.hint())
            .clicked()
        {
            form.actions.push(Action::NewSeed);
        }
    });
    let problem = form.panel.seed.as_ref().and_then(TypedNumber::problem);
    controls::field_message(ui, problem);
}

fn lanes(ui: &mut Ui, form: &mut Form) {
    let guidance = form.settings.shared.guidance;
    let chosen = &mut form.settings.lanes;
    let usual = RunSettings::default().lanes;
    let mut reset = false;
    controls::group_title(ui, "Lanes", |ui| {
        reset = controls::reset_button(ui, *chosen != usual, "the lanes");
    });
    if reset {
        *chosen = usual;
    }
    let spacing = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 0.0);
    for lane in Preset::VARIANTS {
        // As the switches above make it: SoftCFG is without step norm where that is off.
        let shown = Preset::of(&lane.applied_to(guidance));
        let colour = palette(ui.ctx()).lane(shown);
        let mut on = chosen.contains(lane);
        let response = ui
            .horizontal(|ui| {
                let name = shown.info().label;
                let response = lane_check(ui, &mut on).accessible_name(name);
                ui.spacing_mut().item_spacing.x = 6.0;
                let (dot, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
                ui.painter().circle_filled(dot.center(), 4.5, colour);
                let label = ui.add(Label::new(name).sense(Sense::click()));
                if label.clicked() {
                    on = !on;
                }
                response | label
            })
            .inner;
        Hint::new(lane.info().does, lane.info().term).on(response);
        if on != chosen.contains(lane) {
            // The order of the enumeration, whatever the order of clicks.
            let keep = |one: &&Preset| if *one == lane { on } else { chosen.contains(one) };
            *chosen = Preset::VARIANTS.iter().filter(keep).copied().collect();
        }
    }
    ui.spacing_mut().item_spacing.y = spacing;
    controls::field_message(ui, form.problem(None));
}

/// A check box that is filled while it is on, so that the lanes of a run are seen at a glance.
fn lane_check(ui: &mut Ui, on: &mut bool) -> egui::Response {
    let colours = palette(ui.ctx());
    ui.scope(|ui| {
        ui.spacing_mut().icon_spacing = 0.0;
        ui.spacing_mut().interact_size.x = 16.0;
        if *on {
            let widgets = &mut ui.visuals_mut().widgets;
            for state in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
                state.bg_fill = colours.accent;
                state.bg_stroke = Stroke::new(1.0, colours.accent);
                state.fg_stroke = Stroke::new(1.5, colours.on_accent);
            }
        }
        ui.checkbox(on, "")
    })
    .inner
}

/// Steps, columns and conditions of the model decide which settings have a meaning; a prompt becomes
/// a class and a class a prompt when a model of the other kind is opened.
pub fn fit_to_model(settings: &mut RunSettings, card: &Arc<ModelCard>) {
    match (&settings.shared.condition, &card.conditions) {
        (Condition::Prompt { .. }, Conditions::Classes(classes)) => {
            let first = classes.first().map_or(0, |class| class.id);
            settings.shared.condition = Condition::Class(first);
        }
        (Condition::Class(_), Conditions::Prompts(_)) => {
            settings.shared.condition = LaneSettings::default().condition;
        }
        (Condition::Class(id), Conditions::Classes(classes))
            if !classes.iter().any(|class| class.id == *id) =>
        {
            let first = classes.first().map_or(0, |class| class.id);
            settings.shared.condition = Condition::Class(first);
        }
        _ => {}
    }
    if card.defaults.authors_schedule.is_none() {
        settings.shared.guidance.scale.schedule = Schedule::Cosine;
    }
}
