//! Around the plot: tabs, the legend that hides lanes and curves, saving and copying, and the small
//! table of all curves at the step under the pointer.

use crate::ui::action::Action;
use crate::ui::kit::token_text;
use crate::ui::plots::data;
use crate::ui::plots::data::SeriesStyle;
use crate::ui::kit::lane;
use crate::ui::kit::lane::{LaneName, icon_button, icon_toggle};
use crate::ui::app::state::RunView;
use crate::ui::state::view::{PlotTab, ViewSettings};
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Align, Color32, Grid, Layout, PopupAnchor, Rect, Response, RichText, Role, Sense, Shape,
    Stroke, TextStyle, Tooltip, Ui, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{
    ICON_CONTENT_COPY, ICON_CSV, ICON_FIT_PAGE_HEIGHT, ICON_PHOTO_CAMERA,
};
use std::collections::HashSet;
use strum::VariantArray;

/// Width that tabs and buttons take beside the legend.
const TABS_AND_BUTTONS: f32 = 500.0;
/// Width of a legend entry beside its text.
const ENTRY: f32 = 26.0;

/// What the legend hides.
#[derive(Debug, Default)]
pub struct Hidden {
    lanes: HashSet<usize>,
    series: HashSet<(PlotTab, usize)>,
}

impl Hidden {
    /// Whether a lane's curves are hidden.
    pub fn lane(&self, lane: usize) -> bool {
        self.lanes.contains(&lane)
    }

    /// Whether a series of a tab is hidden.
    pub fn series(&self, tab: PlotTab, series: usize) -> bool {
        self.series.contains(&(tab, series))
    }
}

fn toggle<T: std::hash::Hash + Eq>(set: &mut HashSet<T>, entry: T) {
    if !set.remove(&entry) {
        set.insert(entry);
    }
}

/// What the row above the plot reads.
pub struct Toolbar<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Names of its lanes.
    pub names: &'a [LaneName],
}

/// Tabs, legend, buttons.
pub fn toolbar(
    ui: &mut Ui,
    toolbar: &Toolbar,
    view: &mut ViewSettings,
    hidden: &mut Hidden,
    actions: &mut Vec<Action>,
) {
    let width = ui.available_width();
    let row = vec2(width, 28.0);
    let one_row = width >= TABS_AND_BUTTONS + legend_width(ui, toolbar, view.plot_tab);
    ui.spacing_mut().item_spacing.x = 4.0;
    ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
        for &tab in PlotTab::VARIANTS {
            let (text, tooltip) = (data::label(tab), data::explanation(tab));
            let name = format!("{text} plot");
            centre::choice(ui, &mut view.plot_tab, tab, text, &name, tooltip);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            buttons(ui, toolbar, view, actions);
            if one_row {
                ui.add_space(8.0);
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add_space(8.0);
                    legend(ui, toolbar, view.plot_tab, hidden);
                });
            }
        });
    });
    if !one_row {
        ui.allocate_ui_with_layout(
            vec2(width, 22.0),
            Layout::left_to_right(Align::Center).with_main_wrap(true),
            |ui| legend(ui, toolbar, view.plot_tab, hidden),
        );
    }
}

fn buttons(ui: &mut Ui, toolbar: &Toolbar, view: &mut ViewSettings, actions: &mut Vec<Action>) {
    ui.add_enabled_ui(toolbar.run.is_some(), |ui| {
        let picture = "Saves a picture of the plot as it is.";
        if icon_button(ui, ICON_PHOTO_CAMERA, "Save plot picture", picture).clicked() {
            actions.push(Action::SavePlotPicture);
        }
        let file = "Saves the data of this plot as a CSV file.";
        if icon_button(ui, ICON_CSV, "Save plot data", file).clicked()
            && let Some(run) = toolbar.run
        {
            actions.push(Action::SavePlotData { run: run.record.id });
        }
        let copy = "Copies the data of this plot as CSV.";
        if icon_button(ui, ICON_CONTENT_COPY, "Copy plot data", copy).clicked()
            && let Some(run) = toolbar.run
        {
            actions.push(Action::Copy(data::csv(view.plot_tab, run)));
        }
    });
    if view.plot_tab == PlotTab::Entropy {
        icon_toggle(
            ui,
            ICON_FIT_PAGE_HEIGHT,
            &mut view.fit_entropy,
            "Fit entropy axis",
            "Fits the entropy axis to the curves instead of 0 to 1.",
        );
    }
}

