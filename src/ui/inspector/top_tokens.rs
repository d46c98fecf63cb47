//! What each branch wanted at a step: the eight most probable codes of the conditional, the guiding
//! unconditional and the guided distribution, with their pictures; and where the tokens that the
//! lanes drew stand in them.

use crate::engine::trace::{StepRecord, TOP_COUNT, TopTokens};
use crate::ui::inspector::swatches::Swatches;
use crate::ui::kit::controls::secondary;
use crate::ui::kit::lane::{LaneName, lane_dot};
use crate::ui::kit::token_text::probability;
use crate::ui::state::run_view::RunView;
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{
    Align, Align2, Button, FontId, Label, Layout, Rect, RichText, Role, Sense, Stroke, StrokeKind,
    TextStyle, Ui, WidgetInfo, pos2, vec2,
};

const LINE: f32 = 20.0;
const SWATCH: f32 = 16.0;

/// Whose distributions are shown.
pub struct TopView<'a> {
    /// The run in view.
    pub run: &'a RunView,
    /// Names of its lanes.
    pub names: &'a [LaneName],
    /// The token's step.
    pub step: usize,
    /// The lane.
    pub lane: usize,
    /// The lane chosen by the switch.
    pub selected: &'a mut usize,
}

/// The codes whose pictures are shown for a step: drawn ones first.
pub fn codes_in_view(run: &RunView, lane: usize, step: usize) -> Vec<u32> {
    let drawn = run.lanes.iter().filter_map(|lane| lane.records.get(step));
    let mut codes: Vec<u32> = drawn.filter(|record| !record.forced).map(|r| r.token).collect();
    if let Some(record) = run.lanes.get(lane).and_then(|lane| lane.records.get(step))
        && !record.forced
    {
        let tops = [&record.top_guided, &record.top_conditional, &record.top_unconditional];
        codes.extend(tops.into_iter().flat_map(|top| top.entries().map(|(code, _)| code)));
    }
    let mut seen = std::collections::HashSet::new();
    codes.retain(|code| seen.insert(*code));
    codes
}

/// Rank from 1 and probability of a code among the top of a distribution.
pub fn rank_of(top: &TopTokens, code: u32) -> Option<(usize, f32)> {
    let found = top.entries().enumerate().find(|(_, (id, _))| *id == code);
    found.map(|(rank, (_, probability))| (rank + 1, probability))
}

/// The lane switch, the three lists, and the drawn tokens.
pub fn show(ui: &mut Ui, view: &mut TopView, swatches: &mut Swatches) {
    let palette = theme::palette(ui.ctx());
    ui.add(Label::new(RichText::new("What each branch wanted").strong()));
    ui.add_space(2.0);
    lane_switch(ui, view);
    let Some(record) = view.run.lanes.get(view.lane).and_then(|l| l.records.get(view.step)) else {
        return;
    };
    if record.forced {
        ui.label(secondary("The token is forced by position; no branch was asked.", palette));
        return;
    }
    ui.add_space(4.0);
    // Rows of the lists are no controls.
    ui.spacing_mut().interact_size.y = LINE;
    lists(ui, view, record, swatches, palette);
    ui.add_space(8.0);
    for lane in 0..view.names.len() {
        drawn_line(ui, view, lane, record, swatches, palette);
    }
}

fn lane_switch(ui: &mut Ui, view: &mut TopView) {
    if view.names.len() < 2 {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(2.0, 2.0);
        for (lane, name) in view.names.iter().enumerate() {
            let shown = if view.names.len() > 2 { name.info.short } else { name.label };
            let text = RichText::new(shown).small();
            let selected = view.lane == lane;
            let dot = RichText::new("●").small().color(name.colour);
            let button = Button::selectable(selected, (dot, text)).min_size(vec2(0.0, 22.0));
            let response = ui.add(button);
            if response.clicked() {
                *view.selected = lane;
            }
            let what = format!("Distributions of {}", name.label);
            response.widget_info(|| WidgetInfo::selected(Role::RadioButton, true, selected, &what));
            response.on_hover_text(format!("Shows what the branches of {} wanted.", name.label));
        }
    });
}

fn lists(
    ui: &mut Ui,
    view: &TopView,
    record: &StepRecord,
    swatches: &mut Swatches,
    palette: &Palette,
) {
    let soft = view.names.get(view.lane).is_some_and(|name| name.guidance.is_perturbed());
    let guiding = if soft { "perturbed ũ" } else { "uncond. u" };
    let columns = [
        ("cond. c", "Conditional distribution, softmax(z_c).", &record.top_conditional),
        (
            guiding,
            "Unconditional distribution that guides: softmax(z_u), in SoftCFG lanes softmax(z_ũ).",
            &record.top_unconditional,
        ),
        ("guided", "Guided distribution before temperature and filters.", &record.top_guided),
    ];
    let gap = 6.0;
    let width = ((ui.available_width() - 2.0 * gap) / 3.0).clamp(60.0, 160.0).floor();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for (title, tooltip, _) in columns {
            ui.allocate_ui_with_layout(
                vec2(width, LINE),
                Layout::left_to_right(Align::Center),
                |ui| {
                    ui.set_min_width(width);
                    ui.add(Label::new(secondary(title, palette)).truncate()).on_hover_text(tooltip);
                },
            );
        }
    });
    for row in 0..TOP_COUNT {
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = gap;
            for (title, _, top) in columns {
                let entry = top.entries().nth(row);
                list_cell(ui, view, title, entry, width, swatches, palette);
            }
        });
    }
}

