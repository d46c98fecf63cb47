//! RAR's decoder (class-conditional, raster order): a cls token and a class token, then image tokens.
//!
//! No rotation: learned positions. The input at position p is the embedding plus `pos_embed[p]` and,
//! from p = 1 on, `target_aware_pos_embed[p + 1]`, the embedding of the position to be predicted. Every
//! block and the head are modulated by SiLU(class embedding + `timesteps_embeddings[p]`): after each
//! norm x (1 + scale) + shift, before each residual sum a gate. Chunks come as shift, scale, gate for
//! the attention, then for the feed-forward layer; before the head as scale, then shift.
//!
//! Verified on miniatures with random weights: logits of every recorded step, inputs, hidden states and
//! caches (`tests/golden_rar.rs`), and the parameter counts of the four published sizes. The authors'
//! own files were not available. RobusTok's files of the same names (4096 codes) have the same structure
//! but other shapes; they need RobusTok's tokenizer, which is not part of this program.

use crate::compute::attention::{AttentionShape, attend};
use crate::compute::error::ModelError;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::layers::{requested_rows, split_packed, to_logits};
use crate::compute::linear::Linear;
use crate::compute::norm::{Norm, NormKind};
use crate::compute::precision::ActivationNumber;
use crate::compute::rows::{Logits, Prefix, Row, RowInput};
use crate::compute::weights::{Embedding, Weights};
use crate::models::class_ids::ClassIds;
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::models::rar::config::{RarConfig, SPARE_POSITIONS, SPARE_TIMESTEPS};
use crate::prompts::condition::{Condition, Prefixes};
use candle_core::{Device, Tensor};

