//! Attention of single rows over their own caches on a device.

use crate::models::attention::{AttentionShape, factors};
use crate::models::error::ModelError;
use crate::models::kv_cache::{BatchPlan, KvCache};
use candle_core::{DType, Device, Tensor};
use std::sync::OnceLock;

/// Keys and values of one layer on a device, `[kv_heads, capacity, head_dim]` each.
#[derive(Debug)]
pub(crate) struct DeviceCache {
    keys: Tensor,
    values: Tensor,
}

impl DeviceCache {
    fn new(shape: AttentionShape, capacity: usize, device: &Device) -> Result<Self, ModelError> {
        let zeros =
            || Tensor::zeros((shape.kv_heads, capacity, shape.head_dim), DType::F32, device);
        Ok(Self { keys: zeros()?, values: zeros()? })
    }

    /// A copy of the numbers: a cloned tensor would share them with the original.
    ///
    /// # Errors
    /// The device has no memory left.
    pub(crate) fn copy(&self) -> Result<Self, ModelError> {
        Ok(Self { keys: self.keys.copy()?, values: self.values.copy()? })
    }

    /// Keys of the first positions of a head, brought back from the device; for tests.
    pub(crate) fn keys(&self, head: usize, length: usize) -> candle_core::Result<Vec<f32>> {
        self.keys.get(head)?.narrow(0, 0, length)?.flatten_all()?.to_vec1()
    }

    /// Values of the first positions of a head, brought back from the device; for tests.
    pub(crate) fn values(&self, head: usize, length: usize) -> candle_core::Result<Vec<f32>> {
        self.values.get(head)?.narrow(0, 0, length)?.flatten_all()?.to_vec1()
    }
}

/// What all layers of a step need of their plan on the device, sent there by the first of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct DevicePlan {
    factors: OnceLock<Vec<RowFactors>>,
}

/// Factors on every visible key and value of a row, `[1, 1, visible]`; none where all are 1.
#[derive(Debug, Clone)]
struct RowFactors {
    on_keys: Option<Tensor>,
    on_values: Option<Tensor>,
}

impl DevicePlan {
    fn factors(&self, plan: &BatchPlan<'_>, device: &Device) -> Result<&[RowFactors], ModelError> {
        if let Some(factors) = self.factors.get() {
            return Ok(factors);
        }
        let rows = plan.rows.iter().map(|row| {
            let send = |weights: &[f32]| {
                let mut all = vec![1f32; row.visible()];
                let image = all.iter_mut().skip(row.first_image);
                image.zip(weights).for_each(|(factor, weight)| *factor = *weight);
                Tensor::from_vec(all, (1, 1, row.visible()), device)
            };
            let (on_keys, on_values) = factors(row.perturbation);
            let on_keys = on_keys.map(send).transpose()?;
            Ok(RowFactors { on_keys, on_values: on_values.map(send).transpose()? })
        });
        let rows = rows.collect::<Result<Vec<_>, ModelError>>()?;
        Ok(self.factors.get_or_init(|| rows))
    }
}

/// [`crate::models::attention::attend`] for a plan that was checked.
pub(crate) fn attend(
    shape: AttentionShape,
    layer: usize,
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    plan: &BatchPlan<'_>,
    caches: &mut [KvCache],
) -> Result<Tensor, ModelError> {
    append(shape, layer, keys, values, plan, caches)?;
    let queries = (queries.contiguous()? * f64::from(shape.scale()))?;
    let factors = plan.device.factors(plan, queries.device())?;
    let rows = plan.rows.iter().zip(factors).enumerate().map(|(index, (row, factors))| {
        let cache = caches
            .get(row.cache)
            .and_then(|cache| cache.device.get(layer)?.as_ref())
            .ok_or(ModelError::Internal("a cache lies on another device than its rows"))?;
        attend_row(shape, &queries.narrow(0, index, 1)?, row.visible(), factors, cache)
    });
    Ok(Tensor::cat(&rows.collect::<Result<Vec<_>, _>>()?, 0)?)
}

