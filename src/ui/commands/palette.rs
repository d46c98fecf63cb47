//! The command palette: type to find a command, arrows choose, Enter gives it, Esc closes.

use crate::ui::action::Action;
use crate::ui::commands::entries;
use crate::ui::commands::situation::Situation;
use crate::ui::kit::controls::secondary;
use crate::ui::kit::keys;
use crate::ui::theme::palette;
use egui::{
    Align, Align2, Area, Button, Context, Frame, Id, Key, Modal, Modifiers, Order, ScrollArea,
    TextEdit, Ui, vec2,
};

/// Width of the list.
const WIDTH: f32 = 520.0;
/// Height of a line.
const LINE: f32 = 28.0;
/// Most lines seen at once.
const LINES: f32 = 11.0;
/// Its field and margins, and some room to the window's edges.
const AROUND: f32 = 72.0;
/// Most room above it.
const TOP: f32 = 72.0;

/// The palette while it is open.
#[derive(Debug, Default)]
pub struct Palette {
    query: String,
    selected: usize,
}

/// What became of the palette in a frame.
pub enum Outcome {
    /// It stays open.
    Open,
    /// It was left.
    Left,
    /// A command was chosen.
    Chosen(Action),
}

impl Palette {
    /// Shows it over everything.
    pub fn show(&mut self, ctx: &Context, situation: &Situation) -> Outcome {
        let frame = Frame::window(&ctx.global_style()).inner_margin(8).fill(palette(ctx).panel);
        let id = Id::unique("command palette");
        let window = ctx.content_rect().size();
        let top = TOP.min(0.1 * window.y);
        let area =
            Area::new(id).order(Order::Foreground).anchor(Align2::CENTER_TOP, vec2(0.0, top));
        let lines = ((window.y - top - AROUND) / LINE).floor().clamp(1.0, LINES);
        let modal = Modal::new(id).area(area).frame(frame).show(ctx, |ui| {
            ui.set_width(WIDTH.min(window.x - AROUND));
            self.content(ui, situation, lines * LINE)
        });
        match modal.inner {
            Some(action) => Outcome::Chosen(action),
            None if modal.should_close() => Outcome::Left,
            None => Outcome::Open,
        }
    }

    fn content(&mut self, ui: &mut Ui, situation: &Situation, height: f32) -> Option<Action> {
        // Before the field, which would move its own cursor with them.
        let pressed = |key| ui.input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key));
        let (up, down) = (pressed(Key::ArrowUp), pressed(Key::ArrowDown));
        let enter = pressed(Key::Enter) > 0;
        let field = TextEdit::singleline(&mut self.query)
            .hint_text("What to do")
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        let response = ui.add(field).accessible_name("Search commands");
        response.request_focus();
        if response.changed() {
            self.selected = 0;
        }
        let found = entries::found(entries::entries(situation), &self.query);
        let last = found.len().saturating_sub(1);
        self.selected = (self.selected + down).min(last).saturating_sub(up);
        let mut chosen = enter.then_some(self.selected);
        ui.add_space(4.0);
        ui.spacing_mut().item_spacing.y = 0.0;
        let list = ScrollArea::vertical().auto_shrink([false, false]);
        list.max_height(height).min_scrolled_height(height).show(ui, |ui| {
            if found.is_empty() {
                ui.label(secondary("Nothing found.", palette(ui.ctx())));
            }
            for (index, entry) in found.iter().enumerate() {
                let keys = keys::texts(ui.ctx(), entry.keys);
                let button = Button::selectable(index == self.selected, entry.label.as_str())
                    .right_text(secondary(keys, palette(ui.ctx())))
                    .truncate()
                    .min_size(vec2(ui.available_width(), LINE));
                let response = ui.add(button).accessible_name(&entry.label);
                if index == self.selected && up + down > 0 {
                    response.scroll_to_me(Some(Align::Center));
                }
                if response.on_hover_text(&entry.tooltip).clicked() {
                    chosen = Some(index);
                }
            }
        });
        found.into_iter().nth(chosen?).map(|entry| entry.action)
    }
}
