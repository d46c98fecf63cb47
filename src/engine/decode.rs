//! Decodes a run into its record, step by step, until its end, its cancellation, or an error.

use crate::engine::decoding::Decoding;
use crate::engine::error::EngineError;
use crate::engine::trace::{RunRecord, RunStatus};
use crate::models::card::Model;

/// Decodes `record` to its end, its cancellation, or an error, and leaves the status there. Calls
/// `on_change` when a step of every lane is in the record, and when the run halts; it waits here while
/// it is paused.
pub fn run(model: &Model, record: &RunRecord, on_change: &mut dyn FnMut()) {
    let status = match decode(model, record, on_change) {
        Ok(true) => RunStatus::Finished,
        Ok(false) => RunStatus::Cancelled,
        Err(error) => RunStatus::Failed(error.to_string()),
    };
    record.end(status);
}

/// Returns whether all steps were done.
fn decode(
    model: &Model,
    record: &RunRecord,
    on_change: &mut dyn FnMut(),
) -> Result<bool, EngineError> {
    if record.cancel_requested() {
        return Ok(false);
    }
    let mut decoding = Decoding::start(model, &record.spec)?;
    record.begin(rayon::current_num_threads());
    while decoding.position() < decoding.steps() {
        if !record.wait_for_turn(on_change) {
            return Ok(false);
        }
        let Some(records) = decoding.step()? else { break };
        record.push_step(records);
        on_change();
    }
    Ok(true)
}
