//! From chosen paths to a running [`Model`]. The window, the command line and the tests open every
//! family through [`open`].
//!
//! Order: inspection of headers, completeness, memory, image tokenizer, decoder, card. Weights are
//! read only once everything before has passed, so whatever is refused costs nothing.

use crate::checkpoint::{CheckpointError, LoadProgress};
use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::models::card::Model;
use crate::models::family::GridSource;
use crate::opening::error::OpenError;
use crate::opening::grid_that_fits::with_grid_that_fits;
use crate::opening::identify::Identified;
use crate::opening::inspect::Inspection;
use crate::opening::memory;
use crate::opening::parts::Parts;
use crate::opening::planning::{look, plan};
use crate::opening::request::{OpenRequest, SystemResources};
use std::sync::Arc;

/// Opens a model. `progress` counts the bytes that are read and can cancel.
///
/// # Errors
/// Those of inspection; something missing, with its file name and where it is published; not enough
/// memory, with the precisions that would fit; a grid the model does not draw; weights that are
/// damaged or do not fit; [`CheckpointError::Cancelled`].
pub fn open(
    request: &OpenRequest,
    resources: &SystemResources,
    progress: &Arc<LoadProgress>,
) -> Result<Model, OpenError> {
    let model = open_parts(request, resources, progress);
    // The tensor library wraps errors of reading; a person who cancelled only cancelled.
    match (model, progress.take_failure()) {
        (_, _) if progress.is_cancelled() => Err(CheckpointError::Cancelled.into()),
        (Err(_), Some(failure)) => Err(failure.into()),
        (model, _) => model,
    }
}

fn open_parts(
    request: &OpenRequest,
    resources: &SystemResources,
    progress: &Arc<LoadProgress>,
) -> Result<Model, OpenError> {
    request.device.open()?;
    let inspection = look(request, resources)?;
    inspection.complete()?;
    let missing = || ModelError::Internal("a complete model lacks a part");
    let identified = inspection
        .decoder
        .as_ref()
        .map(|decoder| decoder.identified.clone())
        .ok_or_else(missing)?;
    check_grid(&identified, request.grid)?;
    let precision = request.precision.unwrap_or_else(|| memory::default_precision(&identified));
    request.device.check(precision)?;
    // The memory of other devices is theirs to refuse.
    if request.device == DeviceKind::Cpu {
        plan(&inspection, &identified, request, resources)
            .check(&identified.name, precision)
            .map_err(|error| {
                with_grid_that_fits(error, &inspection, &identified, request, resources)
            })?;
    }

    let Inspection { decoder, tokenizer, text_encoder, .. } = inspection;
    let (decoder, tokenizer) = (decoder.ok_or_else(missing)?, tokenizer.ok_or_else(missing)?);
    let parts = Parts { decoder, tokenizer, text_encoder };
    parts.into_model(request, precision, progress)
}

/// A grid that was asked for must be one the model can draw.
fn check_grid(decoder: &Identified, asked: Option<(usize, usize)>) -> Result<(), ModelError> {
    let Some((rows, columns)) = asked else { return Ok(()) };
    // 256 by 256 tokens are more than any model has positions for.
    if !(1..=256).contains(&rows) || !(1..=256).contains(&columns) {
        return Err(ModelError::Config(format!(
            "a grid of {rows} × {columns} tokens; choose 1 to 256 rows and columns"
        )));
    }
    match decoder.grid {
        Some(grid)
            if grid.source == GridSource::Weights
                && (grid.rows, grid.columns) != (rows, columns) =>
        {
            Err(ModelError::Config(format!(
                "{} draws {} × {} tokens, which its weights fix; leave the grid of {rows} × {columns} out",
                decoder.name, grid.rows, grid.columns
            )))
        }
        _ => Ok(()),
    }
}
