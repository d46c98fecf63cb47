//! Sampling, and the options of the method that are seldom changed: folded away, each with its reset.

use crate::compute::layout::StepKind;
use crate::engine::settings::{Field, LaneSettings};
use crate::guidance::weights::ReleasedCode;
use crate::guidance::{CacheRule, Confidence, Perturb, Variant};
use crate::models::card::{ModelCard, ModelDefaults};
use crate::prompts::condition::Condition;
use crate::ui::kit::controls;
use crate::ui::kit::controls::{Hint, SliderRow};
use crate::ui::kit::fonts;
use crate::ui::settings::form::Form;
use crate::ui::settings::unconditional_field;
use egui::{CollapsingHeader, DragValue, Ui, vec2};
use egui_material_icons::icons::ICON_INFO;

const TEMPERATURE: Hint = Hint::new(
    "Flattens (above 1) or sharpens (below 1) what is sampled from.",
    "Divides the guided logits. Confidence is measured before it (Eq. 3).",
);
const TOP_K: Hint = Hint::new(
    "Samples only from the k most probable codes; off keeps all.",
    "Applied after guidance, to the guided logits.",
);
const TOP_P: Hint = Hint::new(
    "Samples only from the most probable codes that together reach p; 1 keeps all.",
    "Nucleus sampling, applied after guidance and top-k.",
);
const VARIANT: Hint = Hint::new(
    "Which reading of SoftCFG gives the weights.",
    "The paper's equations and the authors' AliTok program differ in what counts as confidence, in an offset of one token, and in a floor.",
);
const STRENGTH: Hint = Hint::new(
    "Sharpens or softens the weights.",
    "Exponent on ŵ_i in the released code; without step norm it does nothing.",
);
const FLOOR: Hint =
    Hint::new("No weight falls below this.", "softcfg floor of the released code, 0.05 there.");
const SHIFT: Hint = Hint::new(
    "Gives each token the confidence of the one after it, as the program does.",
    "Token i gets the confidence of token i + 1; the newest keeps weight 1.",
);
const CONFIDENCE: Hint =
    Hint::new("How sure the model is taken to be of each token it drew.", "Eq. 3 and Fig. 9c.");
const PERTURB: Hint = Hint::new(
    "What the weights multiply in the unconditional attention.",
    "Values, keys or both: Table 3.",
);
const CACHE: Hint = Hint::new(
    "Which pass fills the unconditional cache.",
    "Two-pass: the perturbed pass caches its own unscaled keys and values. Exact: a clean pass owns the cache (Alg. 1, line 10); one more row a lane.",
);
const DELTA_CONTEXT: Hint = Hint::new(
    "Measures what the perturbation changes, with one more row per SoftCFG lane.",
    "Δctx = z_u − z_ũ, Eq. 7; its norm and its cosine with Δ.",
);
const ROW_ENDS: Hint =
    Hint::new("Perturbs the tokens forced at row ends too.", "The literal reading of Eq. 3.");
const REPETITION: Hint = Hint::new(
    "Makes codes that were drawn before less probable; 1 leaves them.",
    "Divides their positive and multiplies their negative conditional logits, before guidance. Hugging Face's generate does so in SimpleAR's program; confidence and entropies are measured without it.",
);

/// Temperature, top-k, top-p.
pub fn sampling(ui: &mut Ui, form: &mut Form, defaults: &ModelDefaults, card: Option<&ModelCard>) {
    controls::group_title(ui, "Sampling", |ui| {
        if !defaults.source.is_empty() {
            let icon = ui.label(ICON_INFO.rich_text().size(15.0).weak());
            icon.on_hover_text(format!("The defaults are those of: {}", defaults.source));
        }
    });
    let spacing = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 4.0);
    let row = |name, hint, range, default| SliderRow {
        name,
        hint,
        range,
        default,
        decimals: 2,
        one_line: true,
    };
    let usual = defaults.sampling;
    let sampling = &mut form.settings.shared.sampling;
    row("Temperature", TEMPERATURE, 0.1..=2.0, usual.temperature)
        .show(ui, &mut sampling.temperature);
    controls::field_message(ui, form.field_error(Field::Temperature));
    let codes = card.map_or(65_536, |card| card.decoder.codebook_size);
    top_k(ui, &mut form.settings.shared.sampling.top_k, usual.top_k, codes);
    controls::field_message(ui, form.field_error(Field::TopK));
    row("Top-p", TOP_P, 0.05..=1.0, usual.top_p).show(ui, &mut form.settings.shared.sampling.top_p);
    controls::field_message(ui, form.field_error(Field::TopP));
    row("Repetition", REPETITION, 1.0..=2.0, defaults.repetition_penalty)
        .show(ui, &mut form.settings.shared.repetition_penalty);
    controls::field_message(ui, form.field_error(Field::RepetitionPenalty));
    ui.spacing_mut().item_spacing.y = spacing;
}

