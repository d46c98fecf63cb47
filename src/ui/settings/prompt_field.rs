//! The prompt: typing with completion from the model's words, a random one, subjects to insert.

use crate::compute::error::ModelError;
use crate::engine::settings::{LaneSettings, SettingKey};
use crate::prompts::book::PromptBook;
use crate::prompts::check::{MAX_PROMPT_CHARACTERS, PromptCheck};
use crate::prompts::condition::Condition;
use crate::prompts::grammar::Grammar;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::settings::form::Form;
use crate::ui::settings::rows;
use crate::ui::state::dice;
use crate::ui::theme::palette;
use egui::text::{LayoutJob, TextFormat};
use egui::{
    Align, CompletionPopup, Event, Id, Layout, Popup, RectAlign, RichText, Stroke, Suggestion,
    TextEdit, TextStyle, Ui,
};
use egui_material_icons::icons::{ICON_CASINO, ICON_CONTENT_CUT, ICON_FORMAT_LIST_BULLETED};
use std::sync::Arc;

/// Most suggestions shown at once.
const SUGGESTIONS: usize = 8;

const PROMPT: Hint = Hint::new(
    "What to draw. Tab or Enter takes a suggestion; Ctrl+Enter generates.",
    "The condition c of the conditional branch; the unconditional branch sees none of it.",
);
const RANDOM: Hint = Hint::new("Puts a random prompt of the model's grammar here.", "");
const SUBJECTS: Hint = Hint::new("Lists the words this model knows; a click inserts one.", "");

/// The field's identity, to give it the keyboard from elsewhere.
pub fn id() -> Id {
    Id::unique("prompt")
}

/// Shows the field for a model that draws prompts.
pub fn show(ui: &mut Ui, form: &mut Form, book: &Arc<PromptBook>) {
    let Condition::Prompt { text, .. } = &mut form.settings.shared.condition else { return };
    let (mut insert, mut replace) = (None, None);
    controls::group_title(ui, "Prompt", |ui| {
        if let Some(grammar) = book.grammar() {
            let dice = controls::icon_button(ui, ICON_CASINO, "Random prompt", RANDOM);
            if dice.clicked() {
                replace = book.random_prompt(dice::random_number());
            }
            let list = controls::icon_button(ui, ICON_FORMAT_LIST_BULLETED, "Subjects", SUBJECTS);
            Popup::menu(&list)
                .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
                .width(232.0)
                .show(|ui| insert = subjects(ui, &mut form.panel.search, grammar));
        }
        if book.grammar().is_some()
            && let Condition::Prompt { text: first, .. } = LaneSettings::default().condition
            && controls::reset_button(ui, *text != first, "the prompt")
        {
            replace = Some(first);
        }
    });
    if let Some(phrase) = insert {
        let cursor = text.len();
        *text = insert_phrase(text, cursor, &phrase).0;
    }
    if let Some(prompt) = replace {
        *text = prompt;
    }
    let suggesting = edit(ui, text, book);
    length(ui, book.check(text));
    // A word that is being typed is not wrong yet.
    if !suggesting {
        rows::problem(ui, form, SettingKey::Prompt);
    }
}

/// The length of a prompt in the model's own tokens, and what of it the model does not read. Nothing
/// for a text that is refused: the message under the field says why.
pub fn length(ui: &mut Ui, look: Result<PromptCheck, ModelError>) {
    let Ok(check) = look else { return };
    let colours = palette(ui.ctx());
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        ui.with_layout(Layout::right_to_left(Align::TOP), |ui| {
            let colour = match (check.tokens > check.limit, check.cuts) {
                (false, _) => colours.secondary,
                (true, true) => colours.warning,
                (true, false) => colours.error,
            };
            let count = ui.label(RichText::new(check.count()).small().color(colour));
            let mut tip = LENGTH.to_owned();
            if let Some(cleaned) = check.cleaned.as_ref().filter(|text| !text.is_empty()) {
                tip += &format!("\n\nRead as: {cleaned}");
            }
            count.on_hover_text(tip);
        });
        if let Some(warning) = check.warning() {
            controls::message_line(ui, ICON_CONTENT_CUT, colours.warning, &warning);
        }
        if let Some(beyond) = &check.beyond {
            let mut job = LayoutJob::single_section(
                beyond.clone(),
                TextFormat {
                    font_id: TextStyle::Small.resolve(ui.style()),
                    color: colours.secondary,
                    strikethrough: Stroke::new(1.0, colours.secondary),
                    ..TextFormat::default()
                },
            );
            job.wrap.max_rows = 3;
            ui.add(egui::Label::new(job).wrap()).on_hover_text(beyond);
        }
    });
}

const LENGTH: &str = "Length of the prompt in the model's own tokens, with what stands around it.";

/// The note that a pasted text was too long for the field.
fn paste_note(ui: &mut Ui, text: &str, changed: bool) {
    let id = id().with("paste");
    if changed {
        let pasted: usize = ui.input(|input| {
            let texts = input.events.iter().filter_map(|event| match event {
                Event::Paste(text) => Some(text.chars().count()),
                _ => None,
            });
            texts.sum()
        });
        ui.data_mut(|data| data.insert_temp(id, pasted > 0));
    }
    // As long as the field holds, after something was pasted that may have been longer.
    let full =
        || text.len() >= MAX_PROMPT_CHARACTERS && text.chars().count() >= MAX_PROMPT_CHARACTERS;
    if ui.data(|data| data.get_temp(id)).unwrap_or(false) && full() {
        let colour = palette(ui.ctx()).warning;
        let message = format!(
            "The field holds {MAX_PROMPT_CHARACTERS} characters. The rest of what was pasted is left out."
        );
        controls::message_line(ui, ICON_CONTENT_CUT, colour, &message);
    }
}