fn list_cell(
    ui: &mut Ui,
    view: &TopView,
    column: &str,
    entry: Option<(u32, f32)>,
    width: f32,
    swatches: &mut Swatches,
    palette: &Palette,
) {
    let (rect, response) = ui.allocate_exact_size(vec2(width, LINE), Sense::hover());
    let rect = rect.shrink2(vec2(0.0, 1.0));
    let Some((code, p)) = entry else { return };
    let lane_colour = view.names.get(view.lane).map_or(palette.secondary, |name| name.colour);
    let bar_width = rect.width() * p.clamp(0.0, 1.0);
    let bar = Rect::from_min_size(rect.min, vec2(bar_width, rect.height()));
    ui.painter().rect_filled(rect, 2.0, palette.raised.gamma_multiply(0.6));
    ui.painter().rect_filled(bar, 2.0, lane_colour.gamma_multiply(0.3));
    let swatch = Rect::from_min_size(
        pos2(rect.left() + 1.0, rect.center().y - 0.5 * SWATCH),
        vec2(SWATCH, SWATCH),
    );
    swatches.paint(ui, code, swatch, palette);
    let font = FontId::new(11.0, TextStyle::Monospace.resolve(ui.style()).family);
    let painter = ui.painter_at(rect);
    let left = pos2(swatch.right() + 4.0, rect.center().y);
    painter.text(left, Align2::LEFT_CENTER, code, font.clone(), palette.text);
    let right = pos2(rect.right() - 2.0, rect.center().y);
    painter.text(right, Align2::RIGHT_CENTER, probability(p), font, palette.text);
    let drawn_by: Vec<&LaneName> = view
        .run
        .lanes
        .iter()
        .zip(view.names)
        .filter(|(lane, _)| lane.records.get(view.step).is_some_and(|r| r.token == code))
        .map(|(_, name)| name)
        .collect();
    if let Some(first) = drawn_by.first() {
        let own = drawn_by.iter().find(|name| name.colour == lane_colour).unwrap_or(first);
        let stroke = Stroke::new(1.5, own.colour);
        ui.painter().rect_stroke(rect, 2.0, stroke, StrokeKind::Inside);
    }
    let mut words = format!("{column}: code {code}, probability {p:.4}");
    for name in drawn_by {
        words.push_str(&format!(", drawn by {}", name.label));
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &words));
    response.on_hover_text(words.as_str());
}

/// "CFG drew 455: rank 3, .041"
fn drawn_line(
    ui: &mut Ui,
    view: &TopView,
    lane: usize,
    record: &StepRecord,
    swatches: &mut Swatches,
    palette: &Palette,
) {
    let drawn = view.run.lanes.get(lane).and_then(|lane| lane.records.get(view.step));
    let (Some(drawn), Some(name)) = (drawn, view.names.get(lane)) else { return };
    let standing = match rank_of(&record.top_guided, drawn.token) {
        Some((rank, p)) => format!("rank {rank}, {}", probability(p)),
        None => {
            let least = record.top_guided.entries().last().map_or(0.0, |(_, p)| p);
            format!("below {}", probability(least))
        }
    };
    let own = view.names.get(view.lane).map_or("this lane", |name| name.label);
    let tooltip = format!(
        "Where the token that {} drew stands in the guided distribution of {own}.",
        name.label
    );
    ui.horizontal(|ui| {
        ui.set_min_height(LINE + 2.0);
        ui.spacing_mut().item_spacing.x = 5.0;
        lane_dot(ui, name.colour);
        if view.names.len() > 2 {
            // As wide as the longest of these names.
            ui.allocate_ui_with_layout(
                vec2(46.0, LINE),
                Layout::left_to_right(Align::Center),
                |ui| {
                    ui.set_min_width(46.0);
                    ui.add(Label::new(secondary(name.info.short, palette)).extend());
                },
            );
        } else {
            ui.add(Label::new(secondary(name.label, palette)));
        }
        swatches.show(ui, drawn.token, SWATCH, palette);
        let text = format!("{:>5}  {standing}", drawn.token);
        ui.add(Label::new(RichText::new(text).monospace()).truncate()).on_hover_text(tooltip);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_from_one_and_stop_at_what_is_filled() {
        let mut top = TopTokens { count: 2, ..TopTokens::default() };
        top.ids[..3].copy_from_slice(&[7, 4, 9]);
        top.probabilities[..3].copy_from_slice(&[0.5, 0.25, 0.1]);
        assert_eq!(rank_of(&top, 7), Some((1, 0.5)));
        assert_eq!(rank_of(&top, 4), Some((2, 0.25)));
        assert_eq!(rank_of(&top, 9), None);
    }
}
