//! The history: every run of the session as a pair of small pictures, newest first. A click shows a
//! run again whole; a double click, the button or the context menu takes its settings back.

use crate::engine::settings::{LaneSettings, LaneSpec, RunSettings};
use crate::engine::trace::{RunId, RunStatus};
use crate::guidance::schedule::Schedule;
use crate::ui::action::Action;
use crate::ui::commands::table;
use crate::ui::history::thumbnails::Thumbnails;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::kit::fonts;
use crate::ui::kit::run_text;
use crate::ui::kit::run_text::trimmed;
use crate::ui::state::run_view::RunView;
use crate::ui::theme::{UNTINTED, palette};
use egui::{
    Align2, Rect, Response, ScrollArea, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use egui_material_icons::icons::{ICON_DATA_OBJECT, ICON_IMAGE, ICON_SETTINGS_BACKUP_RESTORE};

const SAVE_IMAGE: Hint =
    Hint::new("Saves an image of the run in view as PNG; its settings travel inside the file.", "");
/// What the history keeps between frames.
#[derive(Default)]
pub struct HistoryPanel {
    thumbnails: Thumbnails,
}

/// What the history reads.
pub struct HistoryInput<'a> {
    /// Runs of the session, oldest first.
    pub runs: &'a [RunView],
    /// Which of them is in view.
    pub shown: Option<RunId>,
    /// A file is being saved: no other can be.
    pub saving: bool,
    /// The window is low: pictures are small and have no captions.
    pub low: bool,
}

impl HistoryPanel {
    /// Forgets the pictures of a run.
    pub fn forget(&mut self, run: RunId) {
        self.thumbnails.forget(run);
    }

    /// Shows the strip.
    pub fn show(&mut self, ui: &mut Ui, input: &HistoryInput) -> Vec<Action> {
        let mut actions = Vec::new();
        ui.horizontal_centered(|ui| {
            commands(ui, input, &mut actions);
            if input.runs.is_empty() {
                let text = "Runs of this session appear here: a click shows one again, a double click takes its settings back.";
                ui.add(egui::Label::new(egui::RichText::new(text).weak()).truncate());
                return;
            }
            ScrollArea::horizontal().auto_shrink([false, false]).show(ui, |ui| {
                ui.horizontal_centered(|ui| {
                    ui.spacing_mut().item_spacing.x = 8.0;
                    for run in input.runs.iter().rev() {
                        item(ui, run, input, &mut self.thumbnails, &mut actions);
                    }
                });
            });
        });
        actions
    }
}

fn commands(ui: &mut Ui, input: &HistoryInput, actions: &mut Vec<Action>) {
    let shown = input.shown.and_then(|id| RunView::find(input.runs, id));
    let mut buttons = |ui: &mut Ui| {
        ui.spacing_mut().item_spacing.x = 2.0;
        let Some(run) = shown else { return };
        let id = run.record.id;
        let icon = ICON_SETTINGS_BACKUP_RESTORE;
        if controls::icon_button(ui, icon, table::RESTORE.label, table::RESTORE.hint()).clicked() {
            actions.push(Action::RestoreSettings(id));
        }
        ui.add_enabled_ui(!input.saving, |ui| {
            let image = controls::icon_button(ui, ICON_IMAGE, "Save image", SAVE_IMAGE);
            egui::Popup::menu(&image).show(|ui| {
                save_image_entries(ui, id, &lane_names(run), actions);
            });
            if controls::icon_button(
                ui,
                ICON_DATA_OBJECT,
                table::SAVE_TRACE.label,
                table::SAVE_TRACE.hint(),
            )
            .clicked()
            {
                actions.push(Action::SaveTrace { run: id });
            }
        });
    };
    if input.low {
        ui.label(fonts::group("History"));
        buttons(ui);
    } else {
        ui.allocate_ui(vec2(96.0, ui.available_height()), |ui| {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                ui.set_width(96.0);
                ui.add_space(6.0);
                ui.label(fonts::group("History"));
                ui.horizontal(|ui| buttons(ui));
            });
        });
    }
}

fn lane_names(run: &RunView) -> Vec<&'static str> {
    run.record.lanes().iter().map(LaneSpec::label).collect()
}

fn save_image_entries(ui: &mut Ui, run: RunId, lanes: &[&str], actions: &mut Vec<Action>) {
    for (lane, name) in lanes.iter().enumerate() {
        if ui.button(format!("{name}…")).clicked() {
            actions.push(Action::SaveImage { run, lane, with_overlay: false });
            ui.close();
        }
    }
    ui.separator();
    for (lane, name) in lanes.iter().enumerate() {
        if ui.button(format!("{name} with overlay…")).clicked() {
            actions.push(Action::SaveImage { run, lane, with_overlay: true });
            ui.close();
        }
    }
}

