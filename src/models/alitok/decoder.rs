//! AliTok's autoregressive decoder (class-conditional, 17 prefix tokens and a 16×16 grid).
//!
//! One class position, then image tokens; pre-norm blocks with RMS norms, queries and keys
//! normalised per head before rotation, SwiGLU feed-forward layers. Rotation: the class position has
//! cos = sin = 0, so its query and key are zero vectors; the prefix tokens have 1-D angles 0..16; the
//! token of row r, column c turns half its pairs by 17 + r and the other half by 17 + c.
//!
//! Verified on miniatures with random weights: logits of every recorded step, hidden states and caches
//! (`tests/golden_alitok.rs`), and the parameter counts of the three published sizes. The authors' own
//! files were not available: their names and shapes follow from the authors' program.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::attention::{AttentionShape, attend};
use crate::compute::error::ModelError;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::layers::{SwiGlu, requested_rows, split_packed, to_logits};
use crate::compute::layout::TokenLayout;
use crate::compute::linear::Linear;
use crate::compute::norm::Norm;
use crate::compute::precision::ActivationNumber;
use crate::compute::rotary::{Pairing, RotaryTable};
use crate::compute::rows::{Logits, Prefix, Row, RowInput};
use crate::compute::weights::{Embedding, Weights};
use crate::models::class_ids::{ClassIds, require};
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::prompts::condition::{Condition, Prefixes};
use candle_core::{Device, Tensor};
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
    /// Sizes from the shapes of a checkpoint; grid and prefix are those of the published models.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes) -> Result<Self, ModelError> {
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
        require(self.hidden_size.is_multiple_of(self.head_dim), || {
            format!("width {} is no multiple of head_dim {}", self.hidden_size, self.head_dim)
        })?;
        require(self.head_dim.is_multiple_of(4), || {
            format!("head_dim {} is no multiple of 4, which 2-D rotation needs", self.head_dim)
        })
    }

    /// Query heads.
    pub fn heads(&self) -> usize {
        self.hidden_size / self.head_dim
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
    fn rotary(&self) -> RotaryTable {
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

struct Block {
    norm1: Norm,
    qkv: Linear,
    q_norm: Norm,
    k_norm: Norm,
    proj: Linear,
    norm2: Norm,
    mlp: SwiGlu,
}

impl Block {
    fn load(weights: &Weights<'_>, config: &AlitokConfig) -> Result<Self, ModelError> {
        let (width, eps) = (config.hidden_size, config.rms_norm_eps);
        let (attn, mlp) = (weights.pp("attn"), weights.pp("mlp"));
        Ok(Self {
            norm1: weights.pp("norm1").rms_norm(width, eps)?,
            qkv: attn.pp("qkv").linear_with_bias(width, 3 * width)?,
            q_norm: attn.pp("q_norm").rms_norm(config.head_dim, eps)?,
            k_norm: attn.pp("k_norm").rms_norm(config.head_dim, eps)?,
            proj: attn.pp("proj").linear_with_bias(width, width)?,
            norm2: weights.pp("norm2").rms_norm(width, eps)?,
            mlp: SwiGlu::new(
                mlp.pp("w1").linear(width, config.ffn_hidden)?,
                mlp.pp("w3").linear(width, config.ffn_hidden)?,
                mlp.pp("w2").linear(config.ffn_hidden, width)?,
            ),
        })
    }

    fn weight_bytes(&self) -> u64 {
        self.qkv.weight_bytes() + self.proj.weight_bytes() + self.mlp.weight_bytes()
    }
}

/// The AliTok decoder.
pub struct AlitokDecoder {
    config: AlitokConfig,
    info: DecoderInfo,
    ids: ClassIds,
    embeddings: Embedding,
    blocks: Vec<Block>,
    activations: ActivationNumber,
    norm: Norm,
    output: Linear,
    rotary: RotaryTable,
    shape: AttentionShape,
    device: Device,
}

impl AlitokDecoder {
    /// Loads the weights of an AliTok state dict, whose keys have no prefix.
    ///
    /// # Errors
    /// A configuration that makes no sense, or weights that do not fit it.
    pub fn load(weights: &Weights<'_>, config: AlitokConfig) -> Result<Self, ModelError> {
        config.check()?;
        let (width, codes) = (config.hidden_size, config.codebook_size);
        let entries = codes + config.condition_num_classes + 2;
        let blocks = (0..config.num_hidden_layers)
            .map(|index| Block::load(&weights.pp("blocks").pp(index), &config))
            .collect::<Result<Vec<_>, _>>()?;
        let output = weights.pp("output").linear_with_bias(width, codes)?;
        let info = DecoderInfo {
            codebook_size: codes,
            logits_width: codes,
            parameters: config.parameters(),
            step_weight_bytes: blocks.iter().map(Block::weight_bytes).sum::<u64>()
                + output.weight_bytes(),
        };
        let heads = config.heads();
        Ok(Self {
            info,
            ids: ClassIds { codebook_size: codes, classes: config.condition_num_classes },
            embeddings: weights.pp("embeddings").embedding(entries, width)?,
            blocks,
            activations: weights.activations(),
            norm: weights.pp("norm").rms_norm(width, config.rms_norm_eps)?,
            output,
            rotary: config.rotary(),
            shape: AttentionShape { heads, kv_heads: heads, head_dim: config.head_dim },
            device: weights.device().clone(),
            config,
        })
    }

    /// Sizes.
    pub fn config(&self) -> &AlitokConfig {
        &self.config
    }

    /// [`Decoder::forward`] that also shows the residual stream `[rows, hidden_size]`: the input of
    /// the first block, then the output of each block.
    ///
    /// # Errors
    /// Those of [`Decoder::forward`].
    pub fn forward_observed(
        &self,
        rows: &[Row<'_>],
        caches: &mut [KvCache],
        observe: &mut dyn FnMut(&Tensor),
    ) -> Result<Logits, ModelError> {
        let plan = BatchPlan::new(rows, caches)?;
        let mut hidden = self.embed(rows, caches)?;
        observe(&hidden);
        for (index, block) in self.blocks.iter().enumerate() {
            let attention = self.attention(index, block, &hidden, &plan, caches)?;
            hidden = (hidden + attention)?;
            hidden = (&hidden + block.mlp.forward(&block.norm2.forward(&hidden)?)?)?;
            observe(&hidden);
        }
        plan.commit(caches);
        let output = requested_rows(&hidden, rows)?
            .map(|hidden| self.output.forward(&self.norm.forward(&hidden)?))
            .transpose()?;
        to_logits(output, self.info.logits_width)
    }

    /// Token embeddings `[rows, hidden_size]`. Ids: the codes, one reserved, the classes.
    fn embed(&self, rows: &[Row<'_>], caches: &[KvCache]) -> Result<Tensor, ModelError> {
        let mut data = Vec::with_capacity(rows.len() * self.config.hidden_size);
        for row in rows {
            let id = match row.input {
                RowInput::Image { token, .. } => self.ids.code(token)?,
                RowInput::Prefix(0) => {
                    self.config.codebook_size as u32 + 1 + self.ids.class_of(caches, row.cache)?
                }
                RowInput::Prefix(_) => return Err(ModelError::Internal("a class is one position")),
            };
            self.embeddings.lookup(id, &mut data)?;
        }
        Ok(Tensor::from_vec(data, (rows.len(), self.config.hidden_size), &self.device)?)
    }

    fn attention(
        &self,
        layer: usize,
        block: &Block,
        hidden: &Tensor,
        plan: &BatchPlan<'_>,
        caches: &mut [KvCache],
    ) -> Result<Tensor, ModelError> {
        let packed = block.qkv.forward(&block.norm1.forward(hidden)?)?;
        let (queries, keys, values) = split_packed(&packed, self.shape)?;
        let positions = plan.positions();
        let queries = self.rotary.rotate(&block.q_norm.forward(&queries)?, &positions)?;
        let keys = self.rotary.rotate(&block.k_norm.forward(&keys)?, &positions)?;
        let attended = attend(self.shape, layer, &queries, &keys, &values, plan, caches)?;
        block.proj.forward(&attended)
    }
}

impl Decoder for AlitokDecoder {
    fn info(&self) -> &DecoderInfo {
        &self.info
    }

    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        self.ids.prefixes(condition)
    }

    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        if 1 + image_tokens > self.rotary.positions() {
            return Err(ModelError::Internal("a sequence is longer than the model's positions"));
        }
        let shape = self.shape.cache(self.blocks.len(), self.activations);
        KvCache::new(shape, prefix, 1, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        self.forward_observed(rows, caches, &mut |_| ())
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
