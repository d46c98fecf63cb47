//! The line above each image: which lane it is, what its guidance does, and saving its picture.

use crate::ui::action::Action;
use crate::ui::kit::controls::secondary;
use crate::ui::kit::lane::{LaneName, lane_dot, lane_label};
use crate::ui::lanes::comparison::{CellContent, Pair};
use crate::ui::state::run_view::{RunView, tokens_differ};
use crate::ui::theme;
use egui::{Align, Color32, ComboBox, Label, Layout, Role, TextStyle, Ui, WidgetInfo};
use egui_material_icons::icons::ICON_DOWNLOAD;

/// Width of the lane's dot and of the gaps between it, name and summary.
const DOT_AND_GAPS: f32 = 30.0;

/// What headers read.
pub struct Header<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Names of its lanes.
    pub names: &'a [LaneName],
    /// Tokens drawn at the cursor.
    pub shown: usize,
    /// Whether a heat map lies over the images.
    pub with_overlay: bool,
}

/// The header of one viewport.
pub fn show(
    ui: &mut Ui,
    header: &Header,
    content: CellContent,
    pair: &mut Pair,
    actions: &mut Vec<Action>,
) {
    let palette = theme::palette(ui.ctx());
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        let name = |lane: usize| header.names.get(lane);
        match content {
            CellContent::Lane(lane) => {
                let Some(name) = name(lane) else { return };
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    save_menu(ui, header, lane, actions);
                    let all_fit = summaries_fit(ui, header);
                    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                        let whole = text_width(ui, name.label) + DOT_AND_GAPS;
                        let narrow = LaneName { label: name.info.narrow, ..*name };
                        let fits = whole <= ui.available_width();
                        lane_label(ui, if fits { name } else { &narrow });
                        if all_fit {
                            ui.label(secondary(name.info.summary, palette))
                                .on_hover_text(name.info.explanation);
                        }
                    });
                });
            }
            CellContent::Wipe(Pair { a, b }) => {
                lane_choice(ui, header, "left lane", a, b, &mut pair.a);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    lane_choice(ui, header, "right lane", b, a, &mut pair.b);
                });
            }
            CellContent::Flip { front, behind } => {
                if let (Some(front), Some(behind)) = (name(front), name(behind)) {
                    lane_label(ui, front);
                    let hint = format!("Alt shows {}", behind.label);
                    ui.add(Label::new(secondary(hint, palette)).truncate());
                }
                if header.names.len() > 2 {
                    let (a, b) = (pair.a, pair.b);
                    lane_choice(ui, header, "front lane", a, b, &mut pair.a);
                    lane_choice(ui, header, "lane behind", b, a, &mut pair.b);
                }
            }
            CellContent::Difference(Pair { a, b }) => {
                lane_choice(ui, header, "first lane", a, b, &mut pair.a);
                ui.label(secondary("against", palette));
                lane_choice(ui, header, "second lane", b, a, &mut pair.b);
                if let Some(run) = header.run
                    && let (Some(a), Some(b)) = (run.lanes.get(a), run.lanes.get(b))
                {
                    let count = (0..header.shown).filter(|&step| tokens_differ(a, b, step)).count();
                    let text = format!("{count} of {} tokens differ", header.shown);
                    if text_width(ui, &text) <= ui.available_width() {
                        ui.label(secondary(text, palette));
                    }
                }
            }
        }
    });
}

/// Whether every lane's summary has room beside its name: all are shown, or none.
fn summaries_fit(ui: &Ui, header: &Header) -> bool {
    let width = |name: &LaneName| text_width(ui, name.label) + text_width(ui, name.info.summary);
    let widest = header.names.iter().map(width).fold(0.0, f32::max);
    widest + DOT_AND_GAPS <= ui.available_width()
}

fn text_width(ui: &Ui, text: &str) -> f32 {
    let font = TextStyle::Body.resolve(ui.style());
    ui.painter().layout_no_wrap(text.into(), font, Color32::PLACEHOLDER).size().x
}

/// The lane's name; with more than two lanes a menu of the others.
fn lane_choice(
    ui: &mut Ui,
    header: &Header,
    what: &str,
    lane: usize,
    other: usize,
    chosen: &mut usize,
) {
    let Some(name) = header.names.get(lane) else { return };
    if header.names.len() <= 2 {
        lane_label(ui, name);
        return;
    }
    let from_right = ui.layout().prefer_right_to_left();
    if !from_right {
        lane_dot(ui, name.colour);
    }
    let combo = ComboBox::from_id_salt(what).selected_text(name.label).width(90.0);
    let response = combo.show_ui(ui, |ui| {
        for (index, name) in header.names.iter().enumerate() {
            if index != other {
                ui.selectable_value(chosen, index, name.label);
            }
        }
    });
    let response = response.response.on_hover_text("Which lane is compared here.");
    response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, what));
    if from_right {
        lane_dot(ui, name.colour);
    }
}

fn save_menu(ui: &mut Ui, header: &Header, lane: usize, actions: &mut Vec<Action>) {
    let Some(run) = header.run else { return };
    let name = header.names.get(lane).map_or("lane", |name| name.label);
    let id = run.record.id;
    let menu = ui.menu_button(ICON_DOWNLOAD.rich_text().size(15.0), |ui| {
        let mut item = |ui: &mut Ui, text: &str, tooltip: &str, with_overlay: bool| {
            if ui.button(text).on_hover_text(tooltip).clicked() {
                actions.push(Action::SaveImage { run: id, lane, with_overlay });
                ui.close();
            }
        };
        item(
            ui,
            "Save image…",
            "Writes this lane's image at full resolution, with the run's settings inside.",
            false,
        );
        if header.with_overlay {
            item(ui, "Save image with overlay…", "The same with the heat map over it.", true);
        }
    });
    let accessible = format!("Save {name} image");
    menu.response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &accessible));
    menu.response.on_hover_text("Saves this lane's image.");
}
