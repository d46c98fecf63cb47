//! The words of a scenario above the lanes: what to look at, until they are put away.

use crate::ui::action::Action;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::kit::fonts;
use crate::ui::scenarios::table::Scenario;
use crate::ui::theme::palette;
use egui::Ui;
use egui_material_icons::icons::ICON_CLOSE;

const DISMISS: Hint = Hint::new("Puts the scenario's words away.", "");

/// Shows the words of a scenario.
pub fn show(ui: &mut Ui, scenario: &Scenario) -> Vec<Action> {
    let mut actions = Vec::new();
    let colours = palette(ui.ctx());
    ui.horizontal_top(|ui| {
        let width = ui.available_width() - 34.0;
        ui.vertical(|ui| {
            ui.set_width(width);
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.horizontal(|ui| {
                ui.label(fonts::group(scenario.name));
                ui.label(egui::RichText::new(scenario.figure).small().color(colours.accent));
            });
            for line in scenario.look_at {
                ui.add(egui::Label::new(
                    egui::RichText::new(line).small().color(colours.secondary),
                ));
            }
        });
        if controls::icon_button(ui, ICON_CLOSE, "Dismiss scenario", DISMISS).clicked() {
            actions.push(Action::DismissScenario);
        }
    });
    actions
}
