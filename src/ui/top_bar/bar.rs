//! The top bar: the model, the scenarios, theme and shortcuts.

use crate::models::card::ModelCard;
use crate::ui::action::Action;
use crate::ui::commands::situation::Situation;
use crate::ui::commands::table;
use crate::ui::commands::table::Command;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::kit::fonts;
use crate::ui::kit::keys;
use crate::ui::scenarios::table as scenarios;
use crate::ui::state::model::{ModelStatus, RecentModel};
use crate::ui::theme::{ThemeChoice, palette};
use egui::text::{LayoutJob, TextFormat};
use egui::{Align, Button, FontId, Layout, Popup, ProgressBar, Response, Ui, vec2};
use egui_material_icons::icons::{
    ICON_CLOSE, ICON_DARK_MODE, ICON_EXPAND_MORE, ICON_FORMAT_SIZE, ICON_HELP, ICON_LIGHT_MODE,
    ICON_MEMORY, ICON_SCIENCE,
};

const MODEL: Hint = Hint::new("The model that draws; opens the list of models.", "");
const CANCEL: Hint = Hint::new("Stops loading; the model that is open stays open.", "");
const SIZE: Hint = Hint::new("Shows everything in the window larger or smaller.", "");
const SCENARIOS: Hint =
    Hint::new("Settings that show what the paper's figures show; one click decodes them.", "");

/// What the bar reads.
pub struct TopBar<'a> {
    /// The model.
    pub model: &'a ModelStatus,
    /// Name of the model that is being loaded, and how far it is, 0 to 1.
    pub loading: Option<&'a (String, f32)>,
    /// Files that were chosen are being looked at.
    pub surveying: bool,
    /// Model files can be opened.
    pub can_open_models: bool,
    /// Models that were opened, the newest first.
    pub recent: &'a [RecentModel],
    /// What decides which commands can be given.
    pub situation: &'a Situation<'a>,
}

impl TopBar<'_> {
    /// Shows the bar.
    pub fn show(&self, ui: &mut Ui) -> Vec<Action> {
        let mut actions = Vec::new();
        ui.horizontal_centered(|ui| {
            self.model_menu(ui, &mut actions);
            self.loading(ui, &mut actions);
            if self.model.draws_scenarios() {
                scenario_menu(ui, &mut actions);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                if controls::icon_button(
                    ui,
                    ICON_HELP,
                    table::SHORTCUTS.label,
                    table::SHORTCUTS.hint(),
                )
                .clicked()
                {
                    actions.push(Action::ToggleSheet);
                }
                let theme = self.situation.theme;
                let icon = match theme {
                    ThemeChoice::Dark => ICON_LIGHT_MODE,
                    ThemeChoice::Light => ICON_DARK_MODE,
                };
                if controls::icon_button(
                    ui,
                    icon,
                    table::SWITCH_THEME.label,
                    table::SWITCH_THEME.hint(),
                )
                .clicked()
                {
                    actions.push(Action::SetTheme(theme.other()));
                }
                self.size_menu(ui, &mut actions);
            });
        });
        actions
    }

    /// How large everything is.
    fn size_menu(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let response = controls::icon_button(ui, ICON_FORMAT_SIZE, "Size", SIZE);
        Popup::menu(&response).width(200.0).show(|ui| {
            ui.label(controls::secondary(self.situation.zoom.text(), palette(ui.ctx())));
            for command in [&table::ZOOM_IN, &table::ZOOM_OUT, &table::ZOOM_USUAL] {
                let action = (command.action)(self.situation);
                let entry = |ui: &mut Ui| command_entry(ui, command).clicked();
                if ui.add_enabled_ui(action.is_some(), entry).inner {
                    actions.extend(action);
                }
            }
        });
    }

    /// How far a model is loaded, and a button to stop it.
    fn loading(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        if let Some((name, fraction)) = self.loading {
            let text = format!("{name}  {:.0} %", fraction * 100.0);
            let bar = ProgressBar::new(*fraction).desired_width(220.0).text(fonts::number(text));
            ui.add(bar).accessible_name("Loading");
            if controls::icon_button(ui, ICON_CLOSE, "Cancel loading", CANCEL).clicked() {
                actions.push(Action::CancelLoad);
            }
        } else if self.surveying {
            ui.label(egui::RichText::new("Looking at the files…").small().weak());
        }
    }

    fn model_menu(&self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let colours = palette(ui.ctx());
        let (name, colour) = match self.model {
            ModelStatus::Loading => ("Loading…".to_owned(), colours.secondary),
            ModelStatus::Ready(card) => (card.identity.name.clone(), colours.text),
            ModelStatus::Failed(_) => ("No model".to_owned(), colours.error),
        };
        let response =
            menu_button(ui, ICON_MEMORY, fonts::group(name.as_str()).color(colour), "Model");
        let response = MODEL.on(response);
        Popup::menu(&response).width(300.0).show(|ui| {
            match self.model {
                ModelStatus::Ready(card) => describe(ui, card),
                ModelStatus::Failed(message) => {
                    ui.colored_label(colours.error, message);
                }
                ModelStatus::Loading => {
                    ui.label("The model is being loaded.");
                }
            }
            ui.separator();
            if command_entry(ui, &table::BUILTIN_MODEL).clicked() {
                actions.push(Action::LoadBuiltin);
            }
            if self.can_open_models && command_entry(ui, &table::OPEN_MODEL).clicked() {
                actions.push(Action::OpenModel);
            }
            if self.can_open_models && !self.recent.is_empty() {
                ui.separator();
                ui.label(egui::RichText::new("Recent").small().weak());
                for recent in self.recent {
                    let paths: Vec<String> = recent
                        .request
                        .paths
                        .iter()
                        .map(|path| path.display().to_string())
                        .collect();
                    if entry(ui, &recent.name).on_hover_text(paths.join("\n")).clicked() {
                        actions.push(Action::LoadModel(recent.request.clone()));
                    }
                }
            }
        });
    }
}

