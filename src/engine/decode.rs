//! Decodes a run into its record, step by step, until its end, its cancellation, or an error.

use crate::engine::decoding::Decoding;
use crate::engine::error::EngineError;
use crate::engine::trace::{RunRecord, RunStatus};
use crate::models::card::Model;

/// Decodes `record` to its end, its cancellation, or an error, and leaves the status there. Calls
/// `after_step` when a step of every lane is in the record.
pub fn run(model: &Model, record: &RunRecord, after_step: &mut dyn FnMut()) {
    let status = match decode(model, record, after_step) {
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
    after_step: &mut dyn FnMut(),
) -> Result<bool, EngineError> {
    if record.cancel_requested() {
        return Ok(false);
    }
    let mut decoding = Decoding::start(model, &record.spec)?;
    record.begin(rayon::current_num_threads());
    loop {
        if record.cancel_requested() {
            return Ok(decoding.position() == decoding.steps());
        }
        let Some(records) = decoding.step()? else { return Ok(true) };
        record.push_step(records);
        after_step();
    }
}
