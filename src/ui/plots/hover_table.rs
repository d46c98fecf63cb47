//! All curves at the step under the pointer, in one small table.

use crate::ui::kit::controls::secondary;
use crate::ui::kit::lane::{LaneName, lane_dot};
use crate::ui::kit::token_text;
use crate::ui::plots::data;
use crate::ui::state::run_view::RunView;
use crate::ui::state::view::PlotTab;
use crate::ui::theme;
use egui::{Grid, PopupAnchor, Response, RichText, Tooltip, Ui, vec2};

/// All curves at one step, beside the pointer.
pub fn show(
    ui: &Ui,
    response: &Response,
    run: &RunView,
    names: &[LaneName],
    tab: PlotTab,
    step: usize,
) {
    let (layer, anchor) = (response.layer_id, PopupAnchor::Pointer);
    let tooltip = Tooltip::always_open(ui.ctx().clone(), layer, response.id, anchor).gap(18.0);
    tooltip.show(|ui| {
        ui.label(token_text::token_name(&run.record.layout, step));
        if step >= run.steps_done() {
            ui.label(secondary("not drawn yet", theme::palette(ui.ctx())));
            return;
        }
        Grid::new("values at the step").spacing(vec2(12.0, 2.0)).show(ui, |ui| {
            ui.label("");
            for series in data::series(tab).iter().rev() {
                ui.label(RichText::new(series.name).small());
            }
            if tab == PlotTab::Scale {
                ui.label(RichText::new("γ_t").small());
            }
            ui.end_row();
            for (lane, name) in names.iter().enumerate() {
                ui.horizontal(|ui| {
                    lane_dot(ui, name.colour);
                    ui.label(RichText::new(name.label).small());
                });
                let values = data::values_at(tab, run, lane, step);
                for value in values.iter().rev() {
                    ui.monospace(token_text::number(*value, 3));
                }
                if tab == PlotTab::Scale {
                    let scale = values.first().copied().flatten();
                    ui.monospace(token_text::number(scale.map(|scale| scale - 1.0), 3));
                }
                ui.end_row();
            }
        });
    });
}