fn item(
    ui: &mut Ui,
    run: &RunView,
    input: &HistoryInput,
    thumbnails: &mut Thumbnails,
    actions: &mut Vec<Action>,
) {
    let id = run.record.id;
    let height = (ui.available_height() - 12.0).clamp(24.0, 120.0);
    let caption = if input.low { 0.0 } else { 14.0 };
    let side = height - caption;
    let layout = &run.record.layout;
    let aspect = layout.columns() as f32 / layout.rows().max(1) as f32;
    let lanes = run.lanes.len().max(1);
    let picture = vec2(side * aspect, side);
    let size = vec2((picture.x + 2.0) * lanes as f32 - 2.0, height);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    let name = run_text::title(run);
    let shown = input.shown == Some(id);
    response
        .widget_info(|| WidgetInfo::selected(egui::accesskit::Role::Button, true, shown, &name));
    if ui.is_rect_visible(rect) {
        paint(ui, run, rect, picture, thumbnails);
        frame(ui, rect, caption, shown, &response);
    }
    if response.clicked() {
        actions.push(Action::ShowRun(id));
    }
    if response.double_clicked() {
        actions.push(Action::RestoreSettings(id));
    }
    response.context_menu(|ui| {
        for (text, action) in [
            ("Show", Action::ShowRun(id)),
            ("Restore settings", Action::RestoreSettings(id)),
            ("Save trace…", Action::SaveTrace { run: id }),
        ] {
            if ui.button(text).clicked() {
                actions.push(action);
                ui.close();
            }
        }
        ui.menu_button("Save image", |ui| save_image_entries(ui, id, &lane_names(run), actions));
    });
    response.on_hover_ui(|ui| details(ui, run));
}

fn paint(ui: &Ui, run: &RunView, rect: Rect, picture: Vec2, thumbnails: &mut Thumbnails) {
    let colours = palette(ui.ctx());
    let painter = ui.painter();
    for lane in 0..run.lanes.len() {
        let corner = rect.min + vec2(lane as f32 * (picture.x + 2.0), 0.0);
        let place = Rect::from_min_size(corner, picture);
        painter.rect_filled(place, 2.0, colours.raised);
        let Some((steps, texture)) = thumbnails.texture(ui.ctx(), run, lane) else { continue };
        // Only whole rows: what comes after them is not drawn yet.
        let layout = &run.record.layout;
        let rows = match layout.cell_of_step(steps) {
            Some((row, _)) => row,
            None if steps >= layout.len() => layout.rows(),
            None => 0,
        };
        let part = rows as f32 / layout.rows().max(1) as f32;
        let drawn = Rect::from_min_size(corner, vec2(picture.x, picture.y * part));
        let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, part));
        painter.image(texture.id(), drawn, uv, UNTINTED);
    }
    let Some(lane) = run.record.lanes().first() else { return };
    let guidance_scale = lane.settings.guidance.scale.guidance_scale;
    let caption = format!("γ {} · {}", trimmed(guidance_scale), schedule(lane));
    let (text, colour) = match &run.status {
        RunStatus::Failed(_) => ("failed".to_owned(), colours.error),
        RunStatus::Cancelled => (format!("stopped {}", run.steps_done), colours.warning),
        _ => (caption, colours.secondary),
    };
    if rect.height() > picture.y {
        let at = rect.left_bottom() - vec2(-1.0, 0.0);
        let font = egui::FontId::new(10.5, egui::FontFamily::Monospace);
        painter.with_clip_rect(rect).text(at, Align2::LEFT_BOTTOM, text, font, colour);
    }
}

fn frame(ui: &Ui, rect: Rect, caption: f32, shown: bool, response: &Response) {
    let colours = palette(ui.ctx());
    let pictures = rect.with_max_y(rect.bottom() - caption);
    let stroke = if shown {
        Stroke::new(2.0, colours.accent)
    } else if response.hovered() || response.has_focus() {
        Stroke::new(1.5, colours.secondary)
    } else {
        return;
    };
    ui.painter().rect_stroke(pictures, 2.0, stroke, StrokeKind::Outside);
}

fn details(ui: &mut Ui, run: &RunView) {
    let spec = &run.record.spec;
    let LaneSettings { guidance, sampling, .. } = RunSettings::of_run(spec).shared;
    let perturbation = guidance.perturbation;
    ui.spacing_mut().item_spacing.y = 4.0;
    ui.label(fonts::group(run_text::drawn(run)));
    let step_norm = if perturbation.step_norm { "on" } else { "off" };
    let number = |ui: &mut Ui, text: String| ui.label(fonts::number(text));
    number(
        ui,
        format!(
            "γ {}   {}   step norm {step_norm}   seed {}",
            trimmed(guidance.scale.guidance_scale),
            spec.lanes.first().map(schedule).unwrap_or_default(),
            sampling.seed
        ),
    );
    let top_k = sampling.top_k.map_or("off".to_owned(), |k| k.to_string());
    number(
        ui,
        format!(
            "temperature {}   top-k {top_k}   top-p {}",
            trimmed(sampling.temperature),
            trimmed(sampling.top_p)
        ),
    );
    number(
        ui,
        format!(
            "{}   {}   {}",
            perturbation.variant, perturbation.confidence, perturbation.perturb
        ),
    );
    ui.label(lane_names(run).join(" · "));
    let status = match &run.status {
        RunStatus::Starting | RunStatus::Running => "running".to_owned(),
        RunStatus::Paused => format!("paused after {} of {} steps", run.steps_done, run.steps()),
        RunStatus::Finished => "all steps done".to_owned(),
        RunStatus::Cancelled => {
            format!("stopped after {} of {} steps", run.steps_done, run.steps())
        }
        RunStatus::Failed(message) => format!("failed: {message}"),
    };
    ui.label(format!("{} · {status}", spec.model.name));
    ui.label(egui::RichText::new("Double click: take these settings back").small().weak());
}

/// The power of the cosine, or that the authors' rule is followed in its place.
fn schedule(lane: &LaneSpec) -> String {
    let scale = &lane.settings.guidance.scale;
    match (scale.schedule, lane.scale_rule.uses_cosine_power()) {
        (Schedule::Cosine, _) => format!("k {}", trimmed(scale.cosine_power)),
        (Schedule::Authors, true) => format!("k {}, authors' code", trimmed(scale.cosine_power)),
        (Schedule::Authors, false) => "authors' code".into(),
    }
}
