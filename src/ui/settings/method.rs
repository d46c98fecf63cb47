//! Sampling, and the options of the method that are seldom changed: folded away, each with its reset.

use crate::compute::layout::StepKind;
use crate::engine::settings::{LaneSettings, SettingKey};
use crate::guidance::Variant;
use crate::models::card::ModelCard;
use crate::ui::kit::controls;
use crate::ui::kit::fonts;
use crate::ui::settings::form::Form;
use crate::ui::settings::rows;
use crate::ui::settings::rows::Count;
use crate::ui::settings::unconditional_field;
use egui::{CollapsingHeader, Ui};
use egui_material_icons::icons::ICON_INFO;

/// Settings whose change the folded title shows.
const FOLDED: [SettingKey; 7] = [
    SettingKey::Variant,
    SettingKey::Confidence,
    SettingKey::Perturb,
    SettingKey::Cache,
    SettingKey::DeltaContext,
    SettingKey::RowEnds,
    SettingKey::NegativePrompt,
];

/// Temperature, top-k, top-p, repetition; `usual` is what the resets bring back.
pub fn sampling(ui: &mut Ui, form: &mut Form, usual: &LaneSettings, card: Option<&ModelCard>) {
    controls::group_title(ui, "Sampling", |ui| {
        if let Some(card) = card {
            let icon = ui.label(ICON_INFO.rich_text().size(15.0).weak());
            icon.on_hover_text(format!("The defaults are those of: {}", card.defaults.source));
        }
    });
    let spacing = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 4.0);
    rows::number(ui, form, SettingKey::Temperature, usual, true);
    let codes = card.map_or(65_536, |card| card.decoder.codebook_size);
    let top_k = Count {
        first: codes.min(500),
        speed: codes as f64 / 400.0,
        suffix: format!(" of {codes}"),
        off: format!("all {codes} codes"),
    };
    rows::count(ui, form, SettingKey::TopK, usual, top_k);
    rows::number(ui, form, SettingKey::TopP, usual, true);
    rows::number(ui, form, SettingKey::RepetitionPenalty, usual, true);
    ui.spacing_mut().item_spacing.y = spacing;
}

/// Variant, confidence, perturbed part, cache rule and what belongs to them.
pub fn method(ui: &mut Ui, form: &mut Form, usual: &LaneSettings, card: Option<&ModelCard>) {
    let changed = FOLDED.iter().any(|key| {
        let now = key.setting().get(&form.settings.shared);
        now.is_some() && now != key.setting().get(usual)
    });
    // Folded away, it still shows that something in it is not as usual.
    let title = if changed { "Method (changed)" } else { "Method" };
    CollapsingHeader::new(fonts::group(title)).id_salt("method").show_unindented(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        rows::choice(ui, form, SettingKey::Variant, usual);
        let rule = &form.settings.shared.guidance.perturbation;
        if rule.variant == Variant::ReleasedCode {
            rows::number(ui, form, SettingKey::Strength, usual, true);
            rows::number(ui, form, SettingKey::Floor, usual, true);
            rows::switch(ui, form, SettingKey::Shift, usual);
        }
        rows::choice(ui, form, SettingKey::Confidence, usual);
        rows::choice(ui, form, SettingKey::Perturb, usual);
        rows::choice(ui, form, SettingKey::Cache, usual);
        rows::switch(ui, form, SettingKey::DeltaContext, usual);
        let row_ends = |kind: &StepKind| matches!(kind, StepKind::RowEnd { .. });
        if card.is_some_and(|card| card.layout.steps().iter().any(row_ends)) {
            rows::switch(ui, form, SettingKey::RowEnds, usual);
        }
        unconditional_field::show(ui, form, card);
    });
}
