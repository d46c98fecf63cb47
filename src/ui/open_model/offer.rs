//! The middle of the dialog for opening models: which models there are, before anything is chosen; then
//! what was found, what is missing, and the choices that are left.

use crate::compute::precision::Precision;
use crate::models::families;
use crate::models::family::{Download, GridSource};
use crate::opening::amounts::bytes_text;
use crate::opening::companions::MissingPart;
use crate::opening::offer::{FoundPart, ModelOffer};
use crate::opening::request::OpenRequest;
use crate::ui::action::Action;
use crate::ui::kit::controls;
use crate::ui::kit::controls::{Hint, NumberField};
use crate::ui::kit::fonts;
use crate::ui::open_model::found::Found;
use crate::ui::open_model::words::capital;
use crate::ui::theme::palette;
use egui::{Align, Grid, Label, Layout, RichText, Ui, vec2};
use egui_material_icons::icons::{ICON_CHECK_CIRCLE, ICON_CONTENT_COPY, ICON_INFO, ICON_WARNING};
use std::ops::RangeInclusive;

const PRECISION: Hint = Hint::new(
    "How the decoder's weights are held in memory. Smaller takes less memory and is faster, and moves every logit a little.",
    "",
);
const MEMORY: Hint = Hint::new(
    "The most that is held at any time: weights, image tokenizer, key/value caches of five rows at the whole grid, and room for the window.",
    "",
);
const READ: Hint = Hint::new(
    "Weights that decoding one token reads from memory. Decoding takes about as long as reading them, so half of it is up to twice as fast.",
    "",
);
const DIFFERENCE: Hint = Hint::new(
    "Measured on weights of this file: how far products with random inputs are from those in f32, as a relative root mean square.",
    "",
);
/// Rows or columns that a grid can have.
const SIDES: RangeInclusive<usize> = 1..=256;
const GRID: Hint = Hint::new(
    "Rows and columns of image tokens. They stand in no tensor; a wrong grid gives poor images, not an error.",
    "",
);
const WEIGHTS: Hint = Hint::new(
    "The file holds several sets of weights. ema is an average over training, which often draws better.",
    "",
);
const COPY: Hint = Hint::new("Copies the file's name.", "");
/// Notes shown at most; a folder of downloads may have many other files.
const NOTES: usize = 2;

/// What can be opened.
pub(super) fn models(ui: &mut Ui) {
    let colours = palette(ui.ctx());
    ui.add(
        Label::new(
            "Choose the files as their authors publish them, or the folder they lie in. \
             Files can also be dropped onto the window.",
        )
        .wrap(),
    );
    ui.add_space(8.0);
    table(ui);
    ui.add_space(8.0);
    let text = "Also as safetensors. What a model needs beside its decoder is looked for in the same folder and in the Hugging Face cache.";
    ui.add(Label::new(RichText::new(text).small().color(colours.secondary)).wrap());
}

fn table(ui: &mut Ui) {
    let colours = palette(ui.ctx());
    Grid::new("models").num_columns(3).spacing(vec2(24.0, 6.0)).show(ui, |ui| {
        for title in ["Model", "Decoder", "Needed with it"] {
            ui.label(RichText::new(title).small().color(colours.secondary));
        }
        ui.end_row();
        for Download { models, decoder, companions } in families::downloads() {
            ui.label(*models);
            ui.label(file(decoder));
            ui.label(file(companions));
            ui.end_row();
        }
    });
}

/// A file's name; what is none stands as text.
fn file(name: &str) -> RichText {
    if name.contains(' ') { RichText::new(name) } else { fonts::number(name) }
}

