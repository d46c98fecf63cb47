//! The preallocated key/value cache of one sequence, and the plan that says which row of a batch
//! stands where in which cache.
//!
//! Keys are stored after their norm and rotation, values raw: the perturbation of SoftCFG multiplies
//! attention probabilities and never touches what is cached. Both stand in blocks of [`BLOCK`] positions,
//! as attention reads them.

use crate::models::decoder::{Perturbation, Prefix, Row};
use crate::models::device::DeviceCache;
use crate::models::error::ModelError;
use crate::models::kernels::attention::BLOCK;
use crate::models::kernels::storage::{CacheMemory, Numbers};

pub use crate::models::kernels::storage::ActivationNumber;

/// What a decoder's caches look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers.
    pub layers: usize,
    /// Key/value heads of a layer.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// How keys and values are stored in this machine's memory; f32 on other devices.
    pub number: ActivationNumber,
}

/// The cache of one sequence.
#[derive(Debug)]
pub struct KvCache {
    /// `[layers][keys, values][blocks][kv_heads]` blocks: of a layer, all that a row reads stands in two
    /// runs. A head's block of values is `[BLOCK][head_dim]`. One of keys is `[head_dim][BLOCK]` when it
    /// is full, and until then as one of values: else every key would be written to as many cache lines
    /// as a head has channels.
    numbers: CacheMemory,
    /// Positions that each layer has: the block that the next one belongs to is open.
    written: Vec<usize>,
    /// In place of the above, layer by layer, once a row on another device than the CPU was
    /// appended.
    pub(crate) device: Vec<Option<DeviceCache>>,
    shape: CacheShape,
    capacity: usize,
    length: usize,
    prefix: Prefix,
    prefix_len: usize,
}

