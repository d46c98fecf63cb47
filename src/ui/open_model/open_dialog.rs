//! The dialog for opening a model: choosing files or a folder, what was found in them, what is missing,
//! the precision with its cost, and the grid where the weights do not fix it.

use crate::opening::offer::ModelOffer;
use crate::opening::request::OpenRequest;
use crate::ui::app::action::Action;
use crate::ui::kit::controls;
use crate::ui::kit::controls::Hint;
use crate::ui::kit::fonts;
use crate::ui::open_model::open_found::Found;
use crate::ui::open_model::{drop_hint, open_offer};
use crate::ui::state::state::State;
use crate::ui::theme::{CORNER, palette};
use egui::{
    Align, Button, Frame, Id, Key, Layout, Modal, RichText, ScrollArea, Spinner, Stroke, TextEdit,
    Ui, vec2,
};
use egui_material_icons::icons::{ICON_FOLDER_OPEN, ICON_INFO, ICON_NOTE_ADD, ICON_WARNING};
use std::path::PathBuf;
use std::sync::Arc;

const FILES: Hint = Hint::new("Chooses one or several weight files.", "");
const FOLDER: Hint = Hint::new("Chooses a folder with the files of one model.", "");
const PATH: Hint = Hint::new("Opens the file or folder at this path; press Enter.", "");
/// Width of what stands in the dialog.
const WIDTH: f32 = 600.0;
/// Least height of what stands between title and buttons, so that the dialog seldom changes its size.
const BODY: f32 = 300.0;
/// Height of title, messages, buttons and margins.
const AROUND: f32 = 190.0;

/// What the dialog knows and edits.
#[derive(Default)]
pub struct OpenDialog {
    /// What was found, once something was chosen.
    pub(super) found: Option<Found>,
    /// Files are being looked at.
    looking: bool,
    /// Why what was chosen last cannot be opened.
    problem: Option<String>,
    /// Typed in place of a choice.
    path: String,
    /// What is looked at if the files chosen last do not go with those before.
    pub(crate) alone: Option<OpenRequest>,
}

impl OpenDialog {
    /// What to look at when more files were chosen: while something is missing, all of them together;
    /// else other files are another model.
    pub fn with_more(&self, more: Vec<PathBuf>) -> OpenRequest {
        let Some(found) = self.found.as_ref().filter(|found| !found.offer.is_complete()) else {
            return OpenRequest::new(more);
        };
        let mut request = found.offer.request.clone();
        request.paths.extend(more);
        request
    }

    /// What to look at if [`Self::with_more`] leads to nothing: the files chosen last may be another
    /// model.
    pub fn another_model(&self, more: Vec<PathBuf>) -> Option<OpenRequest> {
        let lacks = self.found.as_ref().is_some_and(|found| !found.offer.is_complete());
        lacks.then(|| OpenRequest::new(more))
    }

    /// Files are being looked at from now on.
    pub fn look(&mut self) {
        (self.looking, self.problem, self.alone) = (true, None, None);
    }

    /// Takes what was found. The same model keeps the precision and the grid that were chosen for it.
    pub fn show_offer(&mut self, offer: Arc<ModelOffer>) {
        let mut found = Found::new(offer);
        if let Some(before) = self.found.take().filter(|b| b.offer.name == found.offer.name) {
            if before.precision != before.offer.default_precision {
                found.precision = before.precision;
            }
            if found.offer.grid_is_free() && before.offer.grid == found.offer.grid {
                found.grid = before.grid;
                found.follow_grid();
            }
        }
        (self.found, self.looking, self.problem) = (Some(found), false, None);
        self.path.clear();
    }

    /// Says why the files cannot be opened; what was found before stays.
    pub fn fail(&mut self, message: String) {
        (self.looking, self.problem) = (false, Some(message));
    }

    /// Whether something was found and nothing is missing.
    pub fn is_complete(&self) -> bool {
        !self.looking && self.found.as_ref().is_some_and(|found| found.offer.is_complete())
    }

    /// Whether what was chosen last has been looked at.
    pub fn has_answer(&self) -> bool {
        !self.looking && (self.found.is_some() || self.problem.is_some())
    }