/// Positions before the image tokens: cls token and class token.
const PREFIX_LEN: usize = 2;
/// x (1 + scale) + shift.
fn modulate(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor, ModelError> {
    Ok(((x * (scale + 1.0)?)? + shift)?)
}

struct Block {
    modulation: Linear,
    norm1: Norm,
    qkv: Linear,
    q_norm: Norm,
    k_norm: Norm,
    proj: Linear,
    norm2: Norm,
    fc1: Linear,
    fc2: Linear,
}

impl Block {
    fn load(weights: &Weights<'_>, config: &RarConfig) -> Result<Self, ModelError> {
        let (width, eps) = (config.hidden_size, config.layer_norm_eps);
        let (attn, mlp) = (weights.pp("attn"), weights.pp("mlp"));
        Ok(Self {
            modulation: weights.pp("adaLN_modulation").pp(1).linear_with_bias(width, 6 * width)?,
            norm1: weights.pp("norm1").layer_norm(width, eps)?,
            qkv: attn.pp("qkv").linear_with_bias(width, 3 * width)?,
            q_norm: attn.pp("q_norm").layer_norm(config.head_dim, eps)?,
            k_norm: attn.pp("k_norm").layer_norm(config.head_dim, eps)?,
            proj: attn.pp("proj").linear_with_bias(width, width)?,
            norm2: weights.pp("norm2").layer_norm(width, eps)?,
            fc1: mlp.pp("fc1").linear_with_bias(width, config.intermediate_size)?,
            fc2: mlp.pp("fc2").linear_with_bias(config.intermediate_size, width)?,
        })
    }

    fn weight_bytes(&self) -> u64 {
        [&self.modulation, &self.qkv, &self.proj, &self.fc1, &self.fc2]
            .iter()
            .map(|linear| linear.weight_bytes())
            .sum()
    }
}

/// The RAR decoder.
pub struct RarDecoder {
    config: RarConfig,
    info: DecoderInfo,
    ids: ClassIds,
    cls_token: Vec<f32>,
    embeddings: Embedding,
    pos_embed: Embedding,
    target_aware_pos_embed: Embedding,
    timesteps_embeddings: Embedding,
    blocks: Vec<Block>,
    activations: ActivationNumber,
    head_norm: Norm,
    head_modulation: Linear,
    lm_head: Linear,
    shape: AttentionShape,
    device: Device,
}

impl RarDecoder {
    /// Loads the weights of a RAR state dict, whose keys have no prefix.
    ///
    /// # Errors
    /// A configuration that makes no sense, or weights that do not fit it.
    pub fn load(weights: &Weights<'_>, config: RarConfig) -> Result<Self, ModelError> {
        config.check()?;
        let (width, codes) = (config.hidden_size, config.codebook_size);
        let table = |name: &str, rows: usize| {
            Embedding::new(
                &weights.tensor((1, rows, width), name)?.squeeze(0)?,
                weights.precision(),
            )
        };
        let blocks = (0..config.num_hidden_layers)
            .map(|index| Block::load(&weights.pp("blocks").pp(index), &config))
            .collect::<Result<Vec<_>, _>>()?;
        let head_modulation = weights
            .pp("adaln_before_head.adaLN_modulation.1")
            .linear_with_bias(width, 2 * width)?;
        let lm_head = weights.pp("lm_head").linear_with_bias(width, codes)?;
        let info = DecoderInfo {
            codebook_size: codes,
            logits_width: codes,
            parameters: config.parameters(),
            step_weight_bytes: blocks.iter().map(Block::weight_bytes).sum::<u64>()
                + head_modulation.weight_bytes()
                + lm_head.weight_bytes(),
        };
        let (heads, positions) = (config.heads(), config.image_seq_len + SPARE_POSITIONS);
        let entries = codes + config.condition_num_classes + 2;
        Ok(Self {
            info,
            ids: ClassIds { codebook_size: codes, classes: config.condition_num_classes },
            cls_token: weights.tensor((1, 1, width), "cls_token")?.flatten_all()?.to_vec1()?,
            embeddings: weights.pp("embeddings").embedding(entries, width)?,
            pos_embed: table("pos_embed", positions)?,
            target_aware_pos_embed: table("target_aware_pos_embed", positions)?,
            timesteps_embeddings: table(
                "timesteps_embeddings",
                config.image_seq_len + SPARE_TIMESTEPS,
            )?,
            blocks,
            activations: weights.activations(),
            head_norm: Norm::new(NormKind::Layer, width, None, None, config.layer_norm_eps),
            head_modulation,
            lm_head,
            shape: AttentionShape { heads, kv_heads: heads, head_dim: config.head_dim },
            device: weights.device().clone(),
            config,
        })
    }

    /// Sizes.
    pub fn config(&self) -> &RarConfig {
        &self.config
    }

    /// [`Decoder::forward`] that also shows, each `[rows, hidden_size]`: the conditioning before its
    /// SiLU, the input of the first block, then the output of each block.
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
        let conditioning = self.conditioning(&plan, caches)?;
        observe(&conditioning);
        let conditioning = conditioning.silu()?;
        let mut hidden = self.embed(rows, &plan, caches)?;
        observe(&hidden);
        for (index, block) in self.blocks.iter().enumerate() {
            hidden = self.block(index, block, hidden, &conditioning, &plan, caches)?;
            observe(&hidden);
        }
        plan.commit(caches);
        let output = match requested_rows(&hidden, rows)?.zip(requested_rows(&conditioning, rows)?)
        {
            Some((hidden, conditioning)) => Some(self.head(&hidden, &conditioning)?),
            None => None,
        };
        to_logits(output, self.info.logits_width)
    }

    /// Class embedding (without its position) plus timestep embedding of each row's position.
    fn conditioning(&self, plan: &BatchPlan<'_>, caches: &[KvCache]) -> Result<Tensor, ModelError> {
        let mut sums = RowSums::new(self.config.hidden_size, plan.rows.len());
        for row in &plan.rows {
            self.embeddings.lookup(self.class_token(caches, row.cache)?, &mut sums.data)?;
            sums.add(&self.timesteps_embeddings, row.position)?;
        }
        sums.into_tensor(&self.device)
    }

    /// Token, positional and target-aware embedding of each row.
    fn embed(
        &self,
        rows: &[Row<'_>],
        plan: &BatchPlan<'_>,
        caches: &[KvCache],
    ) -> Result<Tensor, ModelError> {
        let mut sums = RowSums::new(self.config.hidden_size, rows.len());
        for (row, planned) in rows.iter().zip(&plan.rows) {
            match row.input {
                RowInput::Prefix(0) => sums.data.extend_from_slice(&self.cls_token),
                RowInput::Prefix(1) => {
                    self.embeddings.lookup(self.class_token(caches, row.cache)?, &mut sums.data)?;
                }
                RowInput::Prefix(_) => {
                    return Err(ModelError::Internal("the prefix is a cls and a class token"));
                }
                RowInput::Image { token, .. } => {
                    self.embeddings.lookup(self.ids.code(token)?, &mut sums.data)?;
                }
            }
            sums.add(&self.pos_embed, planned.position)?;
            if planned.position >= 1 {
                sums.add(&self.target_aware_pos_embed, planned.position + 1)?;
            }
        }
        sums.into_tensor(&self.device)
    }

    /// Id of the class token of a sequence: codes, one reserved, classes, null class.
    fn class_token(&self, caches: &[KvCache], cache: usize) -> Result<u32, ModelError> {
        Ok(self.config.codebook_size as u32 + 1 + self.ids.class_of(caches, cache)?)
    }

    fn block(
        &self,
        index: usize,
        block: &Block,
        hidden: Tensor,
        conditioning: &Tensor,
        plan: &BatchPlan<'_>,
        caches: &mut [KvCache],
    ) -> Result<Tensor, ModelError> {
        let modulation = block.modulation.forward(conditioning)?.chunk(6, 1)?;
        let [shift1, scale1, gate1, shift2, scale2, gate2] = modulation.as_slice() else {
            return Err(ModelError::Internal("a modulation has another width"));
        };
        let x = modulate(&block.norm1.forward(&hidden)?, shift1, scale1)?;
        let (queries, keys, values) = split_packed(&block.qkv.forward(&x)?, self.shape)?;
        let (queries, keys) = (block.q_norm.forward(&queries)?, block.k_norm.forward(&keys)?);
        let attended = attend(self.shape, index, &queries, &keys, &values, plan, caches)?;
        let hidden = (hidden + (block.proj.forward(&attended)? * gate1)?)?;
        let x = modulate(&block.norm2.forward(&hidden)?, shift2, scale2)?;
        let x = block.fc2.forward(&block.fc1.forward(&x)?.gelu_erf()?)?;
        Ok((hidden + (x * gate2)?)?)
    }

    fn head(&self, hidden: &Tensor, conditioning: &Tensor) -> Result<Tensor, ModelError> {
        let modulation = self.head_modulation.forward(conditioning)?.chunk(2, 1)?;
        let [scale, shift] = modulation.as_slice() else {
            return Err(ModelError::Internal("a modulation has another width"));
        };
        self.lm_head.forward(&modulate(&self.head_norm.forward(hidden)?, shift, scale)?)
    }
}

/// Rows of embeddings, summed one table after the other.
struct RowSums {
    data: Vec<f32>,
    width: usize,
    scratch: Vec<f32>,
}

impl RowSums {
    fn new(width: usize, rows: usize) -> Self {
        Self { data: Vec::with_capacity(width * rows), width, scratch: Vec::with_capacity(width) }
    }

    /// Adds a table's entry to the newest row.
    fn add(&mut self, table: &Embedding, entry: usize) -> Result<(), ModelError> {
        self.scratch.clear();
        table.lookup(u32::try_from(entry).unwrap_or(u32::MAX), &mut self.scratch)?;
        let newest = self.data.len().saturating_sub(self.width);
        self.data.iter_mut().skip(newest).zip(&self.scratch).for_each(|(sum, x)| *sum += x);
        Ok(())
    }

    fn into_tensor(self, device: &Device) -> Result<Tensor, ModelError> {
        let rows = self.data.len() / self.width;
        Ok(Tensor::from_vec(self.data, (rows, self.width), device)?)
    }
}

impl Decoder for RarDecoder {
    fn info(&self) -> &DecoderInfo {
        &self.info
    }

    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        self.ids.prefixes(condition)
    }

    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        if image_tokens > self.config.image_seq_len {
            return Err(ModelError::Internal("a sequence is longer than the model's positions"));
        }
        let shape = self.shape.cache(self.blocks.len(), self.activations);
        KvCache::new(shape, prefix, PREFIX_LEN, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        self.forward_observed(rows, caches, &mut |_| ())
    }
}
