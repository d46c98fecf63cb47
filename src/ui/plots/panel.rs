//! The plots: one wide, tabs for the others, all over the same steps as timeline and images. Curves
//! are reduced to what the plot's width can show and kept until something changes.

use crate::engine::quantities::quantity::{Axis, Plotted};
use crate::ui::action::Action;
use crate::ui::kit::lane::LaneName;
use crate::ui::plots::curves::{Curve, Curves, Gap};
use crate::ui::plots::data;
use crate::ui::plots::legend::Hidden;
use crate::ui::plots::{hover_table, toolbar};
use crate::ui::state::run_view::RunView;
use crate::ui::state::shared::Shared;
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{Color32, Id, Rangef, Role, Stroke, Ui, Vec2b, WidgetInfo, vec2};
use egui_plot::{
    AxisHints, FilledArea, GridInput, GridMark, HPlacement, Line, LineStyle, Plot, PlotPoints,
    PlotUi, Span, VLine,
};

/// Points of scrolling that zoom by a factor of e.
const SCROLL_PER_E: f32 = 240.0;
/// Smallest distance of two ticks on the step axis in points.
const TICK_SPACING: f64 = 46.0;
/// Distances of ticks between which their labels fade in; ours are always farther apart.
const LABEL_SPACING: Rangef = Rangef { min: 10.0, max: 20.0 };
/// Height from which the y axis has a title.
const TITLE_FROM: f64 = 150.0;
/// Smallest distance of two ticks on the y axis in points.
const Y_SPACING: f64 = 30.0;

/// What the plots keep between frames.
#[derive(Default)]
pub struct PlotsPanel {
    /// What the legend hides.
    pub hidden: Hidden,
    curves: Curves,
}

/// What the plots read.
pub struct PlotsInput<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Names of its lanes.
    pub names: &'a [LaneName],
}

impl PlotsPanel {
    /// Tabs, legend and plot in all the room there is.
    pub fn show(&mut self, ui: &mut Ui, input: &PlotsInput, shared: &mut Shared) -> Vec<Action> {
        let palette = theme::palette(ui.ctx());
        let mut actions = Vec::new();
        let PlotsInput { run, names } = *input;
        let parts = toolbar::Toolbar { run, names };
        toolbar::show(ui, &parts, &mut shared.view, &mut self.hidden, &mut actions);

        let tab = shared.view.plot_tab;
        let gap_lane = shared.focus.lane().unwrap_or(0);
        match run {
            Some(run) => self.curves.update(run, tab, gap_lane),
            None => self.curves.clear(),
        }
        let scene = Scene {
            run,
            names,
            tab,
            fit: shared.view.fit_entropy && tab == Axis::Entropy,
            cursor_step: run.and_then(|run| shared.cursor.steps_shown(run).checked_sub(1)),
            focus: shared.focus.focus(),
            gap_lane,
            palette,
        };
        let pointed = scene.show(ui, self);
        if let (Some(run), Some(pointed)) = (run, pointed) {
            if pointed.step < run.steps_done() {
                shared.focus.hover(pointed.step, None);
            }
            if pointed.clicked {
                shared.cursor.move_to(pointed.step + 1, run.steps_done());
                shared.cursor.playing = false;
            }
        }
        actions
    }
}

/// The step under the pointer.
struct Pointed {
    step: usize,
    clicked: bool,
}

/// What one frame of the plot shows.
struct Scene<'a> {
    run: Option<&'a RunView>,
    names: &'a [LaneName],
    tab: Axis,
    fit: bool,
    cursor_step: Option<usize>,
    focus: Option<usize>,
    gap_lane: usize,
    palette: &'static Palette,
}

