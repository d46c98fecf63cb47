//! The decode loop: one forward pass per step for all rows of all lanes (design.md section 4).

use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::rows::{Logits, MAX_ROWS, Prefix, Row};
use crate::engine::lane::{BranchLogits, Lane, LaneCaches};
use crate::engine::settings::LaneKind;
use crate::engine::trace::{RunRecord, RunStatus, StepRecord};
use crate::models::card::Model;
use crate::models::decoder::{Decoder, prefill};
use thiserror::Error;

/// Why a run stopped early, other than by cancelling.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The model refused.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// NaN or infinity among a lane's logits.
    #[error(
        "the logits of lane {lane} are not finite at step {step}; the weights may be damaged, or the \
         precision too small: check the file, or load it as f32"
    )]
    NotFinite {
        /// Step, from 0.
        step: usize,
        /// Lane.
        lane: LaneKind,
    },
}

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
    let decoder = model.decoder.as_ref();
    let spec = &record.spec;
    if record.cancel_requested() {
        return Ok(false);
    }
    let mut batch = Batch::start(decoder, record)?;
    record.begin(rayon::current_num_threads());
    for (step, &kind) in record.layout.steps().iter().enumerate() {
        if record.cancel_requested() {
            return Ok(false);
        }
        if step > 0 {
            batch.feed(decoder)?;
        }
        let mut records: Vec<StepRecord> = Vec::with_capacity(batch.lanes.len());
        let mut first = 0;
        for lane in &mut batch.lanes {
            let count = lane.row_count();
            let rows = batch.logits.get(first..first + count).unwrap_or(&[]);
            let info = decoder.info();
            let branches: BranchLogits =
                lane.branches(rows.iter().map(|row| info.code_logits(row)));
            records.push(lane.draw(step, kind, branches, spec)?);
            first += count;
        }
        record.push_step(records);
        after_step();
    }
    Ok(true)
}

/// All lanes of a run, their caches, and the newest logits of every row.
struct Batch {
    lanes: Vec<Lane>,
    caches: Vec<KvCache>,
    /// Whole-width logits per row, lane by lane in the order of [`Lane::rows`].
    logits: Vec<Vec<f32>>,
}

impl Batch {
    /// Prefills both prefixes once and gives every branch of every lane its copy.
    fn start(decoder: &dyn Decoder, record: &RunRecord) -> Result<Self, EngineError> {
        let spec = &record.spec;
        let prefixes = decoder.prefixes(&spec.settings.condition)?;
        // The last token of an image is never fed.
        let image_tokens = record.layout.len().saturating_sub(1);
        let begin = |prefix: Prefix| -> Result<(KvCache, Logits), EngineError> {
            let mut caches = vec![decoder.new_cache(prefix, image_tokens)?];
            let logits = prefill(decoder, &mut caches, 0)?;
            let cache = caches.pop().ok_or(ModelError::Internal("prefill lost its cache"))?;
            Ok((cache, logits))
        };
        let conditional = begin(prefixes.conditional)?;
        let guided = spec.settings.lanes.iter().any(|&lane| lane != LaneKind::None);
        let unconditional = guided.then(|| begin(prefixes.unconditional)).transpose()?;

        let mut batch = Self { lanes: Vec::new(), caches: Vec::new(), logits: Vec::new() };
        for &kind in &spec.settings.lanes {
            let (wants_unconditional, wants_clean) = Lane::wants(kind, spec);
            let copy = unconditional.as_ref();
            let caches = LaneCaches {
                conditional: batch.add_cache(&conditional.0)?,
                unconditional: copy
                    .filter(|_| wants_unconditional)
                    .map(|(cache, _)| batch.add_cache(cache))
                    .transpose()?,
                clean: copy
                    .filter(|_| wants_clean)
                    .map(|(cache, _)| batch.add_cache(cache))
                    .transpose()?,
            };
            let lane = Lane::new(kind, caches, spec);
            batch.logits.push(conditional.1.row(0).to_vec());
            // Before the first image token nothing is perturbed: clean and guiding agree.
            let unconditional_rows = copy.into_iter().cycle().take(lane.row_count() - 1);
            batch.logits.extend(unconditional_rows.map(|(_, logits)| logits.row(0).to_vec()));
            batch.lanes.push(lane);
        }
        Ok(batch)
    }

    fn add_cache(&mut self, cache: &KvCache) -> Result<usize, EngineError> {
        self.caches.push(cache.copy()?);
        Ok(self.caches.len() - 1)
    }

    /// Feeds every lane's newest token to all its branches. One pass unless the rows are more than
    /// a pass takes; then in equal parts.
    fn feed(&mut self, decoder: &dyn Decoder) -> Result<(), EngineError> {
        self.lanes.iter_mut().for_each(Lane::update_weights);
        let rows: Vec<Row> = self.lanes.iter().flat_map(Lane::rows).collect();
        let passes = rows.len().div_ceil(MAX_ROWS).max(1);
        let mut next = self.logits.iter_mut();
        for part in rows.chunks(rows.len().div_ceil(passes).max(1)) {
            let logits = decoder.forward(part, &mut self.caches)?;
            for (index, row) in next.by_ref().take(part.len()).enumerate() {
                row.clear();
                row.extend_from_slice(logits.row(index));
            }
        }
        Ok(())
    }
}
