//! What the dialog for opening a model knows: what was chosen, what was found in it, what is missing.

use crate::opening::offer::ModelOffer;
use crate::opening::request::OpenRequest;
use crate::ui::open_model::found::Found;
use std::path::PathBuf;
use std::sync::Arc;

/// What the dialog knows and edits.
#[derive(Default)]
pub struct OpenDialog {
    /// What was found, once something was chosen.
    pub(super) found: Option<Found>,
    /// Files are being looked at.
    pub(super) looking: bool,
    /// Why what was chosen last cannot be opened.
    pub(super) problem: Option<String>,
    /// Typed in place of a choice.
    pub(super) path: String,
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

    /// Keeps why the files cannot be opened; what was found before stays.
    pub fn fail(&mut self, message: String) {
        (self.looking, self.problem) = (false, Some(message));
    }

    /// Whether something was found and something is missing.
    pub fn lacks_files(&self) -> bool {
        self.found.as_ref().is_some_and(|found| !found.offer.is_complete())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::precision::Precision;
    use crate::ui::open_model::found::tests::offer;

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
    fn what_was_found_stays_when_the_next_file_is_none() {
        let mut dialog = OpenDialog::default();
        dialog.show_offer(offer(false, None, 0));
        dialog.look();
        dialog.fail("this is not a weight file".into());
        assert_eq!(dialog.problem(), Some("this is not a weight file"));
        assert!(dialog.found.is_some());
    }
}