/// What was found, and the choices.
pub(super) fn show(ui: &mut Ui, found: &mut Found, actions: &mut Vec<Action>) {
    ui.spacing_mut().item_spacing.y = 4.0;
    for part in &found.offer.found {
        found_part(ui, part);
    }
    missing(ui, &found.offer, actions);
    notes(ui, &found.offer);
    weight_sets(ui, &found.offer, actions);
    if !found.precisions.is_empty() {
        ui.add_space(10.0);
        precisions(ui, found);
    }
    if found.offer.grid.is_some() {
        ui.add_space(10.0);
        grid(ui, found);
    }
}

fn found_part(ui: &mut Ui, part: &FoundPart) {
    let colours = palette(ui.ctx());
    ui.horizontal_top(|ui| {
        ui.label(ICON_CHECK_CIRCLE.rich_text().size(16.0).color(colours.good));
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            ui.add(Label::new(capital(&part.summary)).wrap());
            let path = part.path.display().to_string();
            let label = RichText::new(&path).small().color(colours.secondary);
            ui.add(Label::new(label).truncate().show_tooltip_when_elided(false))
                .on_hover_text(path);
        });
    });
}

fn missing(ui: &mut Ui, offer: &ModelOffer, actions: &mut Vec<Action>) {
    let colours = palette(ui.ctx());
    if offer.without_decoder {
        let text = "A decoder is missing; choose its file as well.";
        controls::message_line(ui, ICON_WARNING, colours.warning, text);
        ui.add_space(8.0);
        table(ui);
    }
    for part in &offer.missing {
        ui.add_space(4.0);
        controls::card(ui).show(ui, |ui| {
            ui.set_width(ui.available_width());
            missing_part(ui, part, actions);
        });
    }
}

/// What is asked for: exact names first, then where they are published.
fn missing_part(ui: &mut Ui, part: &MissingPart, actions: &mut Vec<Action>) {
    let colours = palette(ui.ctx());
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(ICON_WARNING.rich_text().size(16.0).color(colours.warning));
        ui.label(fonts::group(format!("Missing {}:", part.what)));
        for (index, name) in part.file_names.iter().enumerate() {
            if index > 0 {
                ui.label("or");
            }
            ui.label(fonts::number(name));
            let what = format!("Copy {name}");
            if controls::icon_button(ui, ICON_CONTENT_COPY, &what, COPY).clicked() {
                actions.push(Action::Copy(name.clone()));
            }
        }
    });
    let advice = format!("{}.", capital(&part.advice));
    ui.add(Label::new(RichText::new(advice).small().color(colours.secondary)).wrap());
}

fn notes(ui: &mut Ui, offer: &ModelOffer) {
    let colours = palette(ui.ctx());
    if offer.notes.is_empty() {
        return;
    }
    ui.add_space(4.0);
    for note in offer.notes.iter().take(NOTES) {
        controls::message_line(ui, ICON_INFO, colours.secondary, note);
    }
    let more = offer.notes.len().saturating_sub(NOTES);
    if more > 0 {
        let rest: Vec<&str> = offer.notes.iter().skip(NOTES).map(String::as_str).collect();
        let text = RichText::new(format!("and {more} more files")).small().color(colours.secondary);
        ui.label(text).on_hover_text(rest.join("\n"));
    }
}

/// Which weights of a training file are taken; another choice looks at the file again.
fn weight_sets(ui: &mut Ui, offer: &ModelOffer, actions: &mut Vec<Action>) {
    let Some(taken) = offer.weight_sets.first() else { return };
    let mut sets: Vec<&Option<String>> = offer.weight_sets.iter().collect();
    // The order does not depend on which is taken.
    sets.sort_by_key(|set| (set.as_deref().is_some_and(|key| key.contains("ema")), *set));
    ui.add_space(10.0);
    ui.horizontal(|ui| {
        ui.label(fonts::group("Weights"));
        for set in sets {
            let name = set.as_deref().unwrap_or("the file's own");
            let chosen = WEIGHTS.on(ui.radio(set == taken, name));
            if chosen.clicked() && set != taken {
                let request = OpenRequest { weight_set: set.clone(), ..offer.request.clone() };
                actions.push(Action::SurveyModel(request));
            }
        }
    });
}

