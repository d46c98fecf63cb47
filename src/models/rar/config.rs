//! Sizes of RAR decoders, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::{ModelError, require};
use crate::compute::layout::TokenLayout;
use serde::Deserialize;

/// Rows of the positional tables beyond the image tokens.
const SPARE_POSITIONS: usize = 1024;
/// Rows of the timestep table beyond the image tokens.
const SPARE_TIMESTEPS: usize = 100;

/// Sizes of a RAR decoder; from a `config.json` or from the shapes of a checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RarConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Inner width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Number of codes.
    pub codebook_size: usize,
    /// Number of classes, the null class not counted.
    pub condition_num_classes: usize,
    /// T, the number of image tokens: a square grid.
    pub image_seq_len: usize,
    /// ε of every norm.
    #[serde(default = "norm_eps")]
    pub layer_norm_eps: f64,
}

fn norm_eps() -> f64 {
    1e-6
}

impl RarConfig {
    /// Sizes from the shapes of a checkpoint. ε is that of a `config.json` of the same sizes beside it,
    /// else that of the published models: a folder of downloads may hold another model's `config.json`.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes, beside: &FolderConfig) -> Result<Self, ModelError> {
        let [codebook_size, hidden_size] = shapes.axes("lm_head.weight")?;
        let [entries, _] = shapes.axes::<2>("embeddings.weight")?;
        let [_, positions, _] = shapes.axes::<3>("pos_embed")?;
        let [intermediate_size, _] = shapes.axes::<2>("blocks.0.mlp.fc1.weight")?;
        let [head_dim] = shapes.axes("blocks.0.attn.q_norm.weight")?;
        let config = Self {
            hidden_size,
            num_hidden_layers: shapes.count("blocks.", ".attn.qkv.weight"),
            head_dim,
            intermediate_size,
            codebook_size,
            condition_num_classes: entries.saturating_sub(codebook_size + 2),
            image_seq_len: positions.saturating_sub(SPARE_POSITIONS),
            layer_norm_eps: norm_eps(),
        };
        let stated = beside.stated::<Self>(|stated| {
            *stated == Self { layer_norm_eps: stated.layer_norm_eps, ..config.clone() }
        })?;
        let config = stated.unwrap_or(config);
        config.check()?;
        Ok(config)
    }

    /// Whether the sizes fit each other.
    ///
    /// # Errors
    /// They do not; the message says which.
    pub fn check(&self) -> Result<(), ModelError> {
        let sizes =
            [self.hidden_size, self.num_hidden_layers, self.head_dim, self.intermediate_size];
        let counts = [self.codebook_size, self.condition_num_classes, self.image_seq_len];
        require(!sizes.contains(&0) && !counts.contains(&0), || "a size is 0".to_string())?;
        require(self.hidden_size.is_multiple_of(self.head_dim), || {
            format!("width {} is no multiple of head_dim {}", self.hidden_size, self.head_dim)
        })?;
        require(self.grid() * self.grid() == self.image_seq_len, || {
            format!("{} image tokens are no square grid", self.image_seq_len)
        })
    }

    /// Heads: every query head has keys and values of its own.
    pub fn attention(&self) -> AttentionShape {
        let heads = self.hidden_size / self.head_dim;
        AttentionShape { heads, kv_heads: heads, head_dim: self.head_dim }
    }

    /// Rows of the embedding table: the codes, one reserved, the classes and the null class.
    pub fn entries(&self) -> usize {
        self.codebook_size + self.condition_num_classes + 2
    }

    /// Rows of the positional tables.
    pub(super) fn positions(&self) -> usize {
        self.image_seq_len + SPARE_POSITIONS
    }

    /// Rows of the timestep table.
    pub(super) fn timesteps(&self) -> usize {
        self.image_seq_len + SPARE_TIMESTEPS
    }

    /// Side of the token grid.
    pub fn grid(&self) -> usize {
        self.image_seq_len.isqrt()
    }

    /// Which step draws which cell.
    pub fn layout(&self) -> TokenLayout {
        TokenLayout::raster(self.grid(), self.grid())
    }

    /// Weights, in numbers.
    pub fn parameters(&self) -> u64 {
        let (width, hidden) = (self.hidden_size as u64, self.intermediate_size as u64);
        let (codes, classes) = (self.codebook_size as u64, self.condition_num_classes as u64);
        let (positions, timesteps) = (self.positions() as u64, self.timesteps() as u64);
        let attention = 4 * width * width + 4 * width + 4 * self.head_dim as u64;
        let feed_forward = 2 * width * hidden + hidden + width;
        let block = 4 * width + attention + feed_forward + 6 * width * (width + 1);
        (1 + 2 * positions + timesteps + codes + classes + 2) * width
            + self.num_hidden_layers as u64 * block
            + 2 * width * (width + 1)
            + codes * (width + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(hidden_size: usize, layers: usize, intermediate_size: usize) -> RarConfig {
        RarConfig {
            hidden_size,
            num_hidden_layers: layers,
            head_dim: hidden_size / 16,
            intermediate_size,
            codebook_size: 1024,
            condition_num_classes: 1000,
            image_seq_len: 256,
            layer_norm_eps: 1e-6,
        }
    }

    #[test]
    fn parameter_counts_are_the_published_ones() {
        assert_eq!(published(768, 24, 3072).parameters(), 260_923_648);
        assert_eq!(published(1024, 24, 4096).parameters(), 461_668_352);
        assert_eq!(published(1280, 32, 5120).parameters(), 955_425_024);
        assert_eq!(published(1408, 40, 6144).parameters(), 1_498_520_704);
    }
}
