//! The dialog for opening a model: choosing files or a folder, what was found in them, what is missing,
//! the precision with its cost, and the grid where the weights do not fix it.

use crate::ui::action::Action;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::kit::fonts;
use crate::ui::kit::paths;
use crate::ui::open_model::dialog::OpenDialog;
use crate::ui::open_model::found::Found;
use crate::ui::open_model::words::capital;
use crate::ui::open_model::{drop_hint, offer};
use crate::ui::theme::{CORNER, palette};
use egui::{
    Align, Button, Frame, Id, Key, Layout, Modal, RichText, ScrollArea, Spinner, Stroke, TextEdit,
    Ui, vec2,
};
use egui_material_icons::icons::{ICON_FOLDER_OPEN, ICON_INFO, ICON_NOTE_ADD, ICON_WARNING};

const FILES: Hint = Hint::new("Chooses one or several weight files.", "");
const FOLDER: Hint = Hint::new("Chooses a folder with the files of one model.", "");
const PATH: Hint = Hint::new("Opens the file or folder at this path; press Enter.", "");
/// Width of what stands in the dialog.
const WIDTH: f32 = 600.0;
/// Least height of what stands between title and buttons, so that the dialog seldom changes its size.
const BODY: f32 = 300.0;
/// Height of title, messages, buttons and margins.
const AROUND: f32 = 190.0;

/// The dialog, while it is open.
#[derive(Default)]
pub struct OpenModelPanel {
    /// What was found, while the person decides; `None` while it is closed.
    pub dialog: Option<OpenDialog>,
}

/// What the dialog reads.
pub struct OpenModelInput {
    /// Model files can be opened.
    pub can_open_models: bool,
    /// A file dialog is open or a file is being written.
    pub saving: bool,
}

impl OpenModelPanel {
    /// Shows the dialog while it is open, and what a drop would do while files are over the window.
    pub fn show(&mut self, ctx: &egui::Context, input: &OpenModelInput) -> Vec<Action> {
        let mut actions = Vec::new();
        if input.can_open_models {
            drop_hint::show(ctx, self.dialog.as_ref().is_some_and(OpenDialog::lacks_files));
        }
        let Some(dialog) = &mut self.dialog else { return actions };
        let colours = palette(ctx);
        let frame = Frame::window(&ctx.global_style()).inner_margin(20).fill(colours.panel);
        // Esc in the field leaves the field.
        let typing = ctx.memory(|memory| memory.focused()).is_some_and(|id| id == path_id());
        let mut close = false;
        let modal = Modal::new(Id::unique("open model")).frame(frame).show(ctx, |ui| {
            ui.set_width(WIDTH.min(ctx.content_rect().width() - 56.0));
            ui.label(fonts::title("Open model"));
            ui.add_space(6.0);
            let height = (ctx.content_rect().height() - AROUND).max(120.0);
            let body = ScrollArea::vertical().max_height(height).auto_shrink([false, true]);
            body.min_scrolled_height(height.min(BODY)).show(ui, |ui| {
                ui.set_min_height(BODY.min(height));
                match &mut dialog.found {
                    Some(found) => {
                        ui.add_enabled_ui(!dialog.looking, |ui| {
                            offer::show(ui, found, &mut actions)
                        });
                    }
                    None => offer::models(ui),
                }
            });
            ui.add_space(8.0);
            message(ui, dialog);
            ui.add_space(8.0);
            let opened = buttons(ui, dialog, input.saving, &mut actions);
            close = opened;
        });
        if close || (modal.should_close() && !typing) {
            self.dialog = None;
        }
        actions
    }
}

