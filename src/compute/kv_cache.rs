//! The preallocated key/value cache of one sequence, and the plan that says which row of a batch
//! stands where in which cache.
//!
//! Keys are stored after their norm and rotation, values raw: the perturbation of SoftCFG multiplies
//! attention probabilities and never touches what is cached. Both stand in blocks of [`BLOCK`] positions,
//! as attention reads them.

use crate::compute::attention_shape::CacheShape;
use crate::compute::cpu::cache_block::{BLOCK, columns, value_place};
use crate::compute::cpu::storage::{CacheMemory, Numbers};
use crate::compute::error::ModelError;
use crate::compute::gpu::{DeviceCache, DevicePlan};
use crate::compute::rows::{PlannedRow, Prefix, Row};

/// The cache of one sequence.
#[derive(Debug)]
pub struct KvCache {
    /// `[layers][keys, values][blocks][kv_heads]` blocks: of a layer, all that a row reads stands in two
    /// runs. [`crate::compute::cpu::cache_block`] says what a block looks like.
    numbers: CacheMemory,
    /// In place of the above, layer by layer, once a row on another device than the CPU was
    /// appended.
    device: Vec<Option<DeviceCache>>,
    shape: CacheShape,
    capacity: usize,
    length: usize,
    prefix: Prefix,
    prefix_len: usize,
}

/// Keys or values, the place of a run in its layer.
#[derive(Clone, Copy)]
enum Part {
    Keys = 0,
    Values = 1,
}

impl KvCache {
    /// An empty cache with room for `prefix_len + image_tokens` positions.
    ///
    /// # Errors
    /// No memory.
    pub fn new(
        shape: CacheShape,
        prefix: Prefix,
        prefix_len: usize,
        image_tokens: usize,
    ) -> Result<Self, ModelError> {
        let capacity = prefix_len.saturating_add(image_tokens);
        let sizes = [2, shape.layers, shape.kv_heads, shape.head_dim];
        let rounded = capacity.checked_next_multiple_of(shape.value_block).unwrap_or(usize::MAX);
        let count = sizes.into_iter().fold(rounded, usize::saturating_mul);
        Ok(Self {
            numbers: CacheMemory::zeroed(count, shape.number)?,
            device: (0..shape.layers).map(|_| None).collect(),
            shape,
            capacity,
            length: 0,
            prefix,
            prefix_len,
        })
    }

    /// A copy with numbers of its own; only what is filled is copied.
    ///
    /// # Errors
    /// No memory.
    pub fn copy(&self) -> Result<Self, ModelError> {
        self.copy_first(usize::MAX)
    }

    /// [`Self::copy`] without all image tokens but the first ones.
    ///
    /// # Errors
    /// No memory.
    pub fn copy_first(&self, image_tokens: usize) -> Result<Self, ModelError> {
        let length = self.length.min(self.prefix_len.saturating_add(image_tokens));
        let CacheShape { layers, kv_heads, head_dim, .. } = self.shape;
        let room = self.capacity - self.prefix_len;
        let mut copy = Self::new(self.shape, self.prefix.clone(), self.prefix_len, room)?;
        let filled = length.next_multiple_of(self.shape.value_block) * kv_heads * head_dim;
        for run in 0..layers * 2 {
            copy.numbers
                .copy_from(&self.numbers, run * self.run_length(), filled)
                .ok_or(ModelError::Internal("a copy of a cache is smaller than the cache"))?;
        }
        for (to, from) in copy.device.iter_mut().zip(&self.device) {
            *to = from.as_ref().map(DeviceCache::copy).transpose()?;
        }
        copy.length = length;
        Ok(copy)
    }

    /// What stands before the image tokens.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Positions that the prefix takes.
    pub fn prefix_len(&self) -> usize {
        self.prefix_len
    }

    /// Positions filled so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Positions there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Key/value heads.
    pub fn kv_heads(&self) -> usize {
        self.shape.kv_heads
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.shape.head_dim
    }

    /// Layers.
    pub fn layers(&self) -> usize {
        self.shape.layers
    }

    /// Bytes of the keys and values of the positions filled so far.
    pub fn filled_bytes(&self) -> u64 {
        let CacheShape { layers, kv_heads, head_dim, number, .. } = self.shape;
        (2 * layers * kv_heads * head_dim * self.length * number.bytes()) as u64
    }

    /// Whether keys and values lie on another device than the CPU.
    pub fn is_on_device(&self) -> bool {
        self.device.iter().any(Option::is_some)
    }

    /// Keys and values of `layer` on another device, once a row was appended there.
    pub fn device_layer(&self, layer: usize) -> Option<&DeviceCache> {
        self.device.get(layer)?.as_ref()
    }

    /// Puts the keys and values of `layer` on another device.
    ///
    /// # Errors
    /// No such layer.
    pub(crate) fn set_device_layer(
        &mut self,
        layer: usize,
        cache: DeviceCache,
    ) -> Result<(), ModelError> {
        *self.device.get_mut(layer).ok_or(ModelError::Internal("no such layer"))? = Some(cache);
        Ok(())
    }

    /// Keys and values of `layer` in all blocks that the first positions stand in, as attention reads
    /// them; none where there is no such layer or position.
    pub fn visible(&self, layer: usize, positions: usize) -> Option<(Numbers<'_>, Numbers<'_>)> {
        let run = |part| self.run(part, layer, positions);
        run(Part::Keys).zip(run(Part::Values))
    }

