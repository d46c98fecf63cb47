//! Keys and values on a device. Sequences that are decoded together lie in one tensor, so that one
//! operation appends to all of them or reads all of them.

use crate::compute::error::ModelError;
use candle_core::{DType, Device, Tensor};

/// Keys and values of one sequence and layer: a slot of a stack `[slots, kv_heads, capacity, head_dim]`.
///
/// All sequences of a stack have their image at the same places. One with a shorter prefix than another
/// leaves places free before it.
#[derive(Debug)]
pub struct DeviceCache {
    keys: Tensor,
    values: Tensor,
    slot: usize,
    /// Places before the first position.
    offset: usize,
}

impl DeviceCache {
    /// Empty caches of as many sequences as there are `offsets`, in one stack.
    ///
    /// # Errors
    /// The device has no memory left.
    pub(super) fn stacked(
        offsets: &[usize],
        (kv_heads, capacity, head_dim): (usize, usize, usize),
        device: &Device,
    ) -> Result<Vec<Self>, ModelError> {
        let size = (offsets.len(), kv_heads, capacity, head_dim);
        let (keys, values) =
            (Tensor::zeros(size, DType::F32, device)?, Tensor::zeros(size, DType::F32, device)?);
        let cache =
            |(slot, &offset)| Self { keys: keys.clone(), values: values.clone(), slot, offset };
        Ok(offsets.iter().enumerate().map(cache).collect())
    }

    /// Whether both lie in one stack.
    pub(super) fn is_stacked_with(&self, other: &Self) -> bool {
        self.keys.id() == other.keys.id()
    }

    /// Writes the first `length` positions of another cache.
    pub(super) fn write_first(&self, from: &Self, length: usize) -> Result<(), ModelError> {
        let (keys, values) = from.first_places(1, from.offset + length)?;
        let part = |stack: Tensor| stack.narrow(2, from.offset, length)?.contiguous();
        self.append(self.offset, &part(keys)?, &part(values)?)
    }

    /// A copy of the numbers, in a stack of its own: a cloned tensor would share them with the original.
    ///
    /// # Errors
    /// The device has no memory left.
    pub(crate) fn copy(&self) -> Result<Self, ModelError> {
        let copy = |stack: &Tensor| stack.narrow(0, self.slot, 1)?.force_contiguous();
        let (keys, values) = (copy(&self.keys)?, copy(&self.values)?);
        Ok(Self { keys, values, slot: 0, offset: self.offset })
    }

    /// Its place in the stack.
    pub(super) fn slot(&self) -> usize {
        self.slot
    }

    /// Places before the first position.
    pub fn offset(&self) -> usize {
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
    pub fn first_places(&self, rows: usize, places: usize) -> Result<(Tensor, Tensor), ModelError> {
        let part = |stack: &Tensor| stack.narrow(0, self.slot, rows)?.narrow(2, 0, places);
        Ok((part(&self.keys)?, part(&self.values)?))
    }
}
