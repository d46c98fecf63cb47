//! Sizes of AliTok decoders, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::{ModelError, require};
use crate::compute::layout::TokenLayout;
use crate::compute::rotary::RotaryTable;
use crate::compute::row_ops::Pairing;
use serde::Deserialize;

/// Sizes of an AliTok decoder; from a `config.json` or from the shapes of a checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AlitokConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Inner width of the feed-forward layers.
    pub ffn_hidden: usize,
    /// Number of codes.
    pub codebook_size: usize,
    /// Number of classes, the null class not counted.
    pub condition_num_classes: usize,
    /// Tokens of the whole image that come before the grid.
    #[serde(default = "prefix_tokens")]
    pub num_prefix_tokens: usize,
    /// Side of the token grid.
    #[serde(default = "grid")]
    pub grid: usize,
    /// ε of every norm.
    #[serde(default = "norm_eps")]
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    #[serde(default = "rope_base")]
    pub rope_base: f64,
}

/// Largest side of a grid, and most prefix tokens, that a `config.json` may state.
const MAX_GRID: usize = 256;

fn prefix_tokens() -> usize {
    17
}

fn grid() -> usize {
    16
}

fn norm_eps() -> f64 {
    1e-5
}

fn rope_base() -> f64 {
    10_000.0
}

impl AlitokConfig {
    /// Sizes from the shapes of a checkpoint. What no tensor tells (grid, prefix tokens, ε, rotation)
    /// is that of a `config.json` of the same sizes beside it, else that of the published models: a
    /// folder of downloads may hold another model's `config.json`.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes, beside: &FolderConfig) -> Result<Self, ModelError> {
        let [codebook_size, hidden_size] = shapes.axes("output.weight")?;
        let [entries, _] = shapes.axes::<2>("embeddings.weight")?;
        let [ffn_hidden, _] = shapes.axes::<2>("blocks.0.mlp.w1.weight")?;
        let [head_dim] = shapes.axes("blocks.0.attn.q_norm.weight")?;
        let config = Self {
            hidden_size,
            num_hidden_layers: shapes.count("blocks.", ".attn.qkv.weight"),
            head_dim,
            ffn_hidden,
            codebook_size,
            condition_num_classes: entries.saturating_sub(codebook_size + 2),
            num_prefix_tokens: prefix_tokens(),
            grid: grid(),
            rms_norm_eps: norm_eps(),
            rope_base: rope_base(),
        };
        let stated = beside.stated::<Self>(|stated| {
            let Self { num_prefix_tokens, grid, rms_norm_eps, rope_base, .. } = *stated;
            *stated == Self { num_prefix_tokens, grid, rms_norm_eps, rope_base, ..config.clone() }
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
        let sizes = [self.hidden_size, self.num_hidden_layers, self.head_dim, self.ffn_hidden];
        let counts = [self.codebook_size, self.condition_num_classes, self.grid];
        require(!sizes.contains(&0) && !counts.contains(&0), || "a size is 0".to_string())?;
        require(self.grid <= MAX_GRID && self.num_prefix_tokens <= MAX_GRID, || {
            format!("{} prefix tokens before a grid of side {}", self.num_prefix_tokens, self.grid)
        })?;
        require(self.hidden_size.is_multiple_of(self.head_dim), || {
            format!("width {} is no multiple of head_dim {}", self.hidden_size, self.head_dim)
        })?;
        require(self.head_dim.is_multiple_of(4), || {
            format!("head_dim {} is no multiple of 4, which 2-D rotation needs", self.head_dim)
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

    /// Image tokens of a run.
    pub fn image_tokens(&self) -> usize {
        self.num_prefix_tokens + self.grid * self.grid
    }

    /// Which step draws which cell.
    pub fn layout(&self) -> TokenLayout {
        TokenLayout::with_prefix(self.num_prefix_tokens, self.grid, self.grid)
    }

    /// Weights, in numbers.
    pub fn parameters(&self) -> u64 {
        let (width, hidden) = (self.hidden_size as u64, self.ffn_hidden as u64);
        let (codes, classes) = (self.codebook_size as u64, self.condition_num_classes as u64);
        let attention = 4 * width * width + 4 * width + 2 * self.head_dim as u64;
        let block = 2 * width + attention + 3 * width * hidden;
        (codes + classes + 2) * width
            + self.num_hidden_layers as u64 * block
            + width
            + codes * (width + 1)
    }

    /// Rotary table over all positions: class, prefix tokens, grid.
    pub(super) fn rotary(&self) -> RotaryTable {
        let (prefix, grid, base) = (self.num_prefix_tokens, self.grid, self.rope_base);
        let width = self.head_dim as f64;
        let half = self.head_dim / 4;
        let positions = 1 + prefix + grid * grid;
        RotaryTable::from_angles(
            positions,
            self.head_dim,
            Pairing::Interleaved,
            |position, pair| {
                let token = position.checked_sub(1)?;
                let Some(cell) = token.checked_sub(prefix) else {
                    return Some(token as f64 * base.powf(-2.0 * pair as f64 / width));
                };
                let place = if pair < half { cell / grid } else { cell % grid };
                let frequency = base.powf(-4.0 * (pair % half) as f64 / width);
                Some((prefix + place) as f64 * frequency)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(hidden_size: usize, layers: usize, ffn_hidden: usize) -> AlitokConfig {
        AlitokConfig {
            hidden_size,
            num_hidden_layers: layers,
            head_dim: hidden_size / 16,
            ffn_hidden,
            codebook_size: 4096,
            condition_num_classes: 1000,
            num_prefix_tokens: 17,
            grid: 16,
            rms_norm_eps: 1e-5,
            rope_base: 10_000.0,
        }
    }

    #[test]
    fn parameter_counts_are_the_published_ones() {
        assert_eq!(published(768, 24, 2048).parameters(), 177_048_064);
        assert_eq!(published(1024, 24, 2816).parameters(), 317_851_648);
        assert_eq!(published(1280, 32, 3584).parameters(), 662_141_696);
    }

    #[test]
    fn class_position_has_no_rotation_and_the_grid_turns_by_row_then_column() {
        let table = published(768, 24, 2048).rotary();
        assert_eq!(table.positions(), 274);
        let (cos, sin) = table.at(0);
        assert!(cos.iter().chain(sin).all(|&x| x == 0.0));
        let (cos, _) = table.at(1);
        assert!(cos.iter().all(|&x| x == 1.0));
        // Row 2, column 5: the first pair of each half has frequency 1.
        let (cos, _) = table.at(1 + 17 + 2 * 16 + 5);
        assert!((f64::from(cos[0]) - 19f64.cos()).abs() < 1e-6);
        assert!((f64::from(cos[12]) - 22f64.cos()).abs() < 1e-6);
    }
}
