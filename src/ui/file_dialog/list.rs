//! The list of files and folders in the dialog.

use crate::opening::amounts::bytes_text;
use crate::ui::file_dialog::dialog::FileDialog;
use crate::ui::file_dialog::folder::Entry;
use crate::ui::kit::controls;
use crate::ui::kit::controls::secondary;
use crate::ui::theme::palette;
use egui::{Align, AtomExt as _, Button, RichText, ScrollArea, Ui, vec2};
use egui_material_icons::icons::{ICON_DRAFT, ICON_FOLDER, ICON_WARNING};

/// Height of a line.
const LINE: f32 = 24.0;

/// What was done in the list.
pub enum Done {
    /// An entry was clicked; with `add`, one more.
    Picked {
        /// The entry.
        entry: Entry,
        /// Ctrl was held.
        add: bool,
    },
    /// A file was clicked twice.
    Taken(Entry),
}

/// Shows the list, `height` points high.
pub fn show(ui: &mut Ui, dialog: &FileDialog, height: f32) -> Option<Done> {
    let mut done = None;
    let colours = palette(ui.ctx());
    let frame = egui::Frame::new().fill(colours.window).corner_radius(6).inner_margin(4);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_height(height - 8.0);
        let listed = dialog.listed();
        match &dialog.contents {
            None => {
                ui.label(secondary("Reading the folder…", colours));
            }
            Some(Err(problem)) => {
                controls::message_line(ui, ICON_WARNING, colours.error, problem);
            }
            Some(Ok(_)) if listed.is_empty() => {
                ui.label(secondary("Nothing to choose here.", colours));
            }
            Some(Ok(contents)) => {
                if contents.more {
                    let text =
                        "Not all of this folder is listed: type the name of what is missing.";
                    ui.label(secondary(text, colours));
                }
                ui.spacing_mut().item_spacing.y = 0.0;
                let mut area = ScrollArea::vertical().auto_shrink([false, false]);
                if let Some(line) = dialog.line {
                    // Keeps the chosen line in the middle.
                    let top = line as f32 * LINE - ui.available_height() / 2.0;
                    area = area.vertical_scroll_offset(top.max(0.0));
                }
                area.show_rows(ui, LINE, listed.len(), |ui, rows| {
                    for row in rows {
                        let Some(entry) = listed.get(row) else { continue };
                        done = line(ui, dialog, row, entry).or(done.take());
                    }
                });
            }
        }
    });
    done
}

fn line(ui: &mut Ui, dialog: &FileDialog, row: usize, entry: &Entry) -> Option<Done> {
    let colours = palette(ui.ctx());
    let name = entry.name.to_string_lossy();
    let path = dialog.folder.join(&entry.name);
    let chosen = dialog.line == Some(row) || dialog.picked.contains(&path);
    let icon = if entry.is_folder { ICON_FOLDER } else { ICON_DRAFT };
    let colour = if entry.is_folder { colours.accent } else { colours.secondary };
    let size = entry.bytes.map(bytes_text).unwrap_or_default();
    // A long name gives way, not the icon.
    let shown = RichText::new(&*name).atom_shrink(true);
    let content = (icon.rich_text().size(16.0).color(colour), shown);
    let button = Button::selectable(chosen, content)
        .right_text(secondary(size, colours))
        .truncate()
        .min_size(vec2(ui.available_width(), LINE));
    let response = ui.add(button).accessible_name(&*name).on_hover_text(&*name);
    if dialog.line == Some(row) {
        response.scroll_to_me(Some(Align::Center));
    }
    let entry = entry.clone();
    if response.double_clicked() && !entry.is_folder {
        return Some(Done::Taken(entry));
    }
    let add = ui.input(|input| input.modifiers.command);
    response.clicked().then_some(Done::Picked { entry, add })
}