impl<'a> Scene<'a> {
    fn show(&self, ui: &mut Ui, plots: &mut PlotsPanel) -> Option<Pointed> {
        let steps = self.run.map_or(256, RunView::steps).max(1);
        let (low, high) = match self.run {
            Some(run) => data::y_range(self.tab, run, self.fit),
            None => (0.0, 1.0),
        };
        let margin = 0.03 * (high - low);
        let tick_width = f64::from(ui.available_width().max(100.0));
        let tick_height = f64::from(ui.available_height().max(60.0));
        let row_starts = self.run.map_or_else(Vec::new, |run| run.record.layout.row_starts());
        let (id, palette) = (Id::unique(("plot", self.tab, steps)), self.palette);
        // The title of the axis needs more height than a low plot has.
        let named = |title: &'static str| if tick_height >= TITLE_FROM { title } else { "" };
        let y_format = |mark: GridMark, _: &std::ops::RangeInclusive<f64>| tick(mark);
        let mut y_axes = vec![AxisHints::new_y().label(named(self.tab.unit())).formatter(y_format)];
        if self.tab == Axis::Scale {
            let paper =
                AxisHints::new_y().placement(HPlacement::Right).label(named("γ_t of Eq. 6"));
            y_axes.push(
                paper.formatter(|mark, _| tick(GridMark { value: mark.value - 1.0, ..mark })),
            );
        }
        let y_axes = y_axes
            .into_iter()
            .map(|axis: AxisHints| {
                let axis = axis.tick_label_color(palette.secondary).min_thickness(34.0);
                axis.label_spacing(LABEL_SPACING)
            })
            .collect();
        let x_axis = AxisHints::new_x()
            .formatter(|mark, _| format!("{:.0}", mark.value))
            .label_spacing(LABEL_SPACING);
        let plot = Plot::new(self.tab)
            .id(id)
            .custom_x_axes(vec![x_axis.tick_label_color(palette.secondary)])
            .custom_y_axes(y_axes)
            .include_x(0.0)
            .include_x(steps as f64)
            .include_y(low - margin)
            .include_y(high + margin)
            .set_margin_fraction(vec2(0.0, 0.0))
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_boxed_zoom(false)
            .allow_axis_zoom_drag(false)
            .allow_drag(Vec2b::new(true, false))
            .show_x(false)
            .show_y(false)
            .show_background(false)
            .grid_color(palette.grid())
            .grid_spacing(Rangef::new(8.0, 40.0))
            .y_grid_spacer(move |input| y_marks(&input, tick_height))
            .x_grid_spacer(move |input| x_marks(&input, &row_starts, tick_width));
        let (curves, gap, hidden) = (&plots.curves.list, &plots.curves.gap, &plots.hidden);
        let shown = plot.show(ui, |plot_ui| {
            self.paint(plot_ui, steps, curves, gap, hidden);
            let scroll = plot_ui.ctx().input(|input| input.smooth_scroll_delta.y);
            if plot_ui.response().hovered() && scroll != 0.0 {
                let factor = (scroll / SCROLL_PER_E).exp();
                plot_ui.zoom_bounds_around_hovered(vec2(factor, 1.0));
            }
        });
        let (response, transform) = (shown.response, shown.transform);
        plots.curves.width = transform.frame().width();
        let bounds = transform.bounds().range_x();
        plots.curves.visible = Some((*bounds.start(), *bounds.end()));
        let name = format!("Plot of {}", self.tab.label());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        let run = self.run?;
        let pointer = response.hover_pos()?;
        let step = transform.value_from_position(pointer).x.round().max(0.0) as usize;
        let step = step.min(run.steps().checked_sub(1)?);
        hover_table::show(ui, &response, run, self.names, self.tab, step);
        Some(Pointed { step, clicked: response.clicked() })
    }

