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

use crate::compute::attention::attend;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::layers::{requested_rows, split_packed, to_logits};
use crate::compute::norm::Norm;
use crate::compute::precision::ActivationNumber;
use crate::compute::row_ops::NormKind;
use crate::compute::rows::{Logits, Prefix, Row, RowInput};
use crate::compute::weights::{Embedding, Weights};
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::models::rar::config::RarConfig;
use crate::models::rar::layers::{Block, Layers};
use crate::prompts::class_ids::ClassIds;
use crate::prompts::condition::{Condition, Prefixes};
use candle_core::{Device, Tensor};

/// Positions before the image tokens: cls token and class token.
pub(super) const PREFIX_LEN: usize = 2;
/// x (1 + scale) + shift.
fn modulate(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor, ModelError> {
    Ok(((x * (scale + 1.0)?)? + shift)?)
}

/// The RAR decoder.
pub struct RarDecoder {
    config: RarConfig,
    info: DecoderInfo,
    ids: ClassIds,
    layers: Layers<Weights<'static>>,
    cls_token: Vec<f32>,
    activations: ActivationNumber,
    head_norm: Norm,
    shape: AttentionShape,
    device: Device,
}

impl RarDecoder {
    /// Loads the weights of a RAR state dict, whose keys have no prefix.
    ///
    /// # Errors
    /// A configuration that makes no sense, or weights that do not fit it.
    pub fn load(weights: &Weights<'static>, config: RarConfig) -> Result<Self, ModelError> {
        config.check()?;
        let layers = Layers::load(weights, &config)?;
        let codes = config.codebook_size;
        let (width, eps) = (config.hidden_size, config.layer_norm_eps);
        Ok(Self {
            info: DecoderInfo {
                codebook_size: codes,
                parameters: config.parameters(),
                step_weight_bytes: layers.step_weight_bytes(),
            },
            ids: ClassIds { codebook_size: codes, classes: config.condition_num_classes },
            cls_token: layers.cls_token.flatten_all()?.to_vec1()?,
            layers,
            activations: weights.activations(),
            head_norm: Norm::new(NormKind::Layer, width, None, None, eps),
            shape: config.attention(),
            device: weights.device().clone(),
            config,
        })
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
        for (index, block) in self.layers.blocks.iter().enumerate() {
            hidden = self.block(index, block, hidden, &conditioning, &plan, caches)?;
            observe(&hidden);
        }
        plan.commit(caches);
        let output = match requested_rows(&hidden, rows)?.zip(requested_rows(&conditioning, rows)?)
        {
            Some((hidden, conditioning)) => Some(self.head(&hidden, &conditioning)?),
            None => None,
        };
        to_logits(output, self.info.codebook_size)
    }

    /// Class embedding (without its position) plus timestep embedding of each row's position.
    fn conditioning(&self, plan: &BatchPlan<'_>, caches: &[KvCache]) -> Result<Tensor, ModelError> {
        let mut sums = RowSums::new(self.config.hidden_size, plan.rows.len());
        for row in &plan.rows {
            self.layers.embeddings.lookup(self.class_token(caches, row.cache)?, &mut sums.data)?;
            sums.add(&self.layers.timesteps_embeddings, row.position)?;
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
                    self.layers
                        .embeddings
                        .lookup(self.class_token(caches, row.cache)?, &mut sums.data)?;
                }
                RowInput::Prefix(_) => {
                    return Err(ModelError::Internal("the prefix is a cls and a class token"));
                }
                RowInput::Image { token, .. } => {
                    self.layers.embeddings.lookup(self.ids.code(token)?, &mut sums.data)?;
                }
            }
            sums.add(&self.layers.pos_embed, planned.position)?;
            if planned.position >= 1 {
                sums.add(&self.layers.target_aware_pos_embed, planned.position + 1)?;
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
        block: &Block<Weights<'static>>,
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
        let modulation = self.layers.head_modulation.forward(conditioning)?.chunk(2, 1)?;
        let [scale, shift] = modulation.as_slice() else {
            return Err(ModelError::Internal("a modulation has another width"));
        };
        self.layers.lm_head.forward(&modulate(&self.head_norm.forward(hidden)?, shift, scale)?)
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
        let shape = self.shape.cache(self.layers.blocks.len(), self.activations);
        KvCache::new(shape, prefix, PREFIX_LEN, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        self.forward_observed(rows, caches, &mut |_| ())
    }
}
