//! Advice on a smaller grid where memory is short.

use crate::checkpoint::CheckpointError;
use crate::models::family::GridSource;
use crate::opening::amounts::bytes_text;
use crate::opening::identify::Identified;
use crate::opening::inspect::Inspection;
use crate::opening::planning::plan;
use crate::opening::request::{OpenRequest, SystemResources};

/// A refusal for want of memory that also names the largest smaller grid that would fit, where the grid
/// is free: the key/value caches of a large picture can take more than the weights.
pub(super) fn with_grid_that_fits(
    error: CheckpointError,
    inspection: &Inspection,
    decoder: &Identified,
    request: &OpenRequest,
    resources: &SystemResources,
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
        let plan = plan(inspection, decoder, &request, resources);
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