/// One line above the buttons: what goes on, or what stands in the way.
fn message(ui: &mut Ui, dialog: &OpenDialog) {
    let colours = palette(ui.ctx());
    ui.scope(|ui| {
        ui.set_min_height(20.0);
        if dialog.looking {
            ui.horizontal(|ui| {
                ui.add(Spinner::new().size(14.0));
                ui.label(RichText::new("Looking at the files…").small().weak());
            });
        } else if let Some(problem) = &dialog.problem {
            let text = capital(problem);
            controls::message_line(ui, ICON_WARNING, colours.error, &text);
        } else if let Some(found) = &dialog.found {
            let memory = found.memory_message().filter(|_| found.offer.is_complete());
            if let Some(text) = memory {
                let colour = if found.fits_alone() { colours.warning } else { colours.error };
                controls::message_line(ui, ICON_WARNING, colour, &text);
            }
        } else {
            let text = "No file is changed, and nothing that a file holds is run.";
            controls::message_line(ui, ICON_INFO, colours.secondary, text);
        }
    });
}

/// Choosing at the left, opening at the right; whether the dialog is done.
fn buttons(ui: &mut Ui, dialog: &mut OpenDialog, busy: bool, actions: &mut Vec<Action>) -> bool {
    let colours = palette(ui.ctx());
    let complete = dialog.is_complete();
    let lacks = dialog.found.as_ref().is_some_and(|found| !found.offer.is_complete());
    let choose = !complete && !dialog.looking;
    let mut done = false;
    ui.horizontal(|ui| {
        let files = if lacks { "Choose the missing file…" } else { "Choose files…" };
        ui.add_enabled_ui(!busy && !dialog.looking, |ui| {
            // The first thing to do stands out.
            if FILES.on(button(ui, ICON_NOTE_ADD, files, choose)).clicked() {
                actions.push(Action::ChooseModelFiles);
            }
            if FOLDER.on(button(ui, ICON_FOLDER_OPEN, "Choose folder…", false)).clicked() {
                actions.push(Action::ChooseModelFolder);
            }
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if dialog.found.is_some() {
                let fits = dialog.found.as_ref().is_some_and(Found::fits_alone);
                let text = fonts::group("Open");
                let ready = complete && fits;
                let text = if ready { text.color(colours.on_accent) } else { text };
                let mut open = Button::new(text).min_size(vec2(72.0, 28.0));
                if ready {
                    open = open.fill(colours.accent).stroke(Stroke::NONE);
                }
                let response = ui.add_enabled(ready, open);
                let why = match (complete, dialog.looking) {
                    (_, true) => "The files are being looked at.",
                    (false, _) => "Something is missing.",
                    _ => "There is not enough free memory.",
                };
                if response.on_disabled_hover_text(why).clicked()
                    && let Some(found) = &dialog.found
                {
                    actions.push(Action::LoadModel(found.request()));
                    done = true;
                }
            }
            done |= ui.add(Button::new("Cancel").min_size(vec2(72.0, 28.0))).clicked();
            if !complete {
                path_field(ui, &mut dialog.path, actions);
            }
        });
    });
    done
}

fn path_id() -> Id {
    Id::unique("path of a model")
}

/// For those who have a path at hand, and for systems without file dialogs.
fn path_field(ui: &mut Ui, path: &mut String, actions: &mut Vec<Action>) {
    let width = ui.available_width().min(180.0);
    let field =
        TextEdit::singleline(path).id(path_id()).hint_text("or a path").desired_width(width);
    let response = PATH.on(ui.add(field)).accessible_name("Path");
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if entered && !path.trim().is_empty() {
        let here = std::env::current_dir().unwrap_or_default();
        actions.push(Action::LookAtModel(vec![paths::resolve(&here, path.trim())]));
    }
}

fn button(
    ui: &mut Ui,
    icon: egui_material_icons::MaterialIcon,
    text: &str,
    strong: bool,
) -> egui::Response {
    let colours = palette(ui.ctx());
    let colour = if strong { colours.on_accent } else { colours.text };
    let content = (icon.rich_text().size(16.0).color(colour), RichText::new(text).color(colour));
    let button = Button::new(content).corner_radius(CORNER).min_size(vec2(0.0, 28.0));
    let button = if strong { button.fill(colours.accent).stroke(Stroke::NONE) } else { button };
    ui.add(button).accessible_name(text)
}
