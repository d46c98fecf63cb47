//! The dialog between choosing files and loading them: what was found, what is missing, the precision
//! with its cost, and the grid where the weights do not fix it.

use crate::models::checkpoint::GridSource;
use crate::models::linear::Precision;
use crate::models::open::{ModelOffer, OpenRequest};
use crate::ui::action::Action;
use crate::ui::controls::{self, Hint};
use crate::ui::fonts;
use crate::ui::state::State;
use crate::ui::theme::palette;
use egui::{Button, DragValue, Frame, Id, Modal, RichText, Ui};
use egui_material_icons::icons::{ICON_CHECK_CIRCLE, ICON_INFO, ICON_WARNING};
use std::path::PathBuf;
use std::sync::Arc;

const PRECISION: Hint = Hint::new(
    "How the decoder's weights are held in memory. Smaller takes less memory and is faster, and moves every logit a little.",
    "",
);
const GRID: Hint = Hint::new(
    "Rows and columns of image tokens. No tensor tells them; a wrong grid gives poor images, not an error.",
    "",
);
/// Notes shown at most; a folder of downloads may have many other files.
const NOTES: usize = 4;

/// What the dialog edits.
pub struct OpenDialog {
    offer: Arc<ModelOffer>,
    precision: Precision,
    /// Rows and columns.
    grid: (usize, usize),
}

impl OpenDialog {
    /// For what was found, with its defaults.
    pub fn new(offer: Arc<ModelOffer>) -> Self {
        let grid = offer.grid.map_or((0, 0), |grid| (grid.rows, grid.columns));
        Self { precision: offer.precision(), grid: offer.request.grid.unwrap_or(grid), offer }
    }

    /// Paths to look at when more files were chosen while something is missing: all of them together.
    /// Once nothing is missing, other files are another model.
    pub fn with_more(&self, more: Vec<PathBuf>) -> Vec<PathBuf> {
        if self.offer.missing.is_empty() {
            return more;
        }
        self.offer.request.paths.iter().cloned().chain(more).collect()
    }

    /// Whether nothing is missing.
    pub fn is_complete(&self) -> bool {
        self.offer.missing.is_empty()
    }

    /// What is opened if the person agrees.
    fn request(&self) -> OpenRequest {
        let guess = self.offer.grid.map(|grid| (grid.rows, grid.columns));
        let mut request = self.offer.request.clone();
        request.precision = Some(self.precision);
        request.grid = (Some(self.grid) != guess).then_some(self.grid);
        request
    }

    /// Why it cannot be opened as it is set.
    fn obstacle(&self) -> Option<String> {
        if !self.offer.missing.is_empty() {
            return Some("Something is missing.".into());
        }
        let chosen = self.offer.precisions.iter().find(|one| one.precision == self.precision)?;
        if chosen.fits != Some(false) {
            return None;
        }
        let smaller = self.offer.precisions.iter().find(|one| one.fits == Some(true));
        Some(match smaller {
            Some(one) => format!(
                "There is not enough free memory beside the model in use; {} fits.",
                one.precision
            ),
            None => "There is not enough free memory beside the model in use.".into(),
        })
    }
}

/// Shows the dialog while there is something to decide.
pub fn show(ctx: &egui::Context, state: &mut State) {
    let Some(dialog) = &mut state.shell.opening else { return };
    let colours = palette(ctx);
    let frame = Frame::window(&ctx.global_style()).inner_margin(20).fill(colours.panel);
    let (mut close, mut actions) = (false, Vec::new());
    let modal = Modal::new(Id::unique("open model")).frame(frame).show(ctx, |ui| {
        ui.set_width(520.0);
        ui.label(fonts::title("Open model"));
        ui.add_space(6.0);
        what_was_found(ui, &dialog.offer);
        if !dialog.offer.precisions.is_empty() {
            ui.add_space(8.0);
            precisions(ui, dialog);
        }
        if dialog.offer.grid.is_some() {
            ui.add_space(8.0);
            grid(ui, dialog);
        }
        ui.add_space(12.0);
        let missing = !dialog.offer.missing.is_empty();
        let obstacle = dialog.obstacle();
        if let Some(obstacle) = obstacle.as_deref().filter(|_| !missing) {
            controls::message_line(ui, ICON_WARNING, colours.warning, obstacle);
            ui.add_space(4.0);
        }
        ui.horizontal(|ui| {
            // Not enough memory is no last word: opening may free the model in use first.
            let open = ui.add_enabled(!missing, Button::new("Open"));
            if open.clicked() {
                actions.push(Action::LoadModel(dialog.request()));
                close = true;
            }
            if missing && ui.button("Choose the missing file…").clicked() {
                actions.push(Action::OpenModel);
            }
            if ui.button("Cancel").clicked() {
                close = true;
            }
        });
    });
    if close || modal.should_close() {
        state.shell.opening = None;
    }
    state.actions.extend(actions);
}

