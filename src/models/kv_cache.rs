//! The preallocated key/value cache of one sequence, and the plan that says which row of a batch
//! stands where in which cache.
//!
//! Keys are stored after their norm and rotation, values raw: the perturbation of SoftCFG multiplies
//! attention probabilities and never touches what is cached.

use crate::models::decoder::{Perturbation, Prefix, Row};
use crate::models::device::DeviceCache;
use crate::models::error::ModelError;

/// Keys and values of one layer, `[kv_heads][capacity][head_dim]` each.
#[derive(Debug, Clone)]
pub struct LayerCache {
    pub(crate) keys: Vec<f32>,
    pub(crate) values: Vec<f32>,
    /// In place of the above once a row on another device than the CPU was appended.
    pub(crate) device: Option<DeviceCache>,
}

impl LayerCache {
    /// Zeros that take no memory until they are written.
    fn new(size: usize) -> Self {
        Self { keys: vec![0.0; size], values: vec![0.0; size], device: None }
    }
}

/// The cache of one sequence.
#[derive(Debug, Clone)]
pub struct KvCache {
    pub(crate) layers: Vec<LayerCache>,
    kv_heads: usize,
    head_dim: usize,
    capacity: usize,
    length: usize,
    prefix: Prefix,
    prefix_len: usize,
}

impl KvCache {
    /// An empty cache with room for `prefix_len + image_tokens` positions.
    pub fn new(
        layers: usize,
        kv_heads: usize,
        head_dim: usize,
        prefix: Prefix,
        prefix_len: usize,
        image_tokens: usize,
    ) -> Self {
        let capacity = prefix_len + image_tokens;
        let size = kv_heads * capacity * head_dim;
        Self {
            layers: (0..layers).map(|_| LayerCache::new(size)).collect(),
            kv_heads,
            head_dim,
            capacity,
            length: 0,
            prefix,
            prefix_len,
        }
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

    /// Bytes the keys and values take.
    pub fn bytes(&self) -> u64 {
        (self.layers.len() * 2 * self.kv_heads * self.capacity * self.head_dim * 4) as u64
    }

    /// Keys of `layer` and kv head `head`, `[length, head_dim]`; for tests,
    /// empty where the cache lies on another device.
    pub fn keys(&self, layer: usize, head: usize) -> &[f32] {
        self.layers.get(layer).map_or(&[], |cache| self.filled(&cache.keys, head))
    }

    /// Raw values of `layer` and kv head `head`, `[length, head_dim]`; for tests,
    /// empty where the cache lies on another device.
    pub fn values(&self, layer: usize, head: usize) -> &[f32] {
        self.layers.get(layer).map_or(&[], |cache| self.filled(&cache.values, head))
    }

    fn filled<'a>(&self, data: &'a [f32], head: usize) -> &'a [f32] {
        let start = head * self.capacity * self.head_dim;
        data.get(start..start + self.length * self.head_dim).unwrap_or(&[])
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
