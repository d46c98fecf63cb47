//! What the unconditional branch sees: the authors' prompt, another one that they know, or a text of
//! one's own. Models that draw classes have a null class instead and no field.

use crate::engine::settings::SettingKey;
use crate::models::card::{Conditions, ModelCard};
use crate::prompts::condition::Condition;
use crate::prompts::template::PromptTemplate;
use crate::ui::kit::controls;
use crate::ui::settings::form::Form;
use crate::ui::settings::prompt_field;
use crate::ui::settings::rows;
use crate::ui::theme::palette;
use egui::{ComboBox, Id, RichText, TextEdit, Ui};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Usual,
    Alternative,
    Own,
}

/// Shows the choice for models that draw prompts.
pub fn show(ui: &mut Ui, form: &mut Form, card: Option<&ModelCard>) {
    let Some(Conditions::Prompts(book)) = card.map(|card| &card.conditions) else { return };
    let Condition::Prompt { negative, .. } = &mut form.settings.shared.condition else { return };
    let template = book.template();
    let before = current(ui, template, negative.as_deref());
    let mut choice = before;
    let hint = rows::hint(SettingKey::NegativePrompt);
    let label = hint.on(ui.label(SettingKey::NegativePrompt.setting().label));
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let width = ui.available_width() - 24.0;
        let combo = ComboBox::from_id_salt("unconditional prompt")
            .selected_text(name(template, choice))
            .width(width)
            .truncate();
        let combo = combo.show_ui(ui, |ui| {
            for one in [Choice::Usual, Choice::Alternative, Choice::Own] {
                if one != Choice::Alternative || template.alternative_unconditional.is_some() {
                    ui.selectable_value(&mut choice, one, name(template, one));
                }
            }
        });
        hint.on(combo.response.labelled_by(label.id));
        if controls::reset_button(ui, choice != Choice::Usual, "the unconditional prompt") {
            choice = Choice::Usual;
        }
    });
    if choice != before {
        *negative = match choice {
            Choice::Usual => None,
            Choice::Alternative => {
                template.alternative_unconditional.as_ref().map(|other| other.text.clone())
            }
            // What the authors write is where one's own begins.
            Choice::Own => Some(template.usual_text().to_owned()),
        };
        ui.data_mut(|data| data.insert_temp(typing_id(), choice == Choice::Own));
    }
    match (choice, negative) {
        (Choice::Own, Some(text)) => {
            let field = TextEdit::multiline(text)
                .desired_rows(2)
                .desired_width(f32::INFINITY)
                .return_key(None)
                .char_limit(crate::prompts::check::MAX_PROMPT_CHARACTERS)
                .margin(egui::Margin::symmetric(8, 5));
            let area = egui::ScrollArea::vertical().id_salt("own unconditional").max_height(96.0);
            let response = area.show(ui, |ui| ui.add(field)).inner;
            hint.on(response.accessible_name("Own unconditional prompt"));
            prompt_field::length(ui, book.check_unconditional(text));
        }
        (Choice::Usual, _) => {
            let colour = palette(ui.ctx()).secondary;
            let shown = RichText::new(&template.unconditional_shown).small().color(colour);
            ui.add(egui::Label::new(shown).wrap());
        }
        _ => {}
    }
    rows::problem(ui, form, SettingKey::NegativePrompt);
}

/// Whether a text of one's own is being typed: while it is empty it may look like another choice.
fn typing_id() -> Id {
    Id::unique("own unconditional prompt")
}

fn current(ui: &Ui, template: &PromptTemplate, negative: Option<&str>) -> Choice {
    let typing = ui.data(|data| data.get_temp(typing_id())).unwrap_or(false);
    match (negative, &template.alternative_unconditional) {
        (None, _) => Choice::Usual,
        (Some(text), Some(other)) if !typing && other.text == text => Choice::Alternative,
        _ => Choice::Own,
    }
}

fn name(template: &PromptTemplate, choice: Choice) -> &str {
    match (choice, &template.alternative_unconditional) {
        (Choice::Usual, _) => "The model's own",
        (Choice::Alternative, Some(other)) => &other.name,
        (Choice::Alternative | Choice::Own, _) => "Own text",
    }
}