    /// Key of the weights that are taken, where a file holds several.
    pub fn weight_set(&self) -> Option<&str> {
        self.found.as_ref()?.offer.weight_sets.first()?.as_deref()
    }

    /// Why the files chosen last cannot be opened.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

/// Shows the dialog while it is open, and what a drop would do while files are over the window.
pub fn show(ctx: &egui::Context, state: &mut State) {
    drop_hint::show(ctx, state);
    let State { shell, actions, .. } = state;
    let Some(dialog) = &mut shell.opening else { return };
    let colours = palette(ctx);
    let frame = Frame::window(&ctx.global_style()).inner_margin(20).fill(colours.panel);
    // Esc in the field leaves the field.
    let typing = ctx.memory(|memory| memory.focused()).is_some_and(|id| id == path_id());
    let mut close = false;
    let modal = Modal::new(Id::unique("open model")).frame(frame).show(ctx, |ui| {
        ui.set_width(WIDTH);
        ui.label(fonts::title("Open model"));
        ui.add_space(6.0);
        let height = (ctx.content_rect().height() - AROUND).max(120.0);
        let body = ScrollArea::vertical().max_height(height).auto_shrink([false, true]);
        body.min_scrolled_height(height.min(BODY)).show(ui, |ui| {
            ui.set_min_height(BODY.min(height));
            match &mut dialog.found {
                Some(found) => {
                    ui.add_enabled_ui(!dialog.looking, |ui| open_offer::show(ui, found, actions));
                }
                None => open_offer::models(ui),
            }
        });
        ui.add_space(8.0);
        message(ui, dialog);
        ui.add_space(8.0);
        let opened = buttons(ui, dialog, shell.saving, actions);
        close = opened;
    });
    if close || (modal.should_close() && !typing) {
        shell.opening = None;
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
        actions.push(Action::LookAtModel(vec![typed_path(path.trim())]));
    }
}

/// As a shell reads it: a tilde in front is the person's own folder.
fn typed_path(text: &str) -> PathBuf {
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf());
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(text),
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

/// A library's message as a sentence of its own.
pub(crate) fn capital(message: &str) -> String {
    let mut letters = message.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::precision::Precision;
    use crate::ui::open_model::open_found::tests::offer;

    #[test]
    fn a_missing_file_is_added_and_another_model_replaces() {
        let more = || vec![PathBuf::from("vq.pt")];
        let mut dialog = OpenDialog::default();
        assert_eq!(dialog.with_more(more()), OpenRequest::new(more()));
        dialog.show_offer(offer(false, None, 0));
        assert!(!dialog.is_complete());
        assert_eq!(dialog.with_more(more()).paths.len(), 2);
        assert_eq!(dialog.another_model(more()), Some(OpenRequest::new(more())));
        dialog.show_offer(offer(true, None, 0));
        assert!(dialog.is_complete());
        assert_eq!(dialog.with_more(more()).paths, more());
        assert_eq!(dialog.another_model(more()), None);
    }

    #[test]
    fn the_same_model_keeps_what_was_chosen_for_it() {
        let mut dialog = OpenDialog::default();
        dialog.show_offer(offer(false, None, 0));
        let found = dialog.found.as_mut().unwrap();
        (found.precision, found.grid) = (Precision::Int8, (24, 24));
        dialog.show_offer(offer(true, None, 0));
        let request = dialog.found.as_ref().unwrap().request();
        assert_eq!((request.precision, request.grid), (Some(Precision::Int8), Some((24, 24))));
    }

    #[test]
    fn typed_paths_know_the_home_folder() {
        assert_eq!(typed_path("/a/b.pt"), PathBuf::from("/a/b.pt"));
        let home = typed_path("~/b.pt");
        assert!(home.is_absolute() && home.ends_with("b.pt"));
    }

    #[test]
    fn what_was_found_stays_when_the_next_file_is_none() {
        let mut dialog = OpenDialog::default();
        dialog.show_offer(offer(false, None, 0));
        dialog.look();
        dialog.fail("this is not a weight file".into());
        assert_eq!(dialog.problem(), Some("this is not a weight file"));
        assert!(dialog.found.is_some());
    }
}