/// What a row reads of a layer: all blocks that its positions stand in.
pub(crate) struct Visible<'a> {
    /// `[blocks][kv_heads]` blocks.
    pub(crate) keys: Numbers<'a>,
    /// The same.
    pub(crate) values: Numbers<'a>,
    /// Whether keys of the last block stand position by position.
    pub(crate) open: bool,
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
        let rounded = capacity.checked_next_multiple_of(BLOCK).unwrap_or(usize::MAX);
        let count = sizes.into_iter().fold(rounded, usize::saturating_mul);
        Ok(Self {
            numbers: CacheMemory::zeroed(count, shape.number)?,
            written: vec![0; shape.layers],
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
        let CacheShape { layers, kv_heads, head_dim, .. } = self.shape;
        let image_tokens = self.capacity - self.prefix_len;
        let mut copy = Self::new(self.shape, self.prefix.clone(), self.prefix_len, image_tokens)?;
        let positions = self.length.next_multiple_of(BLOCK);
        let filled = positions * kv_heads * head_dim;
        for run in 0..layers * 2 {
            copy.numbers
                .copy_from(&self.numbers, run * self.run_length(), filled)
                .ok_or(ModelError::Internal("a copy of a cache is smaller than the cache"))?;
        }
        for (to, from) in copy.written.iter_mut().zip(&self.written) {
            *to = positions.min(*from);
        }
        for (to, from) in copy.device.iter_mut().zip(&self.device) {
            *to = from.as_ref().map(DeviceCache::copy).transpose()?;
        }
        copy.length = self.length;
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
        let CacheShape { layers, kv_heads, head_dim, number } = self.shape;
        (2 * layers * kv_heads * head_dim * self.length * number.bytes()) as u64
    }

    /// Keys of `layer` and kv head `head`, `[length, head_dim]`; for tests,
    /// zeros where the cache lies on another device.
    pub fn keys(&self, layer: usize, head: usize) -> Vec<f32> {
        let at = |position, channel| {
            let place = position % BLOCK;
            if self.is_open(layer, position / BLOCK) {
                place * self.shape.head_dim + channel
            } else {
                channel * BLOCK + place
            }
        };
        self.of_head(Part::Keys, layer, head, at)
    }

    /// Raw values of `layer` and kv head `head`, `[length, head_dim]`; for tests,
    /// zeros where the cache lies on another device.
    pub fn values(&self, layer: usize, head: usize) -> Vec<f32> {
        let at = |position, channel| position % BLOCK * self.shape.head_dim + channel;
        self.of_head(Part::Values, layer, head, at)
    }

    /// Position after position, where `at` tells a number's place in its block.
    fn of_head(
        &self,
        part: Part,
        layer: usize,
        head: usize,
        at: impl Fn(usize, usize) -> usize,
    ) -> Vec<f32> {
        let Some(run) = self.run(part, layer, self.length) else { return Vec::new() };
        let (run, dim) = (run.to_f32(), self.shape.head_dim);
        let number = |i: usize| {
            let (position, channel) = (i / dim, i % dim);
            run.get(self.block(position, head) + at(position, channel)).copied()
        };
        (0..self.length * dim).map_while(number).collect()
    }

    /// Keys and values of `layer` in all blocks that the first positions stand in, as attention reads
    /// them; none where there is no such layer or position.
    pub(crate) fn visible(&self, layer: usize, positions: usize) -> Option<Visible<'_>> {
        let run = |part| self.run(part, layer, positions);
        let open = !positions.is_multiple_of(BLOCK) && self.is_open(layer, positions / BLOCK);
        Some(Visible { keys: run(Part::Keys)?, values: run(Part::Values)?, open })
    }

    /// Whether the keys of a block stand position by position.
    fn is_open(&self, layer: usize, block: usize) -> bool {
        self.written.get(layer).is_none_or(|written| written / BLOCK <= block)
    }

    /// Writes the keys and values of all kv heads, `[kv_heads * head_dim]` each, at `position`. The layer
    /// has then all positions up to this one, and forgets those behind it.
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
        let (dim, place) = (self.shape.head_dim, position % BLOCK);
        let beyond = ModelError::Internal("a row lies beyond its cache");
        let heads = keys.chunks_exact(dim).zip(values.chunks_exact(dim)).enumerate();
        let reopened = place > 0 && !self.is_open(layer, position / BLOCK);
        let fills = place + 1 == BLOCK;
        let mut written = heads.map(|(head, (keys, values))| {
            let block = self.block(position, head);
            let start = self.start(Part::Keys, layer, position + 1)? + block;
            if reopened {
                self.numbers.transpose(start, dim, BLOCK)?;
            }
            self.numbers.write(start + place * dim, keys)?;
            if fills {
                self.numbers.transpose(start, BLOCK, dim)?;
            }
            let start = self.start(Part::Values, layer, position + 1)? + block;
            self.numbers.write(start + place * dim, values)
        });
        if !written.all(|written| written.is_some()) {
            return Err(beyond);
        }
        if let Some(written) = self.written.get_mut(layer) {
            *written = position + 1;
        }
        Ok(())
    }

    /// Numbers of a run.
    fn run_length(&self) -> usize {
        self.capacity.next_multiple_of(BLOCK) * self.shape.kv_heads * self.shape.head_dim
    }

    /// Where in a run the block of a head stands that has `position`.
    fn block(&self, position: usize, head: usize) -> usize {
        (position / BLOCK * self.shape.kv_heads + head) * BLOCK * self.shape.head_dim
    }

    fn run(&self, part: Part, layer: usize, positions: usize) -> Option<Numbers<'_>> {
        let start = self.start(part, layer, positions)?;
        let stored = positions.next_multiple_of(BLOCK);
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

    /// Forgets the image tokens.
    pub(crate) fn rewind(&mut self) {
        self.length = self.length.min(self.prefix_len);
    }

    pub(crate) fn set_length(&mut self, length: usize) {
        self.length = length;
    }
}