fn what_was_found(ui: &mut Ui, offer: &ModelOffer) {
    let colours = palette(ui.ctx());
    for line in &offer.found {
        controls::message_line(ui, ICON_CHECK_CIRCLE, colours.good, line);
    }
    for line in &offer.missing {
        controls::message_line(ui, ICON_WARNING, colours.error, line);
    }
    for note in offer.notes.iter().take(NOTES) {
        controls::message_line(ui, ICON_INFO, colours.secondary, note);
    }
}

fn precisions(ui: &mut Ui, dialog: &mut OpenDialog) {
    ui.label(fonts::group("Precision"));
    for offer in &dialog.offer.precisions {
        let text = format!("{}: {}", offer.precision, offer.cost());
        let colours = palette(ui.ctx());
        let colour = if offer.fits == Some(false) { colours.warning } else { colours.text };
        let button = ui.radio_value(
            &mut dialog.precision,
            offer.precision,
            RichText::new(text).small().color(colour),
        );
        PRECISION.on(button);
    }
}

fn grid(ui: &mut Ui, dialog: &mut OpenDialog) {
    let Some(guess) = dialog.offer.grid else { return };
    ui.horizontal(|ui| {
        ui.label(fonts::group("Grid"));
        let free = guess.source != GridSource::Weights;
        let field = |value| DragValue::new(value).range(1..=256);
        let rows = ui.add_enabled(free, field(&mut dialog.grid.0));
        GRID.on(rows.accessible_name("Rows"));
        ui.label("×");
        let columns = ui.add_enabled(free, field(&mut dialog.grid.1));
        GRID.on(columns.accessible_name("Columns"));
        ui.label(RichText::new(format!("from {}", guess.source)).small().weak());
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::checkpoint::GridGuess;
    use crate::models::open::PrecisionOffer;

    fn offer(missing: &[&str]) -> Arc<ModelOffer> {
        let precision =
            |precision, fits| PrecisionOffer { precision, peak: 1 << 30, fits: Some(fits) };
        Arc::new(ModelOffer {
            request: OpenRequest::new([PathBuf::from("c2i.pt")]),
            name: "LlamaGen-B (class)".into(),
            found: vec!["LlamaGen-B (class) decoder, 111 M, f32, 444 MB".into()],
            missing: missing.iter().map(|&text| text.into()).collect(),
            notes: Vec::new(),
            precisions: vec![precision(Precision::F32, false), precision(Precision::Bf16, true)],
            default_precision: Precision::F32,
            grid: Some(GridGuess { rows: 16, columns: 16, source: GridSource::Guess }),
        })
    }

    #[test]
    fn a_grid_that_was_changed_is_asked_for() {
        let mut dialog = OpenDialog::new(offer(&[]));
        assert_eq!(dialog.request().grid, None);
        dialog.grid = (24, 24);
        assert_eq!(dialog.request().grid, Some((24, 24)));
        assert_eq!(dialog.request().precision, Some(Precision::F32));
    }

    #[test]
    fn the_obstacle_names_what_fits() {
        let mut dialog = OpenDialog::new(offer(&[]));
        assert!(dialog.obstacle().is_some_and(|text| text.contains("bf16 fits")));
        dialog.precision = Precision::Bf16;
        assert_eq!(dialog.obstacle(), None);
    }

    #[test]
    fn a_missing_file_is_added_and_another_model_replaces() {
        let more = || vec![PathBuf::from("vq.pt")];
        assert_eq!(OpenDialog::new(offer(&["vq"])).with_more(more()).len(), 2);
        assert_eq!(OpenDialog::new(offer(&[])).with_more(more()), more());
    }
}
