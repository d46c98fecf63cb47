//! The legend, which hides lanes and curves.

use crate::engine::quantities::quantity::{Axis, Plotted};
use crate::engine::quantities::table::curves;
use crate::ui::kit::lane::LaneName;
use crate::ui::kit::quantity_text::explain;
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Color32, Rect, Response, Role, Sense, Shape, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2,
};
use std::collections::HashSet;

/// Width of a legend entry beside its text.
const ENTRY: f32 = 26.0;

/// What the legend hides.
#[derive(Debug, Default)]
pub struct Hidden {
    lanes: HashSet<usize>,
    series: HashSet<(Axis, usize)>,
}

impl Hidden {
    /// Whether a lane's curves are hidden.
    pub fn lane(&self, lane: usize) -> bool {
        self.lanes.contains(&lane)
    }

    /// Whether a series of a tab is hidden.
    pub fn series(&self, tab: Axis, series: usize) -> bool {
        self.series.contains(&(tab, series))
    }
}

fn toggle<T: std::hash::Hash + Eq>(set: &mut HashSet<T>, entry: T) {
    if !set.remove(&entry) {
        set.insert(entry);
    }
}

/// Width of the whole legend in one row, in points.
pub fn width(ui: &Ui, names: &[LaneName], tab: Axis) -> f32 {
    let font = TextStyle::Small.resolve(ui.style());
    let lanes = names.iter().map(|name| name.label);
    let texts = lanes.chain(curves(tab).into_iter().map(|curve| curve.short));
    texts
        .map(|text| {
            let colour = ui.visuals().text_color();
            ENTRY + ui.painter().layout_no_wrap(text.to_owned(), font.clone(), colour).size().x
        })
        .sum()
}

/// A dot and a name for each lane, a line and a name for each series; a click hides or shows it.
pub fn show(ui: &mut Ui, names: &[LaneName], tab: Axis, hidden: &mut Hidden) {
    let palette = theme::palette(ui.ctx());
    ui.spacing_mut().item_spacing.x = 2.0;
    for (lane, name) in names.iter().enumerate() {
        let shown = !hidden.lane(lane);
        let what = format!("{} curves", name.label);
        let sample = Sample::Dot(name.colour);
        if legend_entry(ui, sample, name.label, &what, shown, name.info.explanation, palette)
            .clicked()
        {
            toggle(&mut hidden.lanes, lane);
        }
    }
    let curves = curves(tab);
    if curves.len() < 2 {
        return;
    }
    ui.add_space(8.0);
    for (index, curve) in curves.into_iter().enumerate().rev() {
        let shown = !hidden.series(tab, index);
        let what = format!("{} curve", curve.short);
        let sample = Sample::Line(curve.plotted);
        if legend_entry(ui, sample, curve.short, &what, shown, &explain(curve), palette).clicked() {
            toggle(&mut hidden.series, (tab, index));
        }
    }
}

enum Sample {
    Dot(Color32),
    Line(Plotted),
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

fn paint_sample(ui: &Ui, style: Plotted, ends: [egui::Pos2; 2], colour: Color32) {
    let line = |width: f32| vec![Shape::line_segment(ends, Stroke::new(width, colour))];
    ui.painter().extend(match style {
        Plotted::Main => line(2.0),
        Plotted::Second => line(1.0),
        Plotted::Third => Shape::dashed_line(&ends, Stroke::new(1.2, colour), 4.0, 2.0),
        Plotted::Number | Plotted::No => Vec::new(),
    });
}
