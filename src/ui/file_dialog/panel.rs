//! The dialog over the window: the folder in view, what is in it, a name that is typed.

use crate::ui::file_dialog::dialog::FileDialog;
use crate::ui::file_dialog::list;
use crate::ui::file_dialog::list::Done;
use crate::ui::file_dialog::question::{FileQuestion, Wanted};
use crate::ui::kit::controls;
use crate::ui::kit::controls::{Hint, icon_button, message_line, secondary};
use crate::ui::kit::fonts;
use crate::ui::theme::palette;
use egui::text::{CCursor, CCursorRange};
use egui::{
    Align, Button, Context, Frame, Id, Key, Label, Layout, Modal, Modifiers, RichText, Stroke,
    TextEdit, Ui, vec2,
};
use egui_material_icons::icons::{ICON_ARROW_UPWARD, ICON_HOME, ICON_INFO, ICON_WARNING};
use std::path::PathBuf;

const UP: Hint = Hint::new("Goes to the folder around this one.", "");
const HOME: Hint = Hint::new("Goes to your own folder.", "");
const NAME: Hint = Hint::new(
    "A name, or a path from here, from / or from ~. Tab completes it, Up and Down choose in the list, Enter takes it.",
    "",
);
const KINDS: Hint = Hint::new("Lists files of every kind, not only those that fit.", "");
/// Why the dialog is there, said once.
const WHY: &str = "The system offers no file dialog: no desktop portal answers. The program's own is used instead.";
/// Width of what stands in the dialog.
const WIDTH: f32 = 560.0;
/// Height of everything but the list, and some room to the window's edges.
const AROUND: f32 = 290.0;

/// The dialog, and what it remembers.
#[derive(Default)]
pub struct FileDialogPanel {
    dialog: Option<FileDialog>,
    /// Where the last one ended.
    folder: Option<PathBuf>,
    /// Dialogs so far.
    asked: usize,
}

impl FileDialogPanel {
    /// Whether a question is open.
    pub fn is_open(&self) -> bool {
        self.dialog.is_some()
    }

    /// Asks a question.
    pub fn ask(&mut self, ctx: &Context, question: FileQuestion) {
        let folder = self.folder.clone().or_else(|| std::env::current_dir().ok());
        let folder = folder.or_else(home).unwrap_or_else(|| PathBuf::from("/"));
        self.dialog = Some(FileDialog::new(ctx, question, folder));
        self.asked += 1;
    }

    /// Shows the dialog while a question is open.
    pub fn show(&mut self, ctx: &Context) {
        let Some(dialog) = &mut self.dialog else { return };
        dialog.follow(ctx);
        let first = self.asked == 1;
        let colours = palette(ctx);
        let frame = Frame::window(&ctx.global_style()).inner_margin(20).fill(colours.panel);
        let mut left = false;
        // Every dialog is as large as the window allows now: an area remembers its size.
        let id = Id::unique("file dialog").with(self.asked);
        let modal = Modal::new(id).frame(frame).show(ctx, |ui| {
            let room = ctx.content_rect().size() - vec2(80.0, AROUND);
            ui.set_width(WIDTH.min(room.x));
            left = contents(ui, dialog, room.y.clamp(72.0, 340.0), first);
        });
        if dialog.done || left || modal.should_close() {
            // Without an answer the thread that asked learns that there is none.
            let ended = self.dialog.take().and_then(FileDialog::readable_folder);
            self.folder = ended.or(self.folder.take());
        }
    }
}

/// Everything in the dialog; whether it was left.
fn contents(ui: &mut Ui, dialog: &mut FileDialog, height: f32, first: bool) -> bool {
    let colours = palette(ui.ctx());
    let ctx = ui.ctx().clone();
    ui.label(fonts::title(&dialog.question.title));
    if first {
        message_line(ui, ICON_INFO, colours.secondary, WHY);
    }
    ui.add_space(4.0);
    place(ui, dialog);
    match list::show(ui, dialog, height) {
        Some(Done::Picked { entry, add }) => {
            dialog.pick(&ctx, &entry, add);
            ctx.memory_mut(|memory| memory.request_focus(name_id()));
        }
        Some(Done::Taken(entry)) => {
            dialog.pick(&ctx, &entry, false);
            dialog.accept(&ctx);
        }
        None => {}
    }
    name(ui, dialog);
    ui.scope(|ui| {
        ui.set_min_height(20.0);
        if let Some(problem) = &dialog.problem {
            message_line(ui, ICON_WARNING, colours.error, problem);
        } else if let Some(path) = &dialog.replaces {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let text = format!("“{name}” is there already. Replace it, or type another name.");
            message_line(ui, ICON_WARNING, colours.warning, &text);
        } else if dialog.picked.len() > 1 {
            let text = format!("{} files are chosen.", dialog.picked.len());
            message_line(ui, ICON_INFO, colours.secondary, &text);
        }
    });
    buttons(ui, dialog)
}

/// The folder in view, and ways out of it.
fn place(ui: &mut Ui, dialog: &mut FileDialog) {
    let ctx = ui.ctx().clone();
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        if icon_button(ui, ICON_ARROW_UPWARD, "Folder around this one", UP).clicked() {
            dialog.go_up(&ctx);
        }
        if icon_button(ui, ICON_HOME, "Your own folder", HOME).clicked()
            && let Some(home) = home()
        {
            dialog.go_to(&ctx, home);
        }
        let path = dialog.folder.display().to_string();
        ui.add(Label::new(fonts::number(&path)).truncate()).on_hover_text(path);
    });
}