fn precisions(ui: &mut Ui, found: &mut Found) {
    let colours = palette(ui.ctx());
    let title = |ui: &mut Ui, text: &str, hint: Hint| {
        hint.on(ui.label(RichText::new(text).small().color(colours.secondary)));
    };
    Grid::new("precisions").num_columns(4).spacing(vec2(24.0, 4.0)).show(ui, |ui| {
        PRECISION.on(ui.label(fonts::group("Precision")));
        title(ui, "Memory needed", MEMORY);
        title(ui, "Read per token", READ);
        title(ui, "Products differ from f32", DIFFERENCE);
        ui.end_row();
        for offer in &found.precisions {
            let name = format!("{}, {}", offer.precision, bits(offer.precision));
            let button = ui.radio_value(&mut found.precision, offer.precision, name);
            PRECISION.on(button);
            let short = offer.fits == Some(false);
            let alone = found.offer.fits_alone(offer.peak);
            let colour = match (short, alone) {
                (true, false) => colours.error,
                (true, true) => colours.warning,
                _ => colours.text,
            };
            ui.label(fonts::number(bytes_text(offer.peak)).color(colour));
            let read = bytes_text(offer.step_bytes);
            let read = match offer.reads_less {
                less if less > 1.05 => format!("{read}, up to {less:.1}× as fast"),
                _ => read,
            };
            ui.label(fonts::number(read));
            ui.label(fonts::number(offer.short_difference()));
            ui.end_row();
        }
    });
    if let Some(free) = found.offer.free_memory {
        let mut text = format!("{} of memory are free", bytes_text(free));
        if found.precisions.iter().any(|offer| offer.fits == Some(false)) {
            let held = bytes_text(found.offer.reclaimable);
            text.push_str(&format!(", and {held} more without the model in use"));
        }
        ui.label(RichText::new(format!("{text}.")).small().color(colours.secondary));
    }
}

fn bits(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "32 bit",
        Precision::Bf16 => "16 bit",
        Precision::Int8 => "8 bit",
    }
}

fn grid(ui: &mut Ui, found: &mut Found) {
    let Some(guess) = found.offer.grid else { return };
    let before = found.grid;
    let mut shown = Vec::new();
    ui.horizontal(|ui| {
        ui.label(fonts::group("Grid"));
        if guess.source == GridSource::Weights {
            ui.label(format!("{} × {} tokens, fixed by the weights", guess.rows, guess.columns));
        } else {
            let field = |name| NumberField {
                name,
                hint: GRID,
                read: &|text| controls::read_count(text, &SIDES),
                write: &|side: usize| side.to_string(),
                suffix: "",
                range: SIDES,
                speed: 0.1,
                width: 40.0,
            };
            shown.push(field("Rows").show(ui, &mut found.grid.0));
            ui.label("×");
            shown.push(field("Columns").show(ui, &mut found.grid.1));
            ui.label(format!("tokens, {}", origin(guess.source)));
        }
        if let Some(side) = found.offer.pixels_per_token {
            let (rows, columns) = found.grid;
            let text = format!("{} × {} pixels", columns * side, rows * side);
            let colour = palette(ui.ctx()).secondary;
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.label(RichText::new(text).small().color(colour));
            });
        }
    });
    shown.iter().for_each(|shown| shown.message(ui));
    if found.grid != before {
        if found.offer.square {
            let side = if found.grid.0 != before.0 { found.grid.0 } else { found.grid.1 };
            found.grid = (side, side);
        }
        found.follow_grid();
    }
}

fn origin(source: GridSource) -> &'static str {
    match source {
        GridSource::Weights => "fixed by the weights",
        GridSource::Config => "from config.json",
        GridSource::FileName => "from the file's name",
        GridSource::Guess => "the most common; change it if yours is another",
    }
}
