//! Rows of a step whose caches lie side by side on a device: each run of them is one batch of products.

use crate::compute::error::ModelError;
use crate::compute::gpu::cache::DeviceCache;
use crate::compute::rows::PlannedRow;
use candle_core::{Device, Tensor};
use std::ops::Range;
use std::sync::OnceLock;

/// Rows of a plan that stand at the same place of slots side by side.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) rows: Range<usize>,
    /// The first row's cache.
    pub(super) cache: usize,
    slot: usize,
    /// Places that are read, free ones before a shorter prefix among them.
    pub(super) places: usize,
    /// Free places of each row.
    offsets: Vec<usize>,
    /// Whether all rows are appended; else none is.
    pub(super) append: bool,
}

/// The runs of a plan's rows; `cache_of` gives the cache that a row reads.
fn runs<'c>(
    rows: &[PlannedRow<'_>],
    cache_of: impl Fn(&PlannedRow<'_>) -> Result<&'c DeviceCache, ModelError>,
) -> Result<Vec<Run>, ModelError> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let cache = cache_of(row)?;
        let (slot, places) = (cache.slot(), cache.offset() + row.visible());
        match runs.last_mut() {
            Some(run)
                if run.slot + run.rows.len() == slot
                    && run.places == places
                    && run.append == row.append =>
            {
                run.rows.end = index + 1;
                run.offsets.push(cache.offset());
            }
            _ => runs.push(Run {
                rows: index..index + 1,
                cache: row.cache,
                slot,
                places,
                offsets: vec![cache.offset()],
                append: row.append,
            }),
        }
    }
    Ok(runs)
}

/// Factors on the scores and probabilities of a run, and what free places add to scores: each
/// `[rows, 1, 1, places]`, none where it changes nothing.
#[derive(Debug, Clone)]
pub(super) struct RunFactors {
    pub(super) on_keys: Option<Tensor>,
    pub(super) on_values: Option<Tensor>,
    pub(super) mask: Option<Tensor>,
}

impl RunFactors {
    fn new(run: &Run, rows: &[PlannedRow<'_>], device: &Device) -> Result<Self, ModelError> {
        let rows = rows.get(run.rows.clone()).unwrap_or(&[]);
        let send = |numbers: Vec<f32>| {
            Tensor::from_vec(numbers, (run.rows.len(), 1, 1, run.places), device)
        };
        let weights = |given: &[Option<&[f32]>]| {
            if given.iter().all(Option::is_none) {
                return Ok(None);
            }
            let mut all = vec![1f32; run.places * rows.len()];
            let rows = rows.iter().zip(&run.offsets).zip(given);
            for (all, ((row, offset), weights)) in all.chunks_mut(run.places).zip(rows) {
                let image = all.iter_mut().skip(offset + row.first_image);
                image.zip(weights.unwrap_or(&[])).for_each(|(factor, weight)| *factor = *weight);
            }
            send(all).map(Some)
        };
        let (on_keys, on_values): (Vec<_>, Vec<_>) = rows.iter().map(PlannedRow::factors).unzip();
        let mask = run.offsets.iter().any(|&offset| offset > 0).then(|| {
            let free = |&offset| (0..run.places).map(move |place| place < offset);
            let mask = run.offsets.iter().flat_map(free);
            send(mask.map(|free| if free { f32::NEG_INFINITY } else { 0.0 }).collect())
        });
        Ok(Self {
            on_keys: weights(&on_keys)?,
            on_values: weights(&on_values)?,
            mask: mask.transpose()?,
        })
    }
}

/// What all layers of a step need of their plan on the device, made and sent there by the first of them:
/// all layers are stacked alike.
#[derive(Debug, Clone, Default)]
pub(crate) struct DevicePlan {
    runs: OnceLock<Vec<(Run, RunFactors)>>,
}

impl DevicePlan {
    /// The runs of `rows`; `cache_of` gives the cache that a row reads.
    ///
    /// # Errors
    /// A row without a cache on the device, or the device has no memory left.
    pub(super) fn runs<'c>(
        &self,
        rows: &[PlannedRow<'_>],
        cache_of: impl Fn(&PlannedRow<'_>) -> Result<&'c DeviceCache, ModelError>,
        device: &Device,
    ) -> Result<&[(Run, RunFactors)], ModelError> {
        if let Some(runs) = self.runs.get() {
            return Ok(runs);
        }
        let with_factors = |run: Run| {
            let factors = RunFactors::new(&run, rows, device)?;
            Ok((run, factors))
        };
        let runs = runs(rows, cache_of)?.into_iter().map(with_factors);
        let runs = runs.collect::<Result<Vec<_>, ModelError>>()?;
        Ok(self.runs.get_or_init(|| runs))
    }
}
