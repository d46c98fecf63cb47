//! The preallocated key/value cache of one sequence, and the plan that says which row of a batch
//! stands where in which cache.
//!
//! Keys are stored after their norm and rotation, values raw: the perturbation of SoftCFG multiplies
//! attention probabilities and never touches what is cached.

use crate::models::decoder::{Perturbation, Prefix, Row};
use crate::models::device::DeviceCache;
use crate::models::error::ModelError;
use crate::models::kernels::storage::AlignedNumbers;

/// The cache of one sequence.
#[derive(Debug)]
pub struct KvCache {
    /// `[layers][keys, values][kv_heads][capacity][head_dim]`: of a layer, all that a head reads
    /// stands in two runs.
    numbers: AlignedNumbers,
    /// In place of the above, layer by layer, once a row on another device than the CPU was
    /// appended.
    pub(crate) device: Vec<Option<DeviceCache>>,
    layers: usize,
    kv_heads: usize,
    head_dim: usize,
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
        layers: usize,
        kv_heads: usize,
        head_dim: usize,
        prefix: Prefix,
        prefix_len: usize,
        image_tokens: usize,
    ) -> Result<Self, ModelError> {
        let capacity = prefix_len.saturating_add(image_tokens);
        let sizes = [2, layers, kv_heads, head_dim];
        let count = sizes.into_iter().fold(capacity, usize::saturating_mul);
        Ok(Self {
            numbers: AlignedNumbers::zeroed(count)?,
            device: (0..layers).map(|_| None).collect(),
            layers,
            kv_heads,
            head_dim,
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
        let image_tokens = self.capacity - self.prefix_len;
        let (prefix, prefix_len) = (self.prefix.clone(), self.prefix_len);
        let mut copy =
            Self::new(self.layers, self.kv_heads, self.head_dim, prefix, prefix_len, image_tokens)?;
        for run in 0..self.layers * 2 * self.kv_heads {
            let start = run * self.capacity * self.head_dim;
            let filled = start..start + self.length * self.head_dim;
            let places = copy.numbers.get_mut(filled.clone()).zip(self.numbers.get(filled));
            if let Some((to, from)) = places {
                to.copy_from_slice(from);
            }
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
        self.kv_heads
    }

    /// Width of a head.
    pub fn head_dim(&self) -> usize {
        self.head_dim
    }

    /// Layers.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Bytes the keys and values take.
    pub fn bytes(&self) -> u64 {
        size_of_val::<[f32]>(&self.numbers) as u64
    }

    /// Keys of `layer` and kv head `head`, `[length, head_dim]`; for tests,
    /// zeros where the cache lies on another device.
    pub fn keys(&self, layer: usize, head: usize) -> &[f32] {
        self.run(Part::Keys, layer, head, self.length).unwrap_or(&[])
    }

    /// Raw values of `layer` and kv head `head`, `[length, head_dim]`; for tests,
    /// zeros where the cache lies on another device.
    pub fn values(&self, layer: usize, head: usize) -> &[f32] {
        self.run(Part::Values, layer, head, self.length).unwrap_or(&[])
    }

    /// Keys and values of `layer` and kv head `head` at the first positions, `[positions,
    /// head_dim]` each; none where there is no such layer, head or position.
    pub(crate) fn visible(
        &self,
        layer: usize,
        head: usize,
        positions: usize,
    ) -> Option<(&[f32], &[f32])> {
        let run = |part| self.run(part, layer, head, positions);
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
        let dim = self.head_dim;
        for (part, heads) in [(Part::Keys, keys), (Part::Values, values)] {
            for (head, numbers) in heads.chunks_exact(dim).enumerate() {
                let place = self
                    .start(part, layer, head, position + 1)
                    .map(|start| start + position * dim)
                    .and_then(|at| self.numbers.get_mut(at..at + dim))
                    .ok_or(ModelError::Internal("a row lies beyond its cache"))?;
                place.copy_from_slice(numbers);
            }
        }
        Ok(())
    }

    fn run(&self, part: Part, layer: usize, head: usize, positions: usize) -> Option<&[f32]> {
        let start = self.start(part, layer, head, positions)?;
        self.numbers.get(start..start + positions * self.head_dim)
    }

    /// Where a head's run starts, if it has as many positions.
    fn start(&self, part: Part, layer: usize, head: usize, positions: usize) -> Option<usize> {
        let fits = layer < self.layers && head < self.kv_heads && positions <= self.capacity;
        let run = (layer * 2 + part as usize) * self.kv_heads + head;
        fits.then(|| run * self.capacity * self.head_dim)
    }

    /// Fills every position with one number: memory that was never written is not really there.
    pub(crate) fn fill(&mut self, number: f32) {
        self.numbers.fill(number);
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
