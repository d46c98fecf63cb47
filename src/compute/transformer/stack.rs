//! The decoder-only transformer of the prompt families (Qwen2: SimpleAR and the built-in model;
//! Chameleon: Lumina-mGPT 2.0): pre-norm RMS blocks, rotary attention with grouped queries, SwiGLU.
//! What differs between the families is an option, so there is one block.
//!
//! Keys are those of the Hugging Face checkpoints of these families.

use crate::compute::error::ModelError;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::layers::{requested_rows, to_logits};
use crate::compute::precision::ActivationNumber;
use crate::compute::rotary::RotaryTable;
use crate::compute::row_ops::Pairing;
use crate::compute::rows::{Logits, MAX_ROWS, Prefix, Row, RowInput};
use crate::compute::transformer::layers::TransformerLayers;
use crate::compute::transformer::options::{CodeRange, TransformerOptions};
use crate::compute::weights::Weights;
use candle_core::{Device, Tensor};

/// Embedding, blocks, final norm and output head.
pub struct Transformer {
    options: TransformerOptions,
    codes: CodeRange,
    layers: TransformerLayers<Weights<'static>>,
    activations: ActivationNumber,
    rotary: RotaryTable,
    device: Device,
}

impl Transformer {
    /// Loads the tensors `model.*` and `lm_head.weight`.
    ///
    /// # Errors
    /// Options that make no sense, a missing tensor or one of another shape.
    pub fn load(
        options: TransformerOptions,
        codes: CodeRange,
        weights: &Weights<'static>,
    ) -> Result<Self, ModelError> {
        options.validate()?;
        codes.validate(options.vocab_size)?;
        let rows = codes.offset..codes.offset + codes.count;
        let layers = TransformerLayers::load(weights, &options, rows)?;
        Ok(Self {
            codes,
            layers,
            activations: weights.activations(),
            rotary: RotaryTable::one_dimensional(
                options.positions,
                options.attention.head_dim,
                options.rope_theta,
                Pairing::HalfSplit,
            ),
            device: weights.device().clone(),
            options,
        })
    }

    /// Weights of the whole model, in numbers.
    pub fn parameters(&self) -> u64 {
        self.options.parameters()
    }

    /// Bytes of weights that one step reads, whatever the number of rows.
    pub fn step_weight_bytes(&self) -> u64 {
        self.layers.step_weight_bytes()
    }

    /// Where the codes lie in the vocabulary.
    pub fn codes(&self) -> CodeRange {
        self.codes
    }

    /// An empty cache for one sequence.
    ///
    /// # Errors
    /// A prefix that is not of tokens, is empty, or leaves no room for the image.
    pub fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        let Prefix::Tokens(ids) = &prefix else {
            return Err(ModelError::Internal("this decoder takes prefixes of token ids"));
        };
        let length = ids.len();
        if length == 0 {
            return Err(ModelError::Internal("an empty prefix"));
        }
        let room = self.options.positions;
        if length.saturating_add(image_tokens) > room {
            return Err(ModelError::Condition(format!(
                "The prompt takes {length} tokens and the image {image_tokens}, more than the {room} \
                 positions of the model. Shorten the prompt."
            )));
        }
        let shape = self.options.attention.cache(self.options.layers, self.activations);
        KvCache::new(shape, prefix, length, image_tokens)
    }

    /// One pass. `image_token_id` gives the vocabulary id of image token `index` with the code or
    /// forced id `token`, `None` if there is no such code.
    ///
    /// # Errors
    /// Rows that do not fit their caches, or ids beyond the vocabulary.
    pub fn forward(
        &self,
        rows: &[Row<'_>],
        caches: &mut [KvCache],
        image_token_id: impl Fn(usize, u32) -> Option<u32>,
    ) -> Result<Logits, ModelError> {
        if rows.is_empty() || rows.len() > MAX_ROWS {
            return Err(ModelError::Internal("a forward pass takes 1 to 8 rows"));
        }
        let plan = BatchPlan::new(rows, caches)?;
        let positions = plan.positions();
        let mut x = self.embed(rows, caches, image_token_id)?;
        for (layer, block) in self.layers.blocks.iter().enumerate() {
            x = block.forward(layer, &x, &positions, &self.rotary, &plan, caches)?;
        }
        plan.commit(caches);
        let output = requested_rows(&x, rows)?
            .map(|x| self.layers.head.forward(&self.layers.norm.forward(&x)?))
            .transpose()?;
        to_logits(output, self.layers.head.outputs())
    }

    fn embed(
        &self,
        rows: &[Row<'_>],
        caches: &[KvCache],
        image_token_id: impl Fn(usize, u32) -> Option<u32>,
    ) -> Result<Tensor, ModelError> {
        let mut values = Vec::with_capacity(rows.len() * self.options.hidden_size);
        for row in rows {
            let id = match row.input {
                RowInput::Prefix(index) => match caches.get(row.cache).map(KvCache::prefix) {
                    Some(Prefix::Tokens(ids)) => ids.get(index).copied(),
                    _ => None,
                },
                RowInput::Image { index, token } => image_token_id(index, token),
            };
            let id = id.ok_or(ModelError::Internal("a row feeds a token that does not exist"))?;
            self.layers.embedding.lookup(id, &mut values)?;
        }
        Ok(Tensor::from_vec(values, (rows.len(), self.options.hidden_size), &self.device)?)
    }
}
