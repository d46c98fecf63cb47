//! What the dialog for opening a model has found, and how it is to be opened: precision, grid, and what
//! memory has to say.

use crate::compute::precision::Precision;
use crate::opening::offer::{ModelOffer, PrecisionOffer};
use crate::opening::request::OpenRequest;
use std::sync::Arc;

/// What was found, and how it is to be opened.
pub(super) struct Found {
    pub(super) offer: Arc<ModelOffer>,
    pub(super) precision: Precision,
    /// Rows and columns.
    pub(super) grid: (usize, usize),
    /// Costs at this grid.
    pub(super) precisions: Vec<PrecisionOffer>,
}

impl Found {
    pub(super) fn new(offer: Arc<ModelOffer>) -> Self {
        let guess = offer.grid.map_or((0, 0), |grid| (grid.rows, grid.columns));
        let grid = offer.request.grid.unwrap_or(guess);
        let mut found = Self { precision: offer.precision(), grid, precisions: Vec::new(), offer };
        found.follow_grid();
        found
    }

    /// Brings the costs up to the grid.
    pub(super) fn follow_grid(&mut self) {
        self.precisions = self.offer.precisions_at(self.grid);
    }

    /// What is opened if the person agrees.
    pub(super) fn request(&self) -> OpenRequest {
        let guess = self.offer.grid.map(|grid| (grid.rows, grid.columns));
        let mut request = self.offer.request.clone();
        request.precision = Some(self.precision);
        request.grid = (Some(self.grid) != guess).then_some(self.grid);
        request
    }

    fn chosen(&self) -> Option<&PrecisionOffer> {
        self.precisions.iter().find(|offer| offer.precision == self.precision)
    }

    /// Whether memory holds it once the model in use is closed.
    pub(super) fn fits_alone(&self) -> bool {
        self.chosen().is_none_or(|chosen| self.offer.fits_alone(chosen.peak))
    }

    /// What memory has to say against it as it is set.
    pub(super) fn memory_message(&self) -> Option<String> {
        self.chosen().filter(|chosen| chosen.fits == Some(false))?;
        if self.fits_alone() {
            return Some(
                "Memory does not hold both models: the one in use is closed before this one is loaded."
                    .into(),
            );
        }
        let smaller = self.precisions.iter().find(|offer| self.offer.fits_alone(offer.peak));
        Some(match smaller {
            Some(smaller) => format!(
                "There is not enough free memory for {}; choose {}.",
                self.precision, smaller.precision
            ),
            None => "There is not enough free memory at any precision; close other programs or choose a smaller model.".into(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::opening::offer;
    use crate::opening::request::SystemResources;
    use std::path::{Path, PathBuf};

    fn golden(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
    }

    /// What LlamaGen's miniature is offered with, where so many bytes are free and can be freed.
    pub(crate) fn offer(tokenizer: bool, free: Option<u64>, reclaimable: u64) -> Arc<ModelOffer> {
        let mut request = OpenRequest::new([golden("llamagen/c2i_tiny/c2i_tiny.pt")]);
        request.tokenizer = tokenizer.then(|| golden("llamagen/vq16_tiny/vq16_tiny.pt"));
        let resources =
            SystemResources { free_memory: free, reclaimable, ..SystemResources::default() };
        Arc::new(offer::survey(&request, &resources).unwrap())
    }

    fn peaks() -> Vec<u64> {
        offer(true, None, 0).precisions.iter().map(|offer| offer.peak).collect()
    }

    #[test]
    fn a_grid_that_was_changed_is_asked_for_and_costs_more() {
        let mut found = Found::new(offer(true, Some(1 << 40), 0));
        assert_eq!(found.request().grid, None);
        let before = found.chosen().unwrap().peak;
        found.grid = (64, 64);
        found.follow_grid();
        assert_eq!(found.request().grid, Some((64, 64)));
        assert!(found.chosen().unwrap().peak > before);
        assert_eq!(found.request().precision, Some(Precision::F32));
    }

    #[test]
    fn memory_names_what_fits_or_closes_the_model_in_use() {
        let peaks = peaks();
        let found = |free, reclaimable| Found::new(offer(true, Some(free), reclaimable));
        assert_eq!(found(peaks[0], 0).memory_message(), None);
        let short = found(peaks[1], 0);
        assert!(!short.fits_alone());
        assert!(short.memory_message().is_some_and(|text| text.contains("choose bf16")));
        let closing = found(peaks[1], peaks[0] - peaks[1]);
        assert!(closing.fits_alone());
        assert!(closing.memory_message().is_some_and(|text| text.contains("is closed before")));
        let none = found(1000, 1000).memory_message();
        assert!(none.is_some_and(|text| text.contains("any precision")));
    }
}