/// Writes the rows' keys and values at their positions.
fn append(
    shape: AttentionShape,
    layer: usize,
    keys: &Tensor,
    values: &Tensor,
    plan: &BatchPlan<'_>,
    caches: &mut [KvCache],
) -> Result<(), ModelError> {
    let (keys, values) = (keys.contiguous()?, values.contiguous()?);
    let parts = (shape.kv_heads, 1, shape.head_dim);
    for (index, row) in plan.rows.iter().enumerate().filter(|(_, row)| row.append) {
        let cache = caches.get_mut(row.cache).ok_or(ModelError::Internal("no such cache"))?;
        let capacity = cache.capacity();
        let place = cache.device.get_mut(layer).ok_or(ModelError::Internal("no such layer"))?;
        if place.is_none() {
            *place = Some(DeviceCache::new(shape, capacity, keys.device())?);
        }
        if let Some(cache) = place {
            let part = |rows: &Tensor| rows.narrow(0, index, 1)?.reshape(parts);
            cache.keys.slice_set(&part(&keys)?, 1, row.position)?;
            cache.values.slice_set(&part(&values)?, 1, row.position)?;
        }
    }
    Ok(())
}

/// One row `[1, heads * head_dim]` over the visible positions; its queries are scaled. Keys and
/// values are read where they lie.
fn attend_row(
    shape: AttentionShape,
    query: &Tensor,
    visible: usize,
    factors: &RowFactors,
    cache: &DeviceCache,
) -> Result<Tensor, ModelError> {
    let query = query.reshape((shape.kv_heads, shape.group(), shape.head_dim))?;
    let keys = cache.keys.narrow(1, 0, visible)?;
    let values = cache.values.narrow(1, 0, visible)?;
    let weighted = |scores: Tensor, factors: Option<&Tensor>| match factors {
        Some(factors) => scores.broadcast_mul(factors),
        None => Ok(scores),
    };
    let scores = weighted(query.matmul(&keys.t()?)?, factors.on_keys.as_ref())?;
    let probabilities = candle_nn::ops::softmax_last_dim(&scores)?;
    let probabilities = weighted(probabilities, factors.on_values.as_ref())?;
    Ok(probabilities.matmul(&values)?.reshape((1, shape.heads * shape.head_dim))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guidance::Perturb;
    use crate::models::attention;
    use crate::models::decoder::{Perturbation, Prefix};
    use crate::models::device::compare::{assert_close, matrix};
    use crate::models::kv_cache::{ActivationNumber, PlannedRow};

    #[test]
    fn attention_agrees_with_prefixes_groups_and_every_perturbation() {
        let shape = AttentionShape { heads: 6, kv_heads: 2, head_dim: 20 };
        let caches = shape.cache(1, ActivationNumber::F32);
        let cache = |prefix| KvCache::new(caches, Prefix::Class(0), prefix, 8).unwrap();
        let mut host = vec![cache(2), cache(4)];
        let mut device = vec![cache(2), cache(4)];
        let weights = [0.5, 0.25, 0.9, 0.1, 0.7, 0.3];
        for position in 0..8 {
            let on = [Perturb::Value, Perturb::Key, Perturb::KeyValue][position % 3];
            let visible = |prefix: usize| (position + 1usize).saturating_sub(prefix);
            let row = |cache, append, prefix, perturbed: bool| PlannedRow {
                cache,
                position,
                append,
                first_image: prefix,
                perturbation: perturbed
                    .then(|| Perturbation { weights: &weights[..visible(prefix)], on }),
            };
            // The third row only reads the second one's cache: the cache rule `exact`.
            let rows = vec![row(0, true, 2, false), row(1, true, 4, false), row(1, false, 4, true)];
            let plan = BatchPlan::of(rows);
            let (q, k, v) = (
                matrix(position, 3, 120),
                matrix(position + 7, 3, 40),
                matrix(position + 9, 3, 40),
            );
            let on_host = attention::attend(shape, 0, &q, &k, &v, &plan, &mut host).unwrap();
            let on_device = attend(shape, 0, &q, &k, &v, &plan, &mut device).unwrap();
            assert_close(&on_device, &on_host, 2e-6);
        }
        let copy: Vec<_> = device.iter().map(|cache| cache.copy().unwrap()).collect();
        let plan = BatchPlan::of(vec![PlannedRow {
            cache: 0,
            position: 0,
            append: true,
            first_image: 2,
            perturbation: None,
        }]);
        let (q, kv) = (matrix(1, 1, 120), matrix(50, 1, 40));
        let keys_of = |caches: &[KvCache]| {
            caches[0].device[0].as_ref().map(|cache| cache.keys(1, 8).unwrap()).unwrap()
        };
        let before = keys_of(&copy);
        attend(shape, 0, &q, &kv, &kv, &plan, &mut device).unwrap();
        assert_eq!(keys_of(&copy), before, "a copy does not share its numbers");
        assert_ne!(keys_of(&device), before);
    }
}