    /// Writes the keys and values of all kv heads, `[kv_heads * head_dim]` each, at `position`.
    ///
    /// # Errors
    /// No such layer or position, or rows of another width.
    pub(crate) fn write(
        &mut self,
        layer: usize,
        position: usize,
        keys: &[f32],
        values: &[f32],
    ) -> Result<(), ModelError> {
        let (dim, value_block) = (self.shape.head_dim, self.shape.value_block);
        let all_columns = columns(dim);
        let beyond = ModelError::Internal("a row lies beyond its cache");
        let heads = keys.chunks_exact(dim).zip(values.chunks_exact(dim)).enumerate();
        let mut written = heads.map(|(head, (keys, values))| {
            let start = self.start(Part::Keys, layer, position + 1)?;
            let start = start + self.block(Part::Keys, position, head);
            self.numbers.write_apart(start + position % BLOCK, BLOCK, keys)?;
            let start = self.start(Part::Values, layer, position + 1)?;
            let start = start + self.block(Part::Values, position, head);
            all_columns.clone().try_for_each(|columns| {
                let place = start + value_place(position, value_block, &columns);
                self.numbers.write(place, values.get(columns)?)
            })
        });
        written.all(|written| written.is_some()).then_some(()).ok_or(beyond)
    }

    /// Numbers of a run.
    fn run_length(&self) -> usize {
        let CacheShape { kv_heads, head_dim, value_block, .. } = self.shape;
        self.capacity.next_multiple_of(value_block) * kv_heads * head_dim
    }

    /// Positions of a block of values.
    pub fn value_block(&self) -> usize {
        self.shape.value_block
    }

    /// Positions of a block.
    fn block_length(&self, part: Part) -> usize {
        match part {
            Part::Keys => BLOCK,
            Part::Values => self.shape.value_block,
        }
    }

    /// Where in a run the block of a head stands that has `position`.
    fn block(&self, part: Part, position: usize, head: usize) -> usize {
        let length = self.block_length(part);
        (position / length * self.shape.kv_heads + head) * length * self.shape.head_dim
    }

    fn run(&self, part: Part, layer: usize, positions: usize) -> Option<Numbers<'_>> {
        let start = self.start(part, layer, positions)?;
        let stored = positions.next_multiple_of(self.block_length(part));
        self.numbers.get(start, stored * self.shape.kv_heads * self.shape.head_dim)
    }

    /// Where a run starts, if it has as many positions.
    fn start(&self, part: Part, layer: usize, positions: usize) -> Option<usize> {
        let fits = layer < self.shape.layers && positions <= self.capacity;
        fits.then(|| (layer * 2 + part as usize) * self.run_length())
    }

    /// Fills every position with one number.
    pub(crate) fn fill(&mut self, number: f32) {
        let run = vec![number; self.run_length()];
        for index in 0..self.shape.layers * 2 {
            let _ = self.numbers.write(index * run.len(), &run);
        }
    }

    /// Forgets all image tokens but the first ones. Nothing is written: what is appended next takes
    /// their places.
    pub fn truncate(&mut self, image_tokens: usize) {
        self.length = self.length.min(self.prefix_len.saturating_add(image_tokens));
    }

    pub(crate) fn set_length(&mut self, length: usize) {
        self.length = length;
    }
}

/// Positions of all rows of a batch, checked against their caches.
#[derive(Debug, Clone)]
pub struct BatchPlan<'a> {
    /// One entry per row.
    pub rows: Vec<PlannedRow<'a>>,
    pub(crate) device: DevicePlan,
}

impl<'a> BatchPlan<'a> {
    /// Places the rows after what their caches hold.
    ///
    /// # Errors
    /// A row names a cache that does not exist or is full, a row that only reads comes before
    /// anything was appended, or its weights do not cover the image tokens it sees.
    pub fn new(rows: &[Row<'a>], caches: &[KvCache]) -> Result<Self, ModelError> {
        let mut lengths: Vec<usize> = caches.iter().map(KvCache::length).collect();
        let mut planned = Vec::with_capacity(rows.len());
        for row in rows {
            let (cache, length) = caches
                .get(row.cache)
                .zip(lengths.get_mut(row.cache))
                .ok_or(ModelError::Internal("a row names a cache that does not exist"))?;
            if row.append {
                if *length >= cache.capacity {
                    return Err(ModelError::Internal("a cache is full"));
                }
                *length += 1;
            }
            let position =
                length.checked_sub(1).ok_or(ModelError::Internal("a row reads an empty cache"))?;
            let image_tokens = (position + 1).saturating_sub(cache.prefix_len);
            if row.perturbation.is_some_and(|p| p.weights.len() != image_tokens) {
                return Err(ModelError::Internal("one weight per visible image token is needed"));
            }
            planned.push(PlannedRow {
                cache: row.cache,
                position,
                append: row.append,
                first_image: cache.prefix_len,
                perturbation: row.perturbation,
            });
        }
        Ok(Self::of(planned))
    }

    /// A plan of rows that were placed; attention checks them against its caches.
    pub fn of(rows: Vec<PlannedRow<'a>>) -> Self {
        Self { rows, device: DevicePlan::default() }
    }

    /// Marks the appended positions as filled, after the last layer.
    pub fn commit(&self, caches: &mut [KvCache]) {
        for row in self.rows.iter().filter(|row| row.append) {
            if let Some(cache) = caches.get_mut(row.cache) {
                cache.set_length(row.position + 1);
            }
        }
    }

    /// Positions of the rows, for rotary and positional tables.
    pub fn positions(&self) -> Vec<usize> {
        self.rows.iter().map(|row| row.position).collect()
    }
}
