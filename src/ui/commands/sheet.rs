//! The sheet of shortcuts, over everything.

use crate::ui::commands::table::{ALL, GESTURES, Group};
use crate::ui::kit::fonts;
use crate::ui::kit::keys;
use crate::ui::theme::palette;
use egui::{Context, Frame, Grid, Id, Modal, ScrollArea, Ui, Vec2, vec2};

const WIDTH: f32 = 640.0;
/// What its margins and title take of the window.
const AROUND: Vec2 = vec2(72.0, 112.0);

/// Shows the sheet; whether it was left.
pub fn show(ctx: &Context) -> bool {
    let colours = palette(ctx);
    let frame = Frame::window(&ctx.global_style()).inner_margin(20).fill(colours.panel);
    let modal = Modal::new(Id::unique("shortcuts")).frame(frame).show(ctx, |ui| {
        let room = ctx.content_rect().size() - AROUND;
        ui.set_width(WIDTH.min(room.x));
        ui.label(fonts::title("Shortcuts"));
        ui.add_space(4.0);
        // As high as it can be, whatever the frame before was.
        let area = ScrollArea::vertical().max_height(room.y).min_scrolled_height(room.y);
        area.show(ui, |ui| {
            ui.columns(2, |columns| {
                let [left, right] = columns else { return };
                for group in [Group::Run, Group::Images, Group::Files] {
                    table(left, group);
                }
                for group in [Group::Timeline, Group::Window] {
                    table(right, group);
                }
            });
        });
    });
    modal.should_close()
}

fn table(ui: &mut Ui, group: Group) {
    let colours = palette(ui.ctx());
    ui.label(fonts::group(group.title()).color(colours.secondary));
    ui.spacing_mut().item_spacing.y = 6.0;
    let grid = Grid::new(group.title()).num_columns(2).min_col_width(124.0).spacing([12.0, 0.0]);
    let ctx = ui.ctx().clone();
    grid.show(ui, |ui| {
        let mut line = |keys: String, does: &str| {
            ui.label(fonts::number(keys));
            ui.label(does);
            ui.end_row();
        };
        for command in ALL.iter().filter(|command| command.group == group) {
            if !command.keys.is_empty() {
                line(keys::texts(&ctx, command.keys), command.label);
            }
        }
        for (_, keys, does) in GESTURES.iter().filter(|(of, ..)| *of == group) {
            line((*keys).to_owned(), does);
        }
    });
    ui.add_space(10.0);
}
