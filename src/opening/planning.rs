//! From a request to what lies there and the memory that it takes, headers only.

use crate::opening::error::OpenError;
use crate::opening::identify::Identified;
use crate::opening::inspect::{InspectOptions, Inspection, inspect};
use crate::opening::memory::{self, MemoryPlan, RunSize};
use crate::opening::opened::Opened;
use crate::opening::request::{OpenRequest, SystemResources};

/// Rows that memory is planned for: two lanes of two branches, and a clean branch beside them.
const PLANNED_ROWS: usize = 5;

/// Headers only: what the request's paths are, with their companions.
pub(super) fn look(
    request: &OpenRequest,
    resources: &SystemResources,
) -> Result<Inspection, OpenError> {
    let options = InspectOptions {
        caches: resources.caches.clone(),
        weight_set: request.weight_set.clone(),
        tokenizer: request.tokenizer.clone(),
    };
    Ok(inspect(&request.paths, &options)?)
}

pub(super) fn plan(
    inspection: &Inspection,
    decoder: &Identified,
    request: &OpenRequest,
    resources: &SystemResources,
) -> MemoryPlan {
    let grid = request.grid.or(decoder.grid.map(|grid| (grid.rows, grid.columns)));
    let run = RunLength::of(decoder).size(grid);
    let identified = |part: &Option<Opened>| part.as_ref().map(|part| part.identified.clone());
    let (tokenizer, encoder) =
        (identified(&inspection.tokenizer), identified(&inspection.text_encoder));
    memory::plan(decoder, tokenizer.as_ref(), encoder.as_ref(), run, resources.free_memory)
}

/// What the length of a model's runs depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RunLength {
    /// Positions before the image.
    prefix: usize,
    /// Image tokens, where the weights fix them.
    image_tokens: Option<usize>,
}

impl RunLength {
    pub(super) fn of(decoder: &Identified) -> Self {
        decoder.decoder().map_or_else(Self::default, |geometry| Self {
            prefix: geometry.planned_prefix,
            image_tokens: geometry.image_tokens,
        })
    }

    /// The size of a run that draws this grid.
    pub(super) fn size(self, grid: Option<(usize, usize)>) -> RunSize {
        // One more a row: forced row ends.
        let drawn = |(rows, columns): (usize, usize)| rows.saturating_mul(columns + 1);
        let tokens = self.image_tokens.or(grid.map(drawn)).unwrap_or_default();
        RunSize { rows: PLANNED_ROWS, positions: self.prefix.saturating_add(tokens) }
    }
}
