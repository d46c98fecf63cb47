//! Lays the panels out, at any size of the window. Below 1180 points of width the inspector becomes a tab
//! beside the plots; below 600 of height images, plots and inspector take turns in the centre.

use crate::ui::app::arrangement::{Arrangement, CentreTab};
use crate::ui::app::inputs;
use crate::ui::app::state::State;
use crate::ui::commands::keyboard::Keyboard;
use crate::ui::kit::controls::Hint;
use crate::ui::scenarios::{note, table as scenarios};
use crate::ui::theme::palette;
use crate::ui::timeline::bar;
use egui::{CentralPanel, Frame, Margin, Panel, Ui};

const TABS: Hint =
    Hint::new("Chooses what is shown here; in a larger window all of it is there at once.", "");

/// Shows everything and reads the keys that no panel took.
pub fn show(ui: &mut Ui, state: &mut State) {
    let ctx = ui.ctx().clone();
    let keyboard = Keyboard::now(&ctx, bar::id());
    state.arrangement.fit(ui.available_size());
    let colours = palette(&ctx);
    let frame =
        |x: i8, y: i8| Frame::new().fill(colours.panel).inner_margin(Margin::symmetric(x, y));

    Panel::top("top bar").exact_size(36.0).frame(frame(8, 0)).show(ui, |ui| {
        inputs::top_bar(ui, state);
    });
    Panel::bottom("status").exact_size(22.0).frame(frame(12, 0)).show(ui, |ui| {
        inputs::status_bar(ui, state);
    });
    let height = if state.arrangement.low { 40.0 } else { 76.0 };
    Panel::bottom("history").exact_size(height).frame(frame(12, 0)).show(ui, |ui| {
        inputs::history(ui, state);
    });
    let panel = Panel::left("settings").default_size(state.arrangement.sizes.settings);
    let shown = panel.size_range(260.0..=420.0).frame(frame(16, 12)).show(ui, |ui| {
        inputs::settings(ui, state);
    });
    state.arrangement.sizes.settings = shown.response.rect.width();
    if !state.arrangement.narrow {
        let panel = Panel::right("inspector").default_size(state.arrangement.sizes.inspector);
        let shown = panel.size_range(300.0..=460.0).frame(frame(12, 12)).show(ui, |ui| {
            // A panel is as wide as what stands in it: this one keeps its width.
            ui.take_available_width();
            inputs::inspector(ui, state);
        });
        state.arrangement.sizes.inspector = shown.response.rect.width();
    }
    let window = Frame::new().fill(colours.window);
    let centre = CentralPanel::default().frame(window).show(ui, |ui| centre(ui, state)).response;

    inputs::commands(&ctx, state);
    inputs::open_model(&ctx, state);
    state.panels.file_dialog.show(&ctx);
    inputs::notices(&ctx, state, centre.rect);
    let covered = state.panels.open_model.dialog.is_some() || state.panels.file_dialog.is_open();
    if !state.panels.commands.is_open() && !covered {
        inputs::keys(&ctx, state, keyboard);
    }
}

fn centre(ui: &mut Ui, state: &mut State) {
    let colours = palette(ui.ctx());
    let panel =
        |x: i8, y: i8| Frame::new().fill(colours.panel).inner_margin(Margin::symmetric(x, y));
    if let Some(scenario) = state.scenario.and_then(|index| scenarios::all().get(index)) {
        let shown =
            Panel::top("scenario").frame(panel(12, 8)).show(ui, |ui| note::show(ui, scenario));
        state.actions.extend(shown.inner);
    }
    if state.arrangement.tight {
        turns(ui, state);
        return;
    }
    let room = ui.available_height();
    // Where there is little room the images need it more than the plots.
    let share = if state.arrangement.low { 0.33 } else { 0.4 };
    let lower = Panel::bottom("lower")
        .default_size(state.arrangement.sizes.plots.min(room * share))
        .size_range(96.0..=(room * 0.6).max(97.0))
        .resizable(true)
        .frame(panel(12, 8));
    let shown = lower.show(ui, |ui| {
        tabs(ui, &mut state.arrangement);
        match state.arrangement.open_tab() {
            CentreTab::Inspector => inputs::inspector(ui, state),
            CentreTab::Images | CentreTab::Plots => inputs::plots(ui, state),
        }
    });
    let rect = shown.response.rect;
    state.arrangement.sizes.plots = rect.height();
    let plots = state.arrangement.open_tab() != CentreTab::Inspector;
    state.arrangement.plots_rect = plots.then_some(rect);
    timeline(ui, state);
    CentralPanel::default().frame(Frame::new().inner_margin(12)).show(ui, |ui| {
        inputs::lanes(ui, state);
    });
}

/// Images, plots and inspector one at a time, over the timeline.
fn turns(ui: &mut Ui, state: &mut State) {
    let colours = palette(ui.ctx());
    timeline(ui, state);
    let frame = Frame::new().fill(colours.panel).inner_margin(Margin::symmetric(12, 4));
    Panel::top("tabs").resizable(false).frame(frame).show(ui, |ui| {
        tabs(ui, &mut state.arrangement);
    });
    let tab = state.arrangement.open_tab();
    let fill = if tab == CentreTab::Images { colours.window } else { colours.panel };
    let frame = Frame::new().fill(fill).inner_margin(Margin::symmetric(12, 8));
    let shown = CentralPanel::default().frame(frame).show(ui, |ui| match tab {
        CentreTab::Images => inputs::lanes(ui, state),
        CentreTab::Plots => inputs::plots(ui, state),
        CentreTab::Inspector => inputs::inspector(ui, state),
    });
    let plots = tab == CentreTab::Plots;
    state.arrangement.plots_rect = plots.then_some(shown.response.rect);
}

fn timeline(ui: &mut Ui, state: &mut State) {
    let frame = Frame::new().fill(palette(ui.ctx()).panel).inner_margin(Margin::symmetric(12, 4));
    Panel::bottom("timeline").resizable(false).frame(frame).show(ui, |ui| {
        inputs::timeline(ui, state);
    });
}

fn tabs(ui: &mut Ui, arrangement: &mut Arrangement) {
    let (tabs, mut open) = (arrangement.tabs(), arrangement.open_tab());
    if tabs.is_empty() {
        return;
    }
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        for (tab, name) in tabs {
            if TABS.on(ui.selectable_value(&mut open, *tab, *name)).clicked() {
                arrangement.tab = *tab;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panel whose contents are wider than it grows a little every frame.
    #[test]
    fn panels_keep_their_sizes() {
        for size in [(1400.0, 900.0), (1000.0, 650.0), (900.0, 500.0)].map(egui::Vec2::from) {
            let ctx = egui::Context::default();
            crate::ui::theme::install(&ctx);
            let mut state = State::default();
            let before = state.arrangement.sizes;
            for _ in 0..6 {
                let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, size);
                let input = egui::RawInput { screen_rect: Some(screen), ..Default::default() };
                let mut output = ctx.run_ui(input, |ui| show(ui, &mut state));
                output.textures_delta.clear();
            }
            let after = state.arrangement.sizes;
            assert!((after.settings - before.settings).abs() < 2.0, "{size}: {after:?}");
            assert!((after.inspector - before.inspector).abs() < 2.0, "{size}: {after:?}");
        }
    }
}