fn legend_width(ui: &Ui, toolbar: &Toolbar, tab: PlotTab) -> f32 {
    let font = TextStyle::Small.resolve(ui.style());
    let lanes = toolbar.names.iter().map(|name| name.label);
    let texts = lanes.chain(data::series(tab).iter().map(|series| series.name));
    texts
        .map(|text| {
            let colour = ui.visuals().text_color();
            ENTRY + ui.painter().layout_no_wrap(text.to_owned(), font.clone(), colour).size().x
        })
        .sum()
}

fn legend(ui: &mut Ui, toolbar: &Toolbar, tab: PlotTab, hidden: &mut Hidden) {
    let palette = theme::palette(ui.ctx());
    ui.spacing_mut().item_spacing.x = 2.0;
    for (lane, name) in toolbar.names.iter().enumerate() {
        let shown = !hidden.lane(lane);
        let what = format!("{} curves", name.label);
        let sample = Sample::Dot(name.colour);
        if legend_entry(ui, sample, name.label, &what, shown, name.explanation(), palette).clicked()
        {
            toggle(&mut hidden.lanes, lane);
        }
    }
    let series = data::series(tab);
    if series.len() < 2 {
        return;
    }
    ui.add_space(8.0);
    for (index, series) in series.iter().enumerate().rev() {
        let shown = !hidden.series(tab, index);
        let what = format!("{} curve", series.name);
        let sample = Sample::Line(series.style);
        if legend_entry(ui, sample, series.name, &what, shown, series.explanation, palette)
            .clicked()
        {
            toggle(&mut hidden.series, (tab, index));
        }
    }
}

enum Sample {
    Dot(Color32),
    Line(SeriesStyle),
}

fn legend_entry(
    ui: &mut Ui,
    sample: Sample,
    text: &str,
    what: &str,
    shown: bool,
    tooltip: &str,
    palette: &Palette,
) -> Response {
    let font = TextStyle::Small.resolve(ui.style());
    let colour = if shown { palette.text } else { palette.secondary };
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, colour);
    let sample_width = match sample {
        Sample::Dot(_) => 12.0,
        Sample::Line(_) => 20.0,
    };
    let size = vec2(sample_width + galley.size().x + 10.0, 22.0);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, 4.0, palette.raised);
    }
    let middle = rect.center().y;
    let faded = |colour: Color32| if shown { colour } else { colour.gamma_multiply(0.3) };
    match sample {
        Sample::Dot(colour) => {
            ui.painter().circle_filled(pos2(rect.left() + 8.0, middle), 4.0, faded(colour));
        }
        Sample::Line(style) => {
            let ends = [pos2(rect.left() + 4.0, middle), pos2(rect.left() + 20.0, middle)];
            paint_sample(ui, style, ends, faded(palette.text));
        }
    }
    let at = pos2(rect.left() + sample_width + 4.0, middle - 0.5 * galley.size().y);
    let text_rect = Rect::from_min_size(at, galley.size());
    ui.painter().galley(at, galley, colour);
    if !shown {
        ui.painter().hline(text_rect.x_range(), middle, Stroke::new(1.0, palette.secondary));
    }
    let enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, enabled, shown, what));
    response.on_hover_text(format!("{tooltip} Click to hide or show."))
}

fn paint_sample(ui: &Ui, style: SeriesStyle, ends: [egui::Pos2; 2], colour: Color32) {
    let line = |width: f32| vec![Shape::line_segment(ends, Stroke::new(width, colour))];
    ui.painter().extend(match style {
        SeriesStyle::Thick => line(2.0),
        SeriesStyle::Thin => line(1.0),
        SeriesStyle::Dashed => Shape::dashed_line(&ends, Stroke::new(1.2, colour), 4.0, 2.0),
    });
}

/// All curves at one step, beside the pointer.
pub fn hover_table(
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
            ui.label(centre::secondary("not drawn yet", theme::palette(ui.ctx())));
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
                    centre::lane_dot(ui, name.colour);
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
