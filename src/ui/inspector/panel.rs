//! The inspector of one token: the hovered, else the pinned, else the one at the cursor. Its numbers
//! in every lane, and what each branch wanted in one of them.

use crate::engine::trace::RunId;
use crate::ui::action::Action;
use crate::ui::inspector::figures::Token;
use crate::ui::inspector::swatches::{SwatchTextures, Swatches};
use crate::ui::inspector::top_tokens;
use crate::ui::inspector::top_tokens::TopView;
use crate::ui::kit::controls::secondary;
use crate::ui::kit::lane::LaneName;
use crate::ui::kit::token_text;
use crate::ui::state::run_view::RunView;
use crate::ui::state::shared::Shared;
use crate::ui::theme;
use crate::ui::theme::Palette;
use egui::{Label, RichText, ScrollArea, Ui, UiBuilder};
use image::RgbImage;
use std::collections::HashMap;
use std::sync::Arc;

/// Width from which numbers and top tokens stand beside each other.
const TWO_COLUMNS: f32 = 540.0;
/// Shortest time between two requests for swatches while the token changes, in seconds.
const REQUEST_EVERY: f64 = 0.08;

/// What the inspector keeps between frames.
#[derive(Default)]
pub struct InspectorPanel {
    swatches: SwatchTextures,
    asked_for: Option<(RunId, usize, usize, usize)>,
    asked_at: f64,
}

/// What the inspector reads.
pub struct InspectorInput<'a> {
    /// The run in view.
    pub run: Option<&'a RunView>,
    /// Names of its lanes.
    pub names: &'a [LaneName],
    /// Pictures of codes that have arrived.
    pub swatches: &'a HashMap<u32, Arc<RgbImage>>,
}

impl InspectorPanel {
    /// The inspector in all the room there is.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        input: &InspectorInput,
        shared: &mut Shared,
    ) -> Vec<Action> {
        let palette = theme::palette(ui.ctx());
        let mut actions = Vec::new();
        let Some(run) = input.run else {
            let text = "Hover a token of an image to see what each branch wanted.";
            empty(ui, "Token", text, palette);
            return actions;
        };
        let Some(step) = shared.step_in_view(run) else {
            empty(ui, "Token", "No token is drawn at the cursor.", palette);
            return actions;
        };
        let how = if shared.focus.pinned == Some(step) {
            "pinned, Esc lets go"
        } else if shared.focus.hovered() == Some(step) {
            "click pins it"
        } else {
            "at the step cursor"
        };
        shared.lane = shared.lane.min(run.lanes.len().saturating_sub(1));
        let lane = shared.focus.lane().filter(|&lane| lane < run.lanes.len());
        let lane = lane.unwrap_or(shared.lane);
        let names = input.names;
        let weights_step = shared.cursor.steps_shown(run).saturating_sub(1);
        let token = Token { run, names, step, weights_step, palette };
        let wanted = top_tokens::codes_in_view(run, lane, step);
        let missing: Vec<u32> =
            wanted.into_iter().filter(|code| !input.swatches.contains_key(code)).collect();
        let key = (run.record.id, step, lane, missing.len());
        actions.extend(self.request(ui, key, missing));

        let wide = ui.available_width() >= TWO_COLUMNS;
        ScrollArea::vertical().id_salt("inspector").auto_shrink([false, false]).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let mut pictures = Swatches { images: input.swatches, textures: &mut self.swatches };
            let mut top = TopView { run, names, step, lane, selected: &mut shared.lane };
            if !wide {
                title(ui, &token, how);
                token.figures(ui, &mut pictures);
                ui.add_space(10.0);
                top_tokens::show(ui, &mut top, &mut pictures);
                return;
            }
            let rect = ui.available_rect_before_wrap();
            let (left, mut right) = rect.split_left_right_at_fraction(0.48);
            right.min.x += 20.0;
            let mut left_ui = ui.new_child(UiBuilder::new().max_rect(left).id_salt("figures"));
            title(&mut left_ui, &token, how);
            token.figures(&mut left_ui, &mut pictures);
            let mut right_ui = ui.new_child(UiBuilder::new().max_rect(right).id_salt("wanted"));
            top_tokens::show(&mut right_ui, &mut top, &mut pictures);
            ui.advance_cursor_after_rect(left_ui.min_rect().union(right_ui.min_rect()));
        });
        actions
    }

    /// Asks for swatches once per change of the token, and not faster than they can be made.
    fn request(
        &mut self,
        ui: &Ui,
        key: (RunId, usize, usize, usize),
        missing: Vec<u32>,
    ) -> Option<Action> {
        if missing.is_empty() || self.asked_for == Some(key) {
            return None;
        }
        let now = ui.input(|input| input.time);
        if now - self.asked_at < REQUEST_EVERY && self.asked_for.is_some() {
            ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(REQUEST_EVERY));
            return None;
        }
        (self.asked_for, self.asked_at) = (Some(key), now);
        Some(Action::RequestSwatches(missing))
    }
}

fn empty(ui: &mut Ui, heading: &str, text: &str, palette: &Palette) {
    ui.heading(heading);
    ui.add_space(4.0);
    ui.label(secondary(text, palette));
}

fn title(ui: &mut Ui, token: &Token, how: &str) {
    let name = token_text::token_name(&token.run.record.layout, token.step);
    ui.add(Label::new(RichText::new(name).heading()).truncate());
    ui.label(secondary(how, token.palette));
    ui.add_space(6.0);
}
