//! Attention of rows over their own caches on a device. Rows whose caches lie side by side are one batch
//! of products.

use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::gpu::cache::DeviceCache;
use crate::compute::gpu::runs::{Run, RunFactors};
use crate::compute::gpu::stack::{of_sequence, stack};
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::rows::PlannedRow;
use candle_core::Tensor;

/// [`crate::compute::attention::attend`] for a plan that was checked.
pub(crate) fn attend(
    shape: AttentionShape,
    layer: usize,
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    plan: &BatchPlan<'_>,
    caches: &mut [KvCache],
) -> Result<Tensor, ModelError> {
    let device = queries.device();
    stack(shape, layer, plan, caches, device)?;
    let cache_of = |row: &PlannedRow<'_>| of_sequence(layer, row.cache, caches);
    let runs = plan.device.runs(&plan.rows, cache_of, device)?;
    let parts = (plan.rows.len(), shape.kv_heads, 1, shape.head_dim);
    let keys = keys.contiguous()?.reshape(parts)?;
    let values = values.contiguous()?.reshape(parts)?;
    // All rows are written before any is read: a row may read what another has appended.
    for (run, _) in runs.iter().filter(|(run, _)| run.append) {
        let part = |rows: &Tensor| rows.narrow(0, run.rows.start, run.rows.len());
        let cache = of_sequence(layer, run.cache, caches)?;
        cache.append(run.places - 1, &part(&keys)?, &part(&values)?)?;
    }
    let queries = (queries.contiguous()? * f64::from(shape.scale()))?;
    let attended = runs.iter().map(|(run, factors)| {
        let queries = queries.narrow(0, run.rows.start, run.rows.len())?;
        attend_run(shape, &queries, run, factors, of_sequence(layer, run.cache, caches)?)
    });
    let attended = attended.collect::<Result<Vec<_>, ModelError>>()?;
    match attended.as_slice() {
        [all] => Ok(all.clone()),
        parts => Ok(Tensor::cat(parts, 0)?),
    }
}

/// The rows of a run, `[rows, heads * head_dim]`, whose queries are scaled. `cache` is the first one's.
fn attend_run(
    shape: AttentionShape,
    queries: &Tensor,
    run: &Run,
    factors: &RunFactors,
    cache: &DeviceCache,
) -> Result<Tensor, ModelError> {
    let rows = run.rows.len();
    let queries = queries.reshape((rows, shape.kv_heads, shape.group(), shape.head_dim))?;
    let (keys, values) = cache.first_places(rows, run.places)?;
    let mut scores = queries.matmul(&keys.t()?)?;
    if let Some(factors) = &factors.on_keys {
        scores = scores.broadcast_mul(factors)?;
    }
    if let Some(mask) = &factors.mask {
        scores = scores.broadcast_add(mask)?;
    }
    let mut probabilities = candle_nn::ops::softmax_last_dim(&scores)?;
    if let Some(factors) = &factors.on_values {
        probabilities = probabilities.broadcast_mul(factors)?;
    }
    Ok(probabilities.matmul(&values)?.reshape((rows, shape.heads * shape.head_dim))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::attention;
    use crate::compute::attention_shape::CacheShape;
    use crate::compute::gpu::compare::{assert_close, matrix};
    use crate::compute::precision::ActivationNumber;
    use crate::compute::rows::PlannedRow;
    use crate::compute::rows::{Perturbation, Prefix};
    use crate::device_path::cache_contents;
    use crate::guidance::Perturb;

    #[test]
    fn attention_agrees_with_prefixes_groups_and_every_perturbation() {
        let shape = AttentionShape { heads: 6, kv_heads: 2, head_dim: 20 };
        let caches = shape.cache(1, ActivationNumber::F32);
        let cache = |prefix| new_cache(caches, prefix, 8);
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
            plan.commit(&mut host);
            plan.commit(&mut device);
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
        let keys_of = |caches: &[KvCache]| cache_contents::keys(&caches[0], 0, 1);
        let before = keys_of(&copy);
        attend(shape, 0, &q, &kv, &kv, &plan, &mut device).unwrap();
        assert_eq!(keys_of(&copy), before, "a copy does not share its numbers");
        assert_ne!(keys_of(&device), before);
    }

    #[test]
    fn sequences_that_were_filled_apart_are_stacked_with_what_they_hold() {
        let shape = AttentionShape { heads: 4, kv_heads: 2, head_dim: 12 };
        let layers = shape.cache(1, ActivationNumber::F32);
        let prefixes = [3, 1, 2];
        let caches = || prefixes.map(|prefix| new_cache(layers, prefix, 6));
        let (mut host, mut device) = (caches(), caches());
        let mut seed = 0;
        let mut step = |order: &[usize], host: &mut [KvCache], device: &mut [KvCache]| {
            let row = |&cache: &usize| PlannedRow {
                cache,
                position: host[cache].length(),
                append: true,
                first_image: prefixes[cache],
                perturbation: None,
            };
            let plan = BatchPlan::of(order.iter().map(row).collect());
            seed += 1;
            let (q, k, v) = (
                matrix(seed, order.len(), 48),
                matrix(seed + 40, order.len(), 24),
                matrix(seed + 80, order.len(), 24),
            );
            let expected = attention::attend(shape, 0, &q, &k, &v, &plan, host).unwrap();
            let found = attend(shape, 0, &q, &k, &v, &plan, device).unwrap();
            assert_close(&found, &expected, 2e-6);
            plan.commit(host);
            plan.commit(device);
        };
        for (cache, prefix) in prefixes.into_iter().enumerate() {
            (0..prefix).for_each(|_| step(&[cache], &mut host, &mut device));
        }
        // All together, in another order, some of them, one alone.
        for order in [&[0, 1, 2][..], &[2, 0, 1], &[1, 2], &[0], &[0, 1, 2]] {
            step(order, &mut host, &mut device);
        }
        // A copy of one beside the others.
        device[1] = device[1].copy().unwrap();
        host[1] = host[1].copy().unwrap();
        step(&[0, 1, 2], &mut host, &mut device);
        for (host, device) in host.iter().zip(&device) {
            assert!(device.is_on_device() && !host.is_on_device());
            assert_eq!(cache_contents::keys(host, 0, 1), cache_contents::keys(device, 0, 1));
            assert_eq!(cache_contents::values(host, 0, 1), cache_contents::values(device, 0, 1));
        }
    }

    fn new_cache(layers: CacheShape, prefix: usize, image_tokens: usize) -> KvCache {
        KvCache::new(layers, Prefix::Class(0), prefix, image_tokens).unwrap()
    }
}