/// Where one row of a batch stands.
#[derive(Debug, Clone, Copy)]
pub struct PlannedRow<'a> {
    /// Index of its cache.
    pub cache: usize,
    /// Its position in the sequence, prefix included.
    pub position: usize,
    /// Whether its keys and values are written at `position`.
    pub append: bool,
    /// Position of the first image token: weights start there.
    pub first_image: usize,
    /// Factors on the image positions.
    pub perturbation: Option<Perturbation<'a>>,
}

impl PlannedRow<'_> {
    /// Positions the row attends to: everything up to itself.
    pub fn visible(&self) -> usize {
        self.position + 1
    }
}

/// Positions of all rows of a batch, checked against their caches.
#[derive(Debug, Clone)]
pub struct BatchPlan<'a> {
    /// One entry per row.
    pub rows: Vec<PlannedRow<'a>>,
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
        Ok(Self { rows: planned })
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

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: CacheShape =
        CacheShape { layers: 2, kv_heads: 3, head_dim: 5, number: ActivationNumber::F32 };

    /// A key and a value of all heads that no other position and layer has.
    fn written(layer: usize, position: usize, round: usize) -> (Vec<f32>, Vec<f32>) {
        let first = (layer * 100 + position * 1000 + round * 100_000) as f32;
        let keys: Vec<f32> = (0..15).map(|i| first + i as f32).collect();
        let values = keys.iter().map(|key| -key).collect();
        (keys, values)
    }

    fn write(cache: &mut KvCache, positions: std::ops::Range<usize>, round: usize) {
        for position in positions {
            for layer in 0..2 {
                let (keys, values) = written(layer, position, round);
                cache.write(layer, position, &keys, &values).unwrap();
            }
            cache.set_length(position + 1);
        }
    }

    /// `rounds` has the round in which each position was written last.
    fn check(cache: &KvCache, rounds: &[usize]) {
        assert_eq!(cache.length(), rounds.len());
        for (layer, head) in [(0, 0), (0, 2), (1, 1)] {
            let rows = |of_values: bool| -> Vec<f32> {
                let positions = rounds.iter().enumerate().map(|(i, &round)| (i, round));
                let row = |(i, round)| {
                    let (keys, values) = written(layer, i, round);
                    if of_values { values } else { keys }
                };
                positions.map(row).flat_map(|row| row[head * 5..][..5].to_vec()).collect()
            };
            assert_eq!(cache.keys(layer, head), rows(false));
            assert_eq!(cache.values(layer, head), rows(true));
        }
    }

    #[test]
    fn keys_are_found_again_in_full_and_in_open_blocks_and_after_a_rewind() {
        let mut cache = KvCache::new(SHAPE, Prefix::Class(0), 21, 30).unwrap();
        for end in [1, 15, 16, 17, 40, 48, 51] {
            let begin = cache.length();
            write(&mut cache, begin..end, 0);
            check(&cache, &vec![0; end]);
            assert_eq!(cache.visible(0, end).unwrap().open, end % BLOCK > 0);
            // A full block stays full for rows that see a part of it.
            assert!(end < 16 || !cache.visible(0, 7).unwrap().open);
            check(&cache.copy().unwrap(), &vec![0; end]);
        }
        cache.rewind();
        check(&cache, &[0; 21]);
        let mut copy = cache.copy().unwrap();
        check(&copy, &[0; 21]);
        for cache in [&mut cache, &mut copy] {
            write(cache, 21..34, 1);
            check(cache, &[vec![0; 21], vec![1; 13]].concat());
        }
        cache.rewind();
        write(&mut cache, 21..32, 2);
        check(&cache, &[vec![0; 21], vec![2; 11]].concat());
        assert!(cache.write(0, 51, &[0.0; 15], &[0.0; 15]).is_err(), "beyond the capacity");
        assert!(cache.write(2, 32, &[0.0; 15], &[0.0; 15]).is_err(), "no such layer");
    }
}