fn top_k(ui: &mut Ui, top_k: &mut Option<usize>, usual: Option<usize>, codes: usize) {
    ui.horizontal(|ui| {
        let mut on = top_k.is_some();
        if controls::switch(ui, &mut on, "Top-k", TOP_K).changed() {
            *top_k = on.then(|| usual.unwrap_or(codes.min(500)));
        }
        let right = egui::Layout::right_to_left(egui::Align::Center);
        ui.with_layout(right, |ui| {
            ui.spacing_mut().item_spacing.x = 4.0;
            match top_k {
                Some(k) => {
                    let number = DragValue::new(k)
                        .speed(codes as f64 / 400.0)
                        .range(0..=usize::MAX)
                        .suffix(format!(" of {codes}"))
                        .min_size(vec2(104.0, 26.0));
                    TOP_K.on(ui.add(number).accessible_name("Top-k value"));
                }
                None => {
                    let text = format!("all {codes} codes");
                    ui.label(fonts::number(text).weak());
                }
            }
            if controls::reset_button(ui, *top_k != usual, "top-k") {
                *top_k = usual;
            }
        });
    });
}

/// Variant, confidence, perturbed part, cache rule and what belongs to them.
pub fn method(ui: &mut Ui, form: &mut Form, card: Option<&ModelCard>) {
    let usual = LaneSettings::default();
    let changed = {
        let now = &form.settings.shared;
        let (rule, usual_rule) = (now.guidance.perturbation, usual.guidance.perturbation);
        rule.variant != usual_rule.variant
            || rule.confidence != usual_rule.confidence
            || rule.perturb != usual_rule.perturb
            || rule.cache_rule != usual_rule.cache_rule
            || now.delta_context != usual.delta_context
            || rule.row_ends != usual_rule.row_ends
            || matches!(&now.condition, Condition::Prompt { negative: Some(_), .. })
    };
    // Folded away, it still says that something in it is not as usual.
    let title = if changed { "Method (changed)" } else { "Method" };
    CollapsingHeader::new(fonts::group(title)).id_salt("method").show_unindented(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 4.0;
        let error = form.field_error(Field::ReleasedCode).map(str::to_owned);
        let LaneSettings { guidance, delta_context, .. } = &mut form.settings.shared;
        let rule = &mut guidance.perturbation;
        controls::choice(ui, "Variant", VARIANT, &mut rule.variant, |one| match one {
            Variant::Paper => "Paper",
            Variant::ReleasedCode => "Released code",
        });
        if rule.variant == Variant::ReleasedCode {
            released_code(ui, &mut rule.released_code, error.as_deref());
        }
        controls::choice(ui, "Confidence", CONFIDENCE, &mut rule.confidence, |one| match one {
            Confidence::ConditionalMax => "Cond. max",
            Confidence::UnconditionalMax => "Uncond. max",
            Confidence::GuidedMax => "Guided max",
            Confidence::SampledProbability => "Token drawn",
            Confidence::OneMinusEntropy => "1 − entropy",
        });
        controls::choice(ui, "Perturbed", PERTURB, &mut rule.perturb, |one| match one {
            Perturb::Value => "Values (V)",
            Perturb::Key => "Keys (K)",
            Perturb::KeyValue => "Both (K+V)",
        });
        controls::choice(ui, "Cache", CACHE, &mut rule.cache_rule, |one| match one {
            CacheRule::TwoPass => "Two-pass",
            CacheRule::Exact => "Exact",
        });
        toggle(ui, "Measure Δctx", DELTA_CONTEXT, delta_context, false);
        let row_ends = |kind: &StepKind| matches!(kind, StepKind::RowEnd { .. });
        if card.is_some_and(|card| card.layout.steps().iter().any(row_ends)) {
            toggle(ui, "Perturb row ends", ROW_ENDS, &mut rule.row_ends, false);
        }
        unconditional_field::show(ui, form, card);
    });
}

fn released_code(ui: &mut Ui, constants: &mut ReleasedCode, error: Option<&str>) {
    let usual = ReleasedCode::default();
    let row = |name, hint, range, default| SliderRow {
        name,
        hint,
        range,
        default,
        decimals: 2,
        one_line: true,
    };
    row("Strength", STRENGTH, 0.0..=4.0, usual.strength).show(ui, &mut constants.strength);
    row("Floor", FLOOR, 0.0..=1.0, usual.floor).show(ui, &mut constants.floor);
    toggle(ui, "Shift by one", SHIFT, &mut constants.shift, usual.shift);
    controls::field_message(ui, error);
}

fn toggle(ui: &mut Ui, name: &str, hint: Hint, value: &mut bool, usual: bool) {
    ui.horizontal(|ui| {
        controls::switch(ui, value, name, hint);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if controls::reset_button(ui, *value != usual, name) {
                *value = usual;
            }
        });
    });
}
