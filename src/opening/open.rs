//! From chosen paths to a running [`Model`]. The window, the command line and the tests open every
//! family through [`open`].
//!
//! Order: inspection of headers, completeness, memory, image tokenizer, decoder, card. Weights are
//! read only once everything before has passed, so whatever is refused costs nothing.

use crate::checkpoint::{CheckpointError, LoadProgress};
use crate::compute::device_kind::DeviceKind;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::models::card::Model;
use crate::models::family::{GridSource, Role};
use crate::opening::error::OpenError;
use crate::opening::grid_that_fits::with_grid_that_fits;
use crate::opening::identify::Identified;
use crate::opening::inspect::Inspection;
use crate::opening::memory;
use crate::opening::parts::{DecoderParts, OpenedDecoder, Parts};
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

/// Opens the decoder of a model alone: what turns codes to pixels is neither asked for nor loaded. An
/// image tokenizer that is chosen or found tells which codes there are.
///
/// # Errors
/// Those of [`open`]; nothing tells how many codes the decoder draws.
pub fn open_decoder(
    request: &OpenRequest,
    resources: &SystemResources,
    progress: &Arc<LoadProgress>,
) -> Result<OpenedDecoder, OpenError> {
    let (inspection, precision) = checked(request, resources, &[Role::ImageTokenizer])?;
    let Inspection { decoder, text_encoder, .. } = inspection;
    let parts = DecoderParts { decoder: decoder.ok_or_else(missing_part)?, text_encoder };
    let opened = parts.into_decoder(request, precision, progress);
    opened.map_err(|error| progress.take_failure().map_or(error.into(), OpenError::from))
}

fn open_parts(
    request: &OpenRequest,
    resources: &SystemResources,
    progress: &Arc<LoadProgress>,
) -> Result<Model, OpenError> {
    let (inspection, precision) = checked(request, resources, &[])?;
    let Inspection { decoder, tokenizer, text_encoder, .. } = inspection;
    let decoder = decoder.ok_or_else(missing_part)?;
    let parts = Parts { decoder, tokenizer: tokenizer.ok_or_else(missing_part)?, text_encoder };
    parts.into_model(request, precision, progress)
}

fn missing_part() -> ModelError {
    ModelError::Internal("a complete model lacks a part")
}

/// What lies at the paths, complete but for what can be done `without`, and the precision that it is to
/// have: everything that can be known before weights are read.
fn checked(
    request: &OpenRequest,
    resources: &SystemResources,
    without: &[Role],
) -> Result<(Inspection, Precision), OpenError> {
    request.device.open()?;
    let mut inspection = look(request, resources)?;
    inspection.missing.retain(|need| !without.contains(&need.role));
    inspection.complete()?;
    let identified = inspection
        .decoder
        .as_ref()
        .map(|decoder| decoder.identified.clone())
        .ok_or_else(missing_part)?;
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
    Ok((inspection, precision))
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
