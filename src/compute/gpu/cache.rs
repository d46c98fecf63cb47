//! Keys and values on a device. Sequences that are decoded together lie in one tensor, so that one
//! operation appends to all of them or reads all of them.

use crate::compute::attention::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use candle_core::{DType, Device, Tensor};

/// Keys and values of one sequence and layer: a slot of a stack `[slots, kv_heads, capacity, head_dim]`.
///
/// All sequences of a stack have their image at the same places. One with a shorter prefix than another
/// leaves places free before it.
#[derive(Debug)]
pub(crate) struct DeviceCache {
    keys: Tensor,
    values: Tensor,
    slot: usize,
    /// Places before the first position.
    offset: usize,
}

impl DeviceCache {
    /// A copy of the numbers, in a stack of its own: a cloned tensor would share them with the original.
    ///
    /// # Errors
    /// The device has no memory left.
    pub(crate) fn copy(&self) -> Result<Self, ModelError> {
        let copy = |stack: &Tensor| stack.narrow(0, self.slot, 1)?.force_contiguous();
        let (keys, values) = (copy(&self.keys)?, copy(&self.values)?);
        Ok(Self { keys, values, slot: 0, offset: self.offset })
    }

    /// Keys of the first positions of a head, brought back from the device; for tests.
    pub(crate) fn keys(&self, head: usize, length: usize) -> candle_core::Result<Vec<f32>> {
        self.of_head(&self.keys, head, length)
    }

    /// Values of the first positions of a head, brought back from the device; for tests.
    pub(crate) fn values(&self, head: usize, length: usize) -> candle_core::Result<Vec<f32>> {
        self.of_head(&self.values, head, length)
    }

    fn of_head(&self, stack: &Tensor, head: usize, length: usize) -> candle_core::Result<Vec<f32>> {
        stack.get(self.slot)?.get(head)?.narrow(0, self.offset, length)?.flatten_all()?.to_vec1()
    }

    /// Its place in the stack.
    pub(super) fn slot(&self) -> usize {
        self.slot
    }

    /// Places before the first position.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// Writes rows `[rows, kv_heads, 1, head_dim]` at one place of as many slots, from this one on.
    pub(super) fn append(
        &self,
        place: usize,
        keys: &Tensor,
        values: &Tensor,
    ) -> Result<(), ModelError> {
        let rows = keys.dim(0)?;
        self.keys.narrow(0, self.slot, rows)?.slice_set(keys, 2, place)?;
        Ok(self.values.narrow(0, self.slot, rows)?.slice_set(values, 2, place)?)
    }

    /// The first places of as many slots, from this one on: keys and values where they lie.
    pub(super) fn first_places(
        &self,
        rows: usize,
        places: usize,
    ) -> Result<(Tensor, Tensor), ModelError> {
        let part = |stack: &Tensor| stack.narrow(0, self.slot, rows)?.narrow(2, 0, places);
        Ok((part(&self.keys)?, part(&self.values)?))
    }
}

/// The cache of `layer` that a row of a plan reads.
pub(super) fn of_row(
    layer: usize,
    cache: usize,
    caches: &[KvCache],
) -> Result<&DeviceCache, ModelError> {
    caches
        .get(cache)
        .and_then(|cache| cache.device.get(layer)?.as_ref())
        .ok_or(ModelError::Internal("a cache lies on another device than its rows"))
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
    let stacks: Vec<_> = order
        .iter()
        .map(|&cache| of_row(layer, cache, caches).ok().map(|cache| cache.keys.id()))
        .collect();
    if stacks.iter().all(|stack| stack.is_some() && *stack == stacks[0]) {
        return Ok(());
    }
    let members = || order.iter().filter_map(|&cache| caches.get(cache));
    let prefix = members().map(KvCache::prefix_len).max().unwrap_or(0);
    let offset = |cache: &KvCache| prefix - cache.prefix_len();
    let capacity = members().map(|cache| offset(cache) + cache.capacity()).max().unwrap_or(0);
    let size = (order.len(), shape.kv_heads, capacity, shape.head_dim);
    let (keys, values) =
        (Tensor::zeros(size, DType::F32, device)?, Tensor::zeros(size, DType::F32, device)?);
    let mut stacked = Vec::with_capacity(order.len());
    for (slot, cache) in members().enumerate() {
        let new =
            DeviceCache { keys: keys.clone(), values: values.clone(), slot, offset: offset(cache) };
        if let Some(Some(old)) = cache.device.get(layer)
            && cache.length() > 0
        {
            let part = |stack: &Tensor| {
                let slot = stack.narrow(0, old.slot, 1)?;
                slot.narrow(2, old.offset, cache.length())?.contiguous()
            };
            new.append(new.offset, &part(&old.keys)?, &part(&old.values)?)?;
        }
        stacked.push(new);
    }
    for (cache, stacked) in order.into_iter().zip(stacked) {
        let place = caches.get_mut(cache).and_then(|cache| cache.device.get_mut(layer));
        *place.ok_or(ModelError::Internal("no such layer"))? = Some(stacked);
    }
    Ok(())
}
