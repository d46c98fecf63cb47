//! The row above the plot: tabs, legend, saving and copying.

use crate::engine::quantities::quantity::Axis;
use crate::ui::action::Action;
use crate::ui::commands::table;
use crate::ui::kit::controls::{Hint, icon_button, icon_toggle, segment};
use crate::ui::kit::lane::LaneName;
use crate::ui::plots::data;
use crate::ui::plots::legend;
use crate::ui::plots::legend::Hidden;
use crate::ui::state::run_view::RunView;
use crate::ui::state::view::ViewSettings;
use egui::{Align, Layout, Ui, vec2};
use egui_material_icons::icons::{
    ICON_CONTENT_COPY, ICON_CSV, ICON_FIT_PAGE_HEIGHT, ICON_PHOTO_CAMERA,
};
use strum::VariantArray;

const COPY: Hint = Hint::new("Copies the data of this plot as CSV.", "");
const FIT: Hint = Hint::new("Fits the entropy axis to the curves instead of 0 to 1.", "");

/// Width that tabs and buttons take beside the legend.
const TABS_AND_BUTTONS: f32 = 500.0;

/// What the row above the plot reads.
pub struct Toolbar<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Names of its lanes.
    pub names: &'a [LaneName],
}

/// Tabs, legend, buttons.
pub fn show(
    ui: &mut Ui,
    toolbar: &Toolbar,
    view: &mut ViewSettings,
    hidden: &mut Hidden,
    actions: &mut Vec<Action>,
) {
    let width = ui.available_width();
    let row = vec2(width, 28.0);
    let one_row = width >= TABS_AND_BUTTONS + legend::width(ui, toolbar.names, view.plot_tab);
    ui.spacing_mut().item_spacing.x = 4.0;
    ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
        for &tab in Axis::VARIANTS {
            let (text, hint) = (tab.label(), Hint::new(tab.does(), tab.equation()));
            let name = format!("{text} plot");
            segment(ui, &mut view.plot_tab, tab, text, &name, hint);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            buttons(ui, toolbar, view, actions);
            if one_row {
                ui.add_space(8.0);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add_space(8.0);
                    legend::show(ui, toolbar.names, view.plot_tab, hidden);
                });
            }
        });
    });
    if !one_row {
        ui.allocate_ui_with_layout(
            vec2(width, 22.0),
            Layout::left_to_right(Align::Center).with_main_wrap(true),
            |ui| legend::show(ui, toolbar.names, view.plot_tab, hidden),
        );
    }
}

fn buttons(ui: &mut Ui, toolbar: &Toolbar, view: &mut ViewSettings, actions: &mut Vec<Action>) {
    ui.add_enabled_ui(toolbar.run.is_some(), |ui| {
        let (label, hint) = (table::SAVE_PLOT_PICTURE.label, table::SAVE_PLOT_PICTURE.hint());
        if icon_button(ui, ICON_PHOTO_CAMERA, label, hint).clicked() {
            actions.push(Action::SavePlotPicture);
        }
        let (label, hint) = (table::SAVE_PLOT_DATA.label, table::SAVE_PLOT_DATA.hint());
        if icon_button(ui, ICON_CSV, label, hint).clicked()
            && let Some(run) = toolbar.run
        {
            actions.push(Action::SavePlotData { run: run.record.id });
        }
        if icon_button(ui, ICON_CONTENT_COPY, "Copy plot data", COPY).clicked()
            && let Some(run) = toolbar.run
        {
            actions.push(Action::Copy(data::csv(view.plot_tab, run)));
        }
    });
    if view.plot_tab == Axis::Entropy {
        let icons = (ICON_FIT_PAGE_HEIGHT, ICON_FIT_PAGE_HEIGHT);
        icon_toggle(ui, &mut view.fit_entropy, icons, "Fit entropy axis", FIT);
    }
}
