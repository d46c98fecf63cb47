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

use crate::compute::attention::attend;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::layers::{requested_rows, split_packed, to_logits};
use crate::compute::precision::ActivationNumber;
use crate::compute::rotary::RotaryTable;
use crate::compute::rows::{Logits, Prefix, Row, RowInput};
use crate::compute::weights::Weights;
use crate::models::alitok::config::AlitokConfig;
use crate::models::alitok::layers::{Block, Layers};
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::prompts::class_ids::ClassIds;
use crate::prompts::condition::{Condition, Prefixes};
use candle_core::{Device, Tensor};

/// The AliTok decoder.
pub struct AlitokDecoder {
    config: AlitokConfig,
    info: DecoderInfo,
    ids: ClassIds,
    layers: Layers<Weights<'static>>,
    activations: ActivationNumber,
    rotary: RotaryTable,
    shape: AttentionShape,
    device: Device,
}

impl AlitokDecoder {
    /// Loads the weights of an AliTok state dict, whose keys have no prefix.
    ///
    /// # Errors
    /// A configuration that makes no sense, or weights that do not fit it.
    pub fn load(weights: &Weights<'static>, config: AlitokConfig) -> Result<Self, ModelError> {
        config.check()?;
        let layers = Layers::load(weights, &config)?;
        let codes = config.codebook_size;
        Ok(Self {
            info: DecoderInfo {
                codebook_size: codes,
                parameters: config.parameters(),
                step_weight_bytes: layers.step_weight_bytes(),
            },
            ids: ClassIds { codebook_size: codes, classes: config.condition_num_classes },
            layers,
            activations: weights.activations(),
            rotary: config.rotary(),
            shape: config.attention(),
            device: weights.device().clone(),
            config,
        })
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
        for (index, block) in self.layers.blocks.iter().enumerate() {
            let attention = self.attention(index, block, &hidden, &plan, caches)?;
            hidden = (hidden + attention)?;
            hidden = (&hidden + block.mlp.forward(&block.norm2.forward(&hidden)?)?)?;
            observe(&hidden);
        }
        plan.commit(caches);
        let output = requested_rows(&hidden, rows)?
            .map(|hidden| self.layers.output.forward(&self.layers.norm.forward(&hidden)?))
            .transpose()?;
        to_logits(output, self.info.codebook_size)
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
            self.layers.embeddings.lookup(id, &mut data)?;
        }
        Ok(Tensor::from_vec(data, (rows.len(), self.config.hidden_size), &self.device)?)
    }

    fn attention(
        &self,
        layer: usize,
        block: &Block<Weights<'static>>,
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
        let shape = self.shape.cache(self.layers.blocks.len(), self.activations);
        KvCache::new(shape, prefix, 1, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        self.forward_observed(rows, caches, &mut |_| ())
    }
}
