//! Sizes of attention layers and of the caches that they read.

use crate::compute::cpu::cache_block::value_block;
use crate::compute::error::ModelError;
use crate::compute::precision::ActivationNumber;

/// Head layout of an attention layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key/value heads; query head h reads kv head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
}

impl AttentionShape {
    /// Heads over a width: one key/value head for every query head and equal shares of the width, unless
    /// a number says otherwise.
    ///
    /// # Errors
    /// Heads that do not divide the width where nothing tells theirs.
    pub(crate) fn of_width(
        width: usize,
        heads: usize,
        kv_heads: Option<usize>,
        head_dim: Option<usize>,
    ) -> Result<Self, ModelError> {
        let share = width.checked_div(heads).filter(|_| width.is_multiple_of(heads));
        let head_dim = head_dim.or(share).ok_or_else(|| {
            ModelError::Config(format!("hidden_size {width} is no multiple of {heads} heads"))
        })?;
        Ok(Self { heads, kv_heads: kv_heads.unwrap_or(heads), head_dim })
    }

    /// Caches of `layers` such layers.
    pub fn cache(&self, layers: usize, number: ActivationNumber) -> CacheShape {
        let Self { heads, kv_heads, head_dim } = *self;
        // Heads that form no groups are refused where they attend.
        let value_block = value_block(heads.checked_div(kv_heads).unwrap_or(1));
        CacheShape { layers, kv_heads, head_dim, value_block, number }
    }

    pub(crate) fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }

    /// Query heads that share a key/value head.
    pub(crate) fn group(&self) -> usize {
        self.heads / self.kv_heads
    }
}

/// What a decoder's caches look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheShape {
    /// Layers.
    pub layers: usize,
    /// Key/value heads of a layer.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Positions of a block of values, whole blocks of keys; only a matter of speed.
    pub(crate) value_block: usize,
    /// How keys and values are stored in this machine's memory; f32 on other devices.
    pub number: ActivationNumber,
}
