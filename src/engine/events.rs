//! Events of the engine for its owner, each with the id of the run it belongs to.

use crate::engine::trace::RunId;
use crate::models::card::ModelCard;
use crate::opening::offer::ModelOffer;
use image::RgbImage;
use std::sync::Arc;

/// Something happened.
#[derive(Clone)]
pub enum Event {
    /// A model is loaded and ready for runs; its settings and runs use this card.
    ModelReady(Arc<ModelCard>),
    /// A model could not be loaded; the one before, if any, stays.
    ModelFailed {
        /// What failed and what to do.
        message: String,
    },
    /// What was found at paths that are to be opened.
    ModelFound(Arc<ModelOffer>),
    /// How far a model is loaded, 0 to 1 by bytes.
    LoadProgress {
        /// The model's name.
        name: String,
        /// Part that is loaded.
        fraction: f32,
    },
    /// A model was not loaded because somebody cancelled; the one before, if any, stays.
    LoadCancelled,
    /// A run has halted, as it was asked to; it goes on, makes single steps, or ends when asked.
    RunPaused(RunId),
    /// A run is over; [`crate::engine::trace::RunRecord::status`] has the reason.
    RunEnded(RunId),
    /// Pixels of a partial or whole grid.
    Preview(Preview),
    /// Pictures of single codes that were asked for.
    Swatches(Vec<Swatch>),
    /// A worker failed outside a run (a preview, a swatch); the text can be copied.
    Problem {
        /// What failed and what to do.
        message: String,
    },
}

/// Pixels of one lane at one step.
#[derive(Clone)]
pub struct Preview {
    /// The run.
    pub run: RunId,
    /// Index of the lane within the run.
    pub lane: usize,
    /// Tokens the picture holds; the rest is a stand-in and not to be shown as drawn.
    pub steps: usize,
    /// The whole image at the model's resolution.
    pub image: Arc<RgbImage>,
}

/// The picture of one code.
#[derive(Clone)]
pub struct Swatch {
    /// The code.
    pub code: u32,
    /// A square of the tokenizer's pixels per token.
    pub image: Arc<RgbImage>,
}
