//! The class, for models that draw classes: a list searched by name, synonym or number.

use crate::engine::settings::SettingKey;
use crate::prompts::condition::Condition;
use crate::prompts::imagenet;
use crate::prompts::imagenet::ClassName;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::settings::form::Form;
use crate::ui::settings::rows;
use crate::ui::state::dice;
use egui::{Button, Popup, TextEdit, Ui, vec2};
use egui_material_icons::icons::{ICON_CASINO, ICON_EXPAND_MORE};

const CLASS: Hint = Hint::new(
    "What to draw. Opens a list that is searched by name, synonym or number.",
    "The condition c of the conditional branch; the unconditional branch gets the null class.",
);
const RANDOM: Hint = Hint::new("Chooses a class at random.", "");

/// Shows the field for a model that draws classes.
pub fn show(ui: &mut Ui, form: &mut Form, classes: &[ClassName]) {
    let Condition::Class(id) = &mut form.settings.shared.condition else { return };
    controls::group_title(ui, "Class", |ui| {
        let dice = controls::icon_button(ui, ICON_CASINO, "Random class", RANDOM);
        if dice.clicked()
            && let Some(class) = classes.get(dice::random_number() as usize % classes.len().max(1))
        {
            *id = class.id;
        }
    });
    let chosen = classes.iter().find(|class| class.id == *id);
    let text = chosen.map_or_else(|| format!("{id}  unknown"), label);
    let button = Button::new(text)
        .right_text(ICON_EXPAND_MORE.rich_text())
        .truncate()
        .min_size(vec2(ui.available_width(), 28.0));
    let response = CLASS.on(ui.add(button).accessible_name("Class"));
    let width = response.rect.width();
    Popup::menu(&response)
        .close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside)
        .width(width.max(280.0))
        .show(|ui| {
            if let Some(class) = list(ui, &mut form.panel.search, classes, *id) {
                *id = class;
                ui.close();
            }
        });
    rows::problem(ui, form, SettingKey::Class);
}

fn list(ui: &mut Ui, search: &mut String, classes: &[ClassName], chosen: u32) -> Option<u32> {
    let field = TextEdit::singleline(search)
        .hint_text("Name or number")
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 4));
    ui.add(field).accessible_name("Search classes").request_focus();
    let found: Vec<&ClassName> = imagenet::search(classes, search)
        .into_iter()
        .filter_map(|index| classes.get(index))
        .collect();
    if found.is_empty() {
        ui.label("Nothing found.");
    }
    let mut clicked = None;
    let row = 24.0;
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = egui::ScrollArea::vertical().max_height(12.0 * row).auto_shrink([false, true]);
    area.show_rows(ui, row, found.len(), |ui, rows| {
        for class in found.get(rows).unwrap_or_default() {
            let button = Button::selectable(class.id == chosen, label(class))
                .truncate()
                .min_size(vec2(ui.available_width(), row));
            let response = ui.add(button).on_hover_text(class.synonyms.join(", "));
            if response.clicked() {
                clicked = Some(class.id);
            }
        }
    });
    clicked
}

fn label(class: &ClassName) -> String {
    format!("{}  {}", class.id, class.name)
}
