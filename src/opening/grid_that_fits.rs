//! What a refusal for want of memory advises where the grid is free.

use crate::checkpoint::CheckpointError;
use crate::opening::identify::{GridSource, Identified, bytes_text};
use crate::opening::inspect::Inspection;
use crate::opening::open::{OpenRequest, Surroundings, plan};

/// A refusal for want of memory that also names the largest smaller grid that would fit, where the grid
/// is free: the key/value caches of a large picture can take more than the weights.
pub(super) fn with_grid_that_fits(
    error: CheckpointError,
    inspection: &Inspection,
    decoder: &Identified,
    request: &OpenRequest,
    surroundings: &Surroundings,
) -> CheckpointError {
    let guessed = decoder.grid.filter(|grid| grid.source != GridSource::Weights);
    let (CheckpointError::Memory(message), Some(guessed)) = (&error, guessed) else {
        return error;
    };
    let (rows, columns) = request.grid.unwrap_or((guessed.rows, guessed.columns));
    // Sizes in steps of 4 tokens are those that every family can draw.
    let smaller = (1..16).filter_map(|part| {
        let scaled = |side: usize| side * (16 - part) / 16 / 4 * 4;
        Some((scaled(rows), scaled(columns))).filter(|(rows, columns)| rows.min(columns) > &0)
    });
    for grid in smaller {
        let request = OpenRequest { grid: Some(grid), ..request.clone() };
        let plan = plan(inspection, decoder, &request, surroundings);
        if let Some(choice) = plan.choices.iter().find(|choice| choice.fits == Some(true)) {
            return CheckpointError::Memory(format!(
                "{message}; a grid of {} × {} would fit at {} ({})",
                grid.0,
                grid.1,
                choice.precision,
                bytes_text(choice.need.peak)
            ));
        }
    }
    error
}