    fn paint<'p>(
        &self,
        plot_ui: &mut PlotUi<'p>,
        steps: usize,
        curves: &'p [Curve],
        gap: &Gap,
        hidden: &Hidden,
    ) {
        let palette = self.palette;
        if let Some(run) = self.run {
            for band in data::row_bands(&run.record.layout) {
                let range = band.start as f64 - 0.5..=band.end as f64 - 0.5;
                let span = Span::new("", range).fill(palette.row_band()).border_width(0.0);
                plot_ui.span(span.border_color(Color32::TRANSPARENT));
            }
        }
        let gap_seen = self.tab == Axis::Entropy
            && !hidden.lane(self.gap_lane)
            && !hidden.series(self.tab, 0)
            && !hidden.series(self.tab, 1);
        if let Some(name) = self.names.get(self.gap_lane)
            && gap_seen
            && gap.steps.len() > 1
        {
            let area = FilledArea::new("", &gap.steps, &gap.conditional, &gap.unconditional);
            plot_ui.add(area.fill_color(name.colour.gamma_multiply(0.16)).allow_hover(false));
        }
        for curve in curves {
            let Some(name) = self.names.get(curve.lane) else { continue };
            if hidden.lane(curve.lane) || hidden.series(self.tab, curve.series) {
                continue;
            }
            plot_ui.line(self.line(curve, name));
        }
        let whole = |step: usize| step as f64;
        if let Some(step) = self.focus.filter(|&step| step < steps) {
            plot_ui.vline(VLine::new("", whole(step)).stroke(Stroke::new(1.0, palette.text)));
        }
        if let Some(step) = self.cursor_step {
            plot_ui.vline(VLine::new("", whole(step)).stroke(Stroke::new(1.5, palette.accent)));
        }
        // Where each lane parts from the first, in its colour.
        let divergences = self.run.map_or(&[][..], |run| &run.divergences);
        for (lane, (step, name)) in divergences.iter().zip(self.names).enumerate() {
            let Some(step) = step.filter(|_| !hidden.lane(lane)) else { continue };
            let stroke = Stroke::new(1.0, name.colour.gamma_multiply(0.8));
            let line = VLine::new("", whole(step)).stroke(stroke);
            plot_ui.vline(line.style(LineStyle::Dotted { spacing: 4.0 }));
        }
    }

    fn line<'p>(&self, curve: &'p Curve, name: &LaneName) -> Line<'p> {
        // Lanes of one run share the schedule: the first is wider, so that the others show on it.
        let behind = self.names.len().saturating_sub(curve.lane + 1) as f32;
        let (width, style) = match curve.quantity.plotted {
            Plotted::Main if self.tab == Axis::Scale => (2.0 + 2.5 * behind, LineStyle::Solid),
            Plotted::Main => (2.0, LineStyle::Solid),
            Plotted::Second | Plotted::Number | Plotted::No => (1.0, LineStyle::Solid),
            Plotted::Third => (1.2, LineStyle::Dashed { length: 6.0 }),
        };
        let title = format!("{} {}", name.label, curve.quantity.short);
        Line::new(title, PlotPoints::Borrowed(&curve.points))
            .color(name.colour)
            .width(width)
            .style(style)
            .allow_band(true)
            .allow_hover(false)
    }
}

/// Ticks at row starts, as many rows apart as the width needs.
fn x_marks(input: &GridInput, row_starts: &[usize], width: f64) -> Vec<GridMark> {
    let per_row = match row_starts {
        [first, second, ..] => (second - first) as f64,
        _ => 16.0,
    };
    let points_per_step = width / (input.bounds.1 - input.bounds.0).max(1.0);
    let mut rows = 1;
    while per_row * f64::from(rows) * points_per_step < TICK_SPACING && rows < 1 << 20 {
        rows *= 2;
    }
    let step_size = per_row * f64::from(rows);
    row_starts
        .iter()
        .step_by(rows as usize)
        .map(|&start| GridMark { value: start as f64, step_size })
        .filter(|mark| (input.bounds.0..=input.bounds.1).contains(&mark.value))
        .collect()
}

/// Ticks at 1, 2 or 5 times a power of ten.
fn y_marks(input: &GridInput, height: f64) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let least = (high - low).max(1e-9) * Y_SPACING / height;
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let step_size = steps.into_iter().find(|step| *step >= least).unwrap_or(least);
    let (first, last) = ((low / step_size).ceil() as i64, (high / step_size).floor() as i64);
    let marks = (first..=last).take(64);
    marks.map(|k| GridMark { value: k as f64 * step_size, step_size }).collect()
}

fn tick(mark: GridMark) -> String {
    let decimals = (-mark.step_size.log10().floor()).clamp(0.0, 5.0) as usize;
    format!("{:.decimals$}", mark.value)
}