fn edit(ui: &mut Ui, text: &mut String, book: &PromptBook) -> bool {
    // A prompt of usual length is seen whole; a long one scrolls, so that what stands below keeps its
    // place.
    let area = egui::ScrollArea::vertical().id_salt("prompt").max_height(92.0);
    let (suggesting, changed) = area.show(ui, |ui| edit_text(ui, text, book)).inner;
    paste_note(ui, text, changed);
    suggesting
}

/// Whether suggestions are shown, and whether the text was changed.
fn edit_text(ui: &mut Ui, text: &mut String, book: &PromptBook) -> (bool, bool) {
    // Two lines: a prompt of the grammar fits without scrolling.
    let field = TextEdit::multiline(text)
        .desired_rows(2)
        .char_limit(MAX_PROMPT_CHARACTERS)
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 6))
        .return_key(None)
        .hint_text("What to draw");
    let focused = ui.memory(|memory| memory.has_focus(id()));
    let output = CompletionPopup::new(id()).align(RectAlign::BOTTOM_START).max_height(220.0).show(
        ui,
        field,
        |query| {
            // Only while a word is being typed: the list covers the button below.
            if !focused || query.word.is_empty() {
                return Vec::new();
            }
            book.completions(query.text, query.word_range.end.0)
                .into_iter()
                .filter(|word| word != query.word)
                .take(SUGGESTIONS)
                .map(|word| Suggestion::new(format!("{word} ")).content(word))
                .collect()
        },
    );
    let response = output.text_edit.response.response;
    let changed = response.changed();
    PROMPT.on(response.accessible_name("Prompt"));
    if text.contains(['\n', '\r']) {
        // Pasted line ends: a prompt is one line.
        *text = text.replace(['\n', '\r'], " ");
    }
    (output.is_open, changed)
}

/// A searchable list of the grammar's words by group; returns the phrase that was clicked.
fn subjects(ui: &mut Ui, search: &mut String, grammar: &Grammar) -> Option<String> {
    let field = TextEdit::singleline(search)
        .hint_text("Search")
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 4));
    ui.add(field).accessible_name("Search subjects").request_focus();
    let wanted = search.trim().to_lowercase();
    let mut clicked = None;
    egui::ScrollArea::vertical().max_height(300.0).auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        let mut any = false;
        let mut group =
            |ui: &mut Ui, name: &str, phrases: &mut dyn Iterator<Item = (String, &str)>| {
                let mut titled = false;
                for (phrase, note) in phrases {
                    if !phrase.contains(&wanted) && !note.contains(&wanted) {
                        continue;
                    }
                    if !titled {
                        ui.add_space(4.0);
                        let colour = palette(ui.ctx()).secondary;
                        ui.label(RichText::new(name).small().color(colour));
                        (titled, any) = (true, true);
                    }
                    let width = ui.available_width();
                    let button = egui::Button::new(phrase.as_str())
                        .right_text(RichText::new(note).small().weak())
                        .frame_when_inactive(false)
                        .min_size(egui::vec2(width, 22.0));
                    if ui.add(button).clicked() {
                        clicked = Some(phrase);
                    }
                }
            };
        group(
            ui,
            "Subjects",
            &mut grammar.subjects.iter().map(|subject| {
                (format!("{} {}", subject.article, subject.singular), subject.plural.as_str())
            }),
        );
        for (name, words, note) in [
            ("Between two objects", &grammar.relations, ""),
            ("Counts, before a plural", &grammar.counts, ""),
            ("Colours of an object", &grammar.tints, ""),
        ] {
            group(ui, name, &mut words.iter().map(|word| (word.clone(), note)));
        }
        group(
            ui,
            "Grounds",
            &mut grammar.grounds.iter().map(|ground| (format!("on {ground}"), "")),
        );
        if !any {
            ui.label("Nothing found.");
        }
    });
    clicked
}

/// Inserts a phrase at a place given in bytes, with one space on either side of it. Returns the text
/// and the place after the phrase. A place inside a character or beyond the end is the end.
pub fn insert_phrase(text: &str, cursor: usize, phrase: &str) -> (String, usize) {
    let (before, after) = text.split_at_checked(cursor).unwrap_or((text, ""));
    let (before, after) = (before.trim_end(), after.trim_start());
    let mut result = String::with_capacity(text.len() + phrase.len() + 2);
    result.push_str(before);
    if !before.is_empty() {
        result.push(' ');
    }
    result.push_str(phrase);
    let place = result.len();
    if !after.is_empty() {
        result.push(' ');
        result.push_str(after);
    }
    (result, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_inserted_with_single_spaces() {
        assert_eq!(insert_phrase("", 0, "a cat"), ("a cat".into(), 5));
        assert_eq!(insert_phrase("a cat", 5, "left of"), ("a cat left of".into(), 13));
        assert_eq!(insert_phrase("a cat ", 6, "on blue"), ("a cat on blue".into(), 13));
        assert_eq!(insert_phrase("a cat on blue", 5, "and"), ("a cat and on blue".into(), 9));
        assert_eq!(insert_phrase("a cat on blue", 6, "and"), ("a cat and on blue".into(), 9));
    }

    #[test]
    fn a_place_that_is_none_is_the_end() {
        // The first letter takes two bytes: 1 lies inside it.
        assert_eq!(insert_phrase("é", 1, "a cat").0, "é a cat");
        assert_eq!(insert_phrase("a", 99, "cat").0, "a cat");
    }
}
