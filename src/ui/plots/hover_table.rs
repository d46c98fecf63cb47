//! All curves at the step under the pointer, in one small table.

use crate::engine::quantities::quantity::Axis;
use crate::engine::quantities::table;
use crate::ui::kit::controls::secondary;
use crate::ui::kit::lane::{LaneName, lane_dot};
use crate::ui::kit::token_text;
use crate::ui::state::run_view::RunView;
use crate::ui::theme;
use egui::{Grid, PopupAnchor, Response, RichText, Tooltip, Ui, vec2};

/// All curves at one step, beside the pointer.
pub fn show(
    ui: &Ui,
    response: &Response,
    run: &RunView,
    names: &[LaneName],
    tab: Axis,
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
        // The curve to look at first.
        let mut listed = table::curves(tab);
        listed.reverse();
        listed.extend(table::numbers(tab));
        Grid::new("values at the step").spacing(vec2(12.0, 2.0)).show(ui, |ui| {
            ui.label("");
            for quantity in &listed {
                ui.label(RichText::new(quantity.short).small());
            }
            ui.end_row();
            for (lane, name) in names.iter().enumerate() {
                ui.horizontal(|ui| {
                    lane_dot(ui, name.colour);
                    ui.label(RichText::new(name.label).small());
                });
                let record = run.lanes.get(lane).and_then(|lane| lane.records.get(step));
                for quantity in &listed {
                    let value = record.and_then(|record| quantity.value(record));
                    ui.monospace(token_text::number(value, 3));
                }
                ui.end_row();
            }
        });
    });
}