fn home() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf())
}

fn name_id() -> Id {
    Id::unique("name in the file dialog")
}

fn name(ui: &mut Ui, dialog: &mut FileDialog) {
    let ctx = ui.ctx().clone();
    let completion = dialog.completion();
    if ui.memory(|memory| memory.has_focus(name_id())) {
        keys(ui, dialog, completion.as_deref());
    }
    ui.horizontal(|ui| {
        let label = NAME.on(ui.label("Name"));
        let kinds = dialog.question.kinds.iter().any(|kind| !kind.endings.is_empty());
        let switch = kinds && dialog.question.wanted != Wanted::Folder;
        let width = ui.available_width() - if switch { 128.0 } else { 0.0 };
        let hint = match dialog.question.wanted {
            Wanted::Files => "Click files above, Ctrl for several; or type",
            Wanted::Folder => "The folder above; or type another",
            Wanted::NewFile => "",
        };
        let field = TextEdit::singleline(&mut dialog.name)
            .id(name_id())
            .hint_text(hint)
            // Tab completes where there is something to complete, and else goes on.
            .lock_focus(completion.is_some())
            .desired_width(width)
            .margin(egui::Margin::symmetric(8, 4));
        let response = NAME.on(ui.add(field).labelled_by(label.id)).accessible_name("Name");
        // A dialog that has just been opened takes the keyboard a frame or two later.
        if !dialog.has_keyboard {
            dialog.has_keyboard = response.has_focus();
            response.request_focus();
            select_stem(&ctx, &dialog.name);
        }
        if response.changed() {
            let length = dialog.name.chars().count();
            dialog.follow_name(&ctx);
            keep_cursor(&ctx, length.saturating_sub(dialog.name.chars().count()));
        }
        if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
            enter(&ctx, dialog);
            response.request_focus();
        }
        if switch {
            controls::switch(ui, &mut dialog.all_kinds, "All files", KINDS);
        }
    });
}

/// Tab, Up and Down while a name is typed.
fn keys(ui: &Ui, dialog: &mut FileDialog, completion: Option<&str>) {
    let (tab, up, down) = ui.input_mut(|input| {
        let mut count = |key| input.count_and_consume_key(Modifiers::NONE, key);
        let tab = completion.is_some() && count(Key::Tab) > 0;
        (tab, count(Key::ArrowUp), count(Key::ArrowDown))
    });
    if let Some(completion) = completion.filter(|_| tab) {
        completion.clone_into(&mut dialog.name);
        dialog.follow_name(ui.ctx());
        let end = dialog.name.chars().count();
        select(ui.ctx(), end, end);
    }
    let last = dialog.listed().len().checked_sub(1);
    if let Some(last) = last.filter(|_| up + down > 0) {
        let next = dialog.line.map_or(0, |line| (line + down).saturating_sub(up));
        dialog.line = Some(next.min(last));
    }
}

/// Leaves the cursor where it is in the text when so many letters before it have gone into the folder.
fn keep_cursor(ctx: &Context, gone: usize) {
    let state = TextEdit::load_state(ctx, name_id()).and_then(|state| state.cursor.char_range());
    if let Some(range) = state.filter(|_| gone > 0) {
        let at = range.primary.index.0.saturating_sub(gone);
        select(ctx, at, at);
    }
}

/// Selects what is likely to be typed over: the name without its ending.
fn select_stem(ctx: &Context, name: &str) {
    let stem = name.rfind('.').and_then(|at| name.get(..at)).unwrap_or(name);
    select(ctx, 0, stem.chars().count());
}

fn select(ctx: &Context, from: usize, to: usize) {
    let mut state = TextEdit::load_state(ctx, name_id()).unwrap_or_default();
    let range = CCursorRange::two(CCursor::new(from), CCursor::new(to));
    state.cursor.set_char_range(Some(range));
    state.store(ctx, name_id());
}

/// Enter takes the line that the keyboard is on, else what is typed.
fn enter(ctx: &Context, dialog: &mut FileDialog) {
    let entry =
        dialog.line.and_then(|line| dialog.listed().get(line).map(|entry| (*entry).clone()));
    match entry {
        Some(entry) => {
            dialog.pick(ctx, &entry, false);
            if !entry.is_folder && dialog.question.wanted == Wanted::Files {
                dialog.accept(ctx);
            }
        }
        None => dialog.accept(ctx),
    }
}

/// Whether the dialog was left.
fn buttons(ui: &mut Ui, dialog: &mut FileDialog) -> bool {
    let colours = palette(ui.ctx());
    let mut left = false;
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let text = match (dialog.question.wanted, &dialog.replaces) {
            (Wanted::NewFile, Some(_)) => "Replace",
            (Wanted::NewFile, None) => "Save",
            (Wanted::Files, _) => "Open",
            (Wanted::Folder, _) => "Choose this folder",
        };
        let colour = if dialog.replaces.is_some() { colours.warning } else { colours.accent };
        let strong = Button::new(RichText::new(text).color(colours.on_accent))
            .fill(colour)
            .stroke(Stroke::NONE)
            .min_size(vec2(72.0, 28.0));
        if ui.add(strong).accessible_name(text).clicked() {
            dialog.accept(&ui.ctx().clone());
        }
        left = ui.add(Button::new("Cancel").min_size(vec2(72.0, 28.0))).clicked();
        if let Some(Ok(contents)) = &dialog.contents {
            let listed = dialog.listed().len();
            let all = contents.entries.len();
            let text = format!("{listed} of {all} listed");
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.label(secondary(text, colours));
            });
        }
    });
    left
}
