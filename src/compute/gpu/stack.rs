//! Brings the caches of sequences that are decoded together into one stack on a device.

use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::gpu::cache::DeviceCache;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use candle_core::Device;

/// The cache on the device of `layer` of a sequence.
///
/// # Errors
/// There is none.
pub(super) fn of_sequence(
    layer: usize,
    cache: usize,
    caches: &[KvCache],
) -> Result<&DeviceCache, ModelError> {
    let cache = caches.get(cache).and_then(|cache| cache.device_layer(layer));
    cache.ok_or(ModelError::Internal("a cache lies on another device than its rows"))
}

/// Puts the caches of a plan into one stack, in the order of its rows, unless they are in one. This is
/// done once a run: after the prefixes, which are fed one by one.
///
/// # Errors
/// The device has no memory left.
pub(super) fn stack(
    shape: AttentionShape,
    layer: usize,
    plan: &BatchPlan<'_>,
    caches: &mut [KvCache],
    device: &Device,
) -> Result<(), ModelError> {
    let mut order: Vec<usize> = Vec::new();
    for row in &plan.rows {
        if !order.contains(&row.cache) {
            order.push(row.cache);
        }
    }
    let members = || order.iter().filter_map(|&cache| caches.get(cache));
    let mut stacks = members().map(|cache| cache.device_layer(layer));
    let Some(first) = stacks.next() else { return Ok(()) };
    let with_first = |cache: &DeviceCache| first.is_some_and(|first| cache.is_stacked_with(first));
    if first.is_some() && stacks.all(|cache| cache.is_some_and(with_first)) {
        return Ok(());
    }
    let prefix = members().map(KvCache::prefix_len).max().unwrap_or(0);
    let offsets: Vec<usize> = members().map(|cache| prefix - cache.prefix_len()).collect();
    let ends = members().zip(&offsets).map(|(cache, offset)| offset + cache.capacity());
    let size = (shape.kv_heads, ends.max().unwrap_or(0), shape.head_dim);
    let stacked = DeviceCache::stacked(&offsets, size, device)?;
    for (cache, new) in members().zip(&stacked) {
        if let Some(old) = cache.device_layer(layer).filter(|_| cache.length() > 0) {
            new.write_first(old, cache.length())?;
        }
    }
    for (cache, stacked) in order.into_iter().zip(stacked) {
        let cache = caches.get_mut(cache).ok_or(ModelError::Internal("no such cache"))?;
        cache.set_device_layer(layer, stacked)?;
    }
    Ok(())
}