fn command_entry(ui: &mut Ui, command: &Command) -> Response {
    let keys = keys::texts(ui.ctx(), command.keys);
    let mut button = Button::new(command.label);
    if !keys.is_empty() {
        button = button.shortcut_text(keys);
    }
    entry_button(ui, button).accessible_name(command.label).on_hover_text(command.tooltip)
}

fn entry(ui: &mut Ui, text: &str) -> Response {
    entry_button(ui, Button::new(text))
}

fn entry_button(ui: &mut Ui, button: Button<'_>) -> Response {
    let response = ui.add(button.min_size(vec2(ui.available_width(), 26.0)));
    if response.clicked() {
        ui.close();
    }
    response
}

fn describe(ui: &mut Ui, card: &ModelCard) {
    ui.spacing_mut().item_spacing.y = 4.0;
    ui.label(fonts::group(card.identity.name.as_str()));
    let weak = |ui: &mut Ui, text: String| ui.label(egui::RichText::new(text).small().weak());
    weak(ui, format!("{} family", card.identity.family));
    weak(
        ui,
        format!(
            "{:.1} M parameters, tokenizer {:.1} M",
            card.decoder.parameters as f64 / 1e6,
            card.tokenizer.parameters as f64 / 1e6
        ),
    );
    let (rows, columns) = (card.layout.rows(), card.layout.columns());
    let side = card.tokenizer.pixels_per_token;
    weak(
        ui,
        format!(
            "{rows} × {columns} tokens of {} codes, {} × {} pixels",
            card.decoder.codebook_size,
            columns * side,
            rows * side
        ),
    );
    weak(ui, format!("weights in {}", card.identity.held()));
    let hash = card.identity.sha256.get(..12).unwrap_or(&card.identity.sha256);
    weak(ui, format!("sha256 {hash}…"));
}

fn scenario_menu(ui: &mut Ui, actions: &mut Vec<Action>) {
    let response = menu_button(ui, ICON_SCIENCE, fonts::group("Scenarios"), "Scenarios");
    let response = SCENARIOS.on(response);
    Popup::menu(&response).width(420.0).show(|ui| {
        let colours = palette(ui.ctx());
        for (index, scenario) in scenarios::all().iter().enumerate() {
            let mut text = LayoutJob::default();
            text.wrap.max_width = 400.0;
            let part = |text: &mut LayoutJob, words: &str, font: FontId, colour| {
                text.append(words, 0.0, TextFormat::simple(font, colour));
            };
            let regular = FontId::proportional(fonts::SECONDARY);
            let strong = FontId::new(fonts::TEXT, fonts::semibold());
            part(&mut text, scenario.name, strong, colours.text);
            part(&mut text, &format!("   {}\n", scenario.figure), regular.clone(), colours.accent);
            part(&mut text, &scenario.look_at.join("\n"), regular, colours.secondary);
            let button = Button::new(text)
                .wrap()
                .frame_when_inactive(false)
                .min_size(vec2(ui.available_width(), 0.0));
            if ui.add(button).accessible_name(scenario.name).clicked() {
                actions.push(Action::ApplyScenario(index));
                ui.close();
            }
        }
    });
}

fn menu_button(
    ui: &mut Ui,
    icon: egui_material_icons::MaterialIcon,
    text: egui::RichText,
    name: &str,
) -> Response {
    let secondary = palette(ui.ctx()).secondary;
    let button = Button::new((
        icon.rich_text().size(16.0).color(secondary),
        text,
        ICON_EXPAND_MORE.rich_text().size(16.0).color(secondary),
    ))
    .frame_when_inactive(false);
    ui.add(button).accessible_name(name)
}
