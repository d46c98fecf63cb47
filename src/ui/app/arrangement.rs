//! The arrangement of the window: which panel stands where, at any size from 1000×650 on.

use crate::ui::app::studio::centre_panels;
use crate::ui::commands::shortcuts;
use crate::ui::history::panel;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::kit::fonts;
use crate::ui::notices::panel;
use crate::ui::open_model::dialog;
use crate::ui::scenarios::table;
use crate::ui::settings::panel as settings_panel;
use crate::ui::app::state::{LowerTab, Shell, State};
use crate::ui::status_bar::bar;
use crate::ui::theme::palette;
use crate::ui::top_bar::bar;
use egui::{CentralPanel, Frame, Margin, Panel, Ui};
use egui_material_icons::icons::ICON_CLOSE;

/// Below this width the inspector shares the lower panel with the plots.
const NARROW: f32 = 1180.0;
/// Below this height thumbnails are small and sliders stand beside their names.
const LOW: f32 = 760.0;

const DISMISS: Hint = Hint::new("Puts the scenario's words away.", "");
const TABS: Hint = Hint::new("Chooses what stands below the images.", "");

/// Shows everything and handles the keys that no panel took.
pub fn show(ui: &mut Ui, state: &mut State) {
    let ctx = ui.ctx().clone();
    let keyboard = shortcuts::Keyboard::now(&ctx);
    let size = ui.available_size();
    state.shell.narrow = size.x < NARROW;
    state.shell.low = size.y < LOW;
    let colours = palette(&ctx);
    let frame =
        |x: i8, y: i8| Frame::new().fill(colours.panel).inner_margin(Margin::symmetric(x, y));

    Panel::top("top bar").exact_size(36.0).frame(frame(8, 0)).show(ui, |ui| {
        top_bar::show(ui, state);
    });
    Panel::bottom("status").exact_size(22.0).frame(frame(12, 0)).show(ui, |ui| {
        status_bar::show(ui, state);
    });
    let height = if state.shell.low { 40.0 } else { 76.0 };
    Panel::bottom("history").exact_size(height).frame(frame(12, 0)).show(ui, |ui| {
        history::show(ui, state);
    });
    let panel = Panel::left("settings").default_size(state.shell.panels.settings);
    let shown = panel.size_range(260.0..=420.0).frame(frame(16, 12)).show(ui, |ui| {
        settings_panel::show(ui, state);
    });
    state.shell.panels.settings = shown.response.rect.width();
    if !state.shell.narrow {
        let panel = Panel::right("inspector").default_size(state.shell.panels.inspector);
        let shown = panel.size_range(300.0..=460.0).frame(frame(12, 12)).show(ui, |ui| {
            // A panel is as wide as what stands in it: this one keeps its width.
            ui.take_available_width();
            centre_panels::inspector(ui, state);
        });
        state.shell.panels.inspector = shown.response.rect.width();
    }
    let window = Frame::new().fill(colours.window);
    let centre = CentralPanel::default().frame(window).show(ui, |ui| centre(ui, state)).response;

    shortcuts::sheet(&ctx, state);
    dialog::show(&ctx, state);
    notices::show(&ctx, state, centre.rect);
    if !state.shell.shortcuts_open && state.shell.opening.is_none() {
        shortcuts::handle(&ctx, state, keyboard);
        if !keyboard.typing && !keyboard.popup {
            centre_panels::handle_keys(&ctx, state);
        }
    }
}

fn centre(ui: &mut Ui, state: &mut State) {
    let colours = palette(ui.ctx());
    let panel =
        |x: i8, y: i8| Frame::new().fill(colours.panel).inner_margin(Margin::symmetric(x, y));
    if state.shell.scenario.is_some() {
        Panel::top("scenario").frame(panel(12, 8)).show(ui, |ui| scenario(ui, state));
    }
    let room = ui.available_height();
    let lower = Panel::bottom("lower")
        .default_size(state.shell.panels.plots.min(room * 0.4))
        .size_range(96.0..=(room * 0.6).max(97.0))
        .resizable(true)
        .frame(panel(12, 8));
    let shown = lower.show(ui, |ui| {
        if state.shell.narrow {
            tabs(ui, &mut state.shell);
        }
        match state.shell.lower_tab {
            LowerTab::Inspector if state.shell.narrow => centre_panels::inspector(ui, state),
            _ => centre_panels::plots(ui, state),
        }
    });
    let rect = shown.response.rect;
    state.shell.panels.plots = rect.height();
    state.shell.plots_rect = Some(rect);
    Panel::bottom("timeline").resizable(false).frame(panel(12, 4)).show(ui, |ui| {
        centre_panels::timeline(ui, state);
    });
    CentralPanel::default().frame(Frame::new().inner_margin(12)).show(ui, |ui| {
        centre_panels::lanes(ui, state);
    });
}

fn tabs(ui: &mut Ui, shell: &mut Shell) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for (tab, name) in [(LowerTab::Plots, "Plots"), (LowerTab::Inspector, "Inspector")] {
            TABS.on(ui.selectable_value(&mut shell.lower_tab, tab, name));
        }
    });
}

fn scenario(ui: &mut Ui, state: &mut State) {
    let Some(scenario) = state.shell.scenario.and_then(|index| scenarios::all().get(index)) else {
        return;
    };
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
            state.shell.scenario = None;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panel whose contents are wider than it grows a little every frame.
    #[test]
    fn panels_keep_their_sizes() {
        for size in [egui::vec2(1400.0, 900.0), egui::vec2(1000.0, 650.0)] {
            let ctx = egui::Context::default();
            crate::ui::theme::install(&ctx);
            let mut state = State::default();
            let before = state.shell.panels;
            for _ in 0..6 {
                let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, size);
                let input = egui::RawInput { screen_rect: Some(screen), ..Default::default() };
                let mut output = ctx.run_ui(input, |ui| show(ui, &mut state));
                output.textures_delta.clear();
            }
            let after = state.shell.panels;
            assert!((after.settings - before.settings).abs() < 2.0, "{size}: {after:?}");
            assert!((after.inspector - before.inspector).abs() < 2.0, "{size}: {after:?}");
        }
    }
}
