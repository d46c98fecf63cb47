//! LlamaGen's decoder: class-conditional (one prefix position) and text-conditional (a caption of up
//! to 120 rows), raster order, no bias anywhere.
//!
//! Pre-norm blocks with RMS norms, packed projections with grouped queries, SwiGLU. Rotation is
//! interleaved: the first quarter of a head's channels' pairs turns by the row, the next by the column
//! of the grid. Prefix positions have cos = sin = 0, so their queries and keys are zero vectors and the
//! prefix carries no positions.
//!
//! A caption is fed as its n valid rows alone: in the original the padding rows before them are hidden
//! from everything but themselves, so leaving them out gives the same numbers. The null caption is
//! masked like the caption in the original, so here it is the last n rows of its table.
//!
//! Verified on miniatures with random weights: logits of every recorded step with and without grouped
//! queries, rotary table, rotated queries' effect, hidden states, captions (`tests/golden_llamagen.rs`),
//! and the parameter counts of the published sizes. The authors' own files were not available. The
//! side of the grid stands in no tensor: whoever loads a file has to say it.

use crate::compute::attention::attend;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::kv_cache::{BatchPlan, KvCache};
use crate::compute::layers::{requested_rows, split_packed, to_logits};
use crate::compute::linear::Linear;
use crate::compute::precision::ActivationNumber;
use crate::compute::rotary::RotaryTable;
use crate::compute::rows::{Logits, MAX_ROWS, Prefix, Row, RowInput};
use crate::compute::weights::Weights;
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::models::llamagen::config::LlamagenConfig;
use crate::models::llamagen::layers::{ConditionLayers, Layers};
use crate::prompts::class_ids::ClassIds;
use crate::prompts::condition::{Condition, Prefixes};
use candle_core::{D, DType, Device, Tensor};
use std::sync::Arc;

/// Text to caption rows, for the text-conditional models.
pub trait CaptionEncoder: Send + Sync {
    /// The valid rows `[n, caption_dim]` of a caption, padding left out; 1 ≤ n ≤ `cls_token_num`.
    ///
    /// # Errors
    /// The text cannot be encoded.
    fn encode(&self, caption: &str) -> Result<Tensor, ModelError>;
}

/// fc2(gelu_tanh(fc1 x)) of caption rows `[n, caption_dim]`.
fn project(fc1: &Linear, fc2: &Linear, rows: &Tensor) -> Result<Tensor, ModelError> {
    let rows = rows.to_dtype(DType::F32)?.contiguous()?;
    let count = rows.dim(0)?;
    let chunks = (0..count)
        .step_by(MAX_ROWS)
        .map(|start| {
            let chunk = rows.narrow(0, start, MAX_ROWS.min(count - start))?.contiguous()?;
            fc2.forward(&fc1.forward(&chunk)?.gelu()?)
        })
        .collect::<Result<Vec<_>, ModelError>>()?;
    // Read row by row when it is fed.
    Ok(Tensor::cat(&chunks, 0)?.to_device(&Device::Cpu)?)
}

/// The LlamaGen decoder.
pub struct LlamagenDecoder {
    config: LlamagenConfig,
    info: DecoderInfo,
    ids: ClassIds,
    layers: Layers<Weights<'static>>,
    /// `[cls_token_num, dim]`, projected; `None` for classes.
    null_caption: Option<Tensor>,
    caption_encoder: Option<Arc<dyn CaptionEncoder>>,
    activations: ActivationNumber,
    rotary: RotaryTable,
    shape: AttentionShape,
    device: Device,
}

impl LlamagenDecoder {
    /// Loads the weights of a LlamaGen state dict; keys it does not know are ignored.
    ///
    /// # Errors
    /// A configuration that makes no sense, or weights that do not fit it.
    pub fn load(weights: &Weights<'static>, config: LlamagenConfig) -> Result<Self, ModelError> {
        config.check()?;
        let layers = Layers::load(weights, &config)?;
        let codes = config.vocab_size;
        let null_caption = match &layers.condition {
            ConditionLayers::Caption { fc1, fc2, null } => {
                Some(project(fc1, fc2, &null.to_device(weights.device())?)?)
            }
            ConditionLayers::Class(_) => None,
        };
        Ok(Self {
            info: DecoderInfo {
                codebook_size: codes,
                parameters: config.parameters(),
                step_weight_bytes: layers.step_weight_bytes(),
            },
            ids: ClassIds { codebook_size: codes, classes: config.num_classes },
            layers,
            null_caption,
            caption_encoder: None,
            activations: weights.activations(),
            rotary: config.rotary(),
            shape: config.attention(),
            device: weights.device().clone(),
            config,
        })
    }

    /// The same decoder with an encoder for prompts; without one it takes captions by
    /// [`LlamagenDecoder::caption_prefixes`] only. Class-conditional models have no use for it.
    pub fn with_caption_encoder(self, caption_encoder: Arc<dyn CaptionEncoder>) -> Self {
        Self { caption_encoder: Some(caption_encoder), ..self }
    }

    /// Prefixes of a caption given by its valid rows `[n, caption_dim]`: its projection, and the last
    /// n rows of the null caption.
    ///
    /// # Errors
    /// A class-conditional model, or a caption that is empty, too long or of another width.
    pub fn caption_prefixes(&self, caption: &Tensor) -> Result<Prefixes, ModelError> {
        let Some(null) = &self.null_caption else {
            return Err(ModelError::Condition(
                "this model draws classes, not prompts; choose a class".to_string(),
            ));
        };
        let conditional = self.project_caption(caption)?;
        let rows = conditional.dim(0)?;
        let unconditional = null.narrow(0, self.config.cls_token_num - rows, rows)?;
        Ok(Prefixes {
            conditional: Prefix::Embeddings(conditional),
            unconditional: Prefix::Embeddings(unconditional.contiguous()?),
        })
    }

    /// Caption rows `[n, caption_dim]` to prefix rows `[n, dim]`.
    fn project_caption(&self, caption: &Tensor) -> Result<Tensor, ModelError> {
        let ConditionLayers::Caption { fc1, fc2, .. } = &self.layers.condition else {
            return Err(ModelError::Internal("a class-conditional model got a caption"));
        };
        let (rows, width) = caption.dims2()?;
        if rows == 0 || rows > self.config.cls_token_num || Some(width) != self.config.caption_dim {
            return Err(ModelError::Condition(format!(
                "the prompt takes {rows} rows of width {width}; this model takes 1 to {}",
                self.config.cls_token_num
            )));
        }
        project(fc1, fc2, &caption.to_device(&self.device)?)
    }

    /// [`Decoder::forward`] that also shows the residual stream `[rows, dim]`: the input of the first
    /// block, then the output of each block.
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
        // The prefix may be of any length: image token i has entry 1 + i of the rotary table.
        let entries: Vec<usize> = plan
            .rows
            .iter()
            .map(|row| (row.position + 1).saturating_sub(row.first_image))
            .collect();
        let mut hidden = self.embed(rows, caches)?;
        observe(&hidden);
        for (index, block) in self.layers.blocks.iter().enumerate() {
            let packed = block.wqkv.forward(&block.attention_norm.forward(&hidden)?)?;
            let (queries, keys, values) = split_packed(&packed, self.shape)?;
            let queries = self.rotary.rotate(&queries, &entries)?;
            let keys = self.rotary.rotate(&keys, &entries)?;
            let attended = attend(self.shape, index, &queries, &keys, &values, &plan, caches)?;
            hidden = (hidden + block.wo.forward(&attended)?)?;
            let widened = block.feed_forward.forward(&block.ffn_norm.forward(&hidden)?)?;
            hidden = (hidden + widened)?;
            observe(&hidden);
        }
        plan.commit(caches);
        let output = requested_rows(&hidden, rows)?
            .map(|hidden| self.layers.output.forward(&self.layers.norm.forward(&hidden)?))
            .transpose()?;
        to_logits(output, self.info.codebook_size)
    }

    fn embed(&self, rows: &[Row<'_>], caches: &[KvCache]) -> Result<Tensor, ModelError> {
        let mut data = Vec::with_capacity(rows.len() * self.config.dim);
        for row in rows {
            match (row.input, &self.layers.condition) {
                (RowInput::Image { token, .. }, _) => {
                    self.layers.tok_embeddings.lookup(self.ids.code(token)?, &mut data)?;
                }
                (RowInput::Prefix(0), ConditionLayers::Class(table)) => {
                    table.lookup(self.ids.class_of(caches, row.cache)?, &mut data)?;
                }
                (RowInput::Prefix(index), ConditionLayers::Caption { .. }) => {
                    data.extend(self.caption_row(caches, row.cache, index)?);
                }
                (RowInput::Prefix(_), ConditionLayers::Class(_)) => {
                    return Err(ModelError::Internal("a class is one position"));
                }
            }
        }
        Ok(Tensor::from_vec(data, (rows.len(), self.config.dim), &self.device)?)
    }

    fn caption_row(
        &self,
        caches: &[KvCache],
        cache: usize,
        index: usize,
    ) -> Result<Vec<f32>, ModelError> {
        match caches.get(cache).map(KvCache::prefix) {
            Some(Prefix::Embeddings(rows)) => Ok(rows.get(index)?.to_vec1()?),
            _ => Err(ModelError::Internal("a sequence does not start with a caption")),
        }
    }
}

impl Decoder for LlamagenDecoder {
    fn info(&self) -> &DecoderInfo {
        &self.info
    }

    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        if self.null_caption.is_none() {
            return self.ids.prefixes(condition);
        }
        let Condition::Prompt { text, negative } = condition else {
            return Err(ModelError::Condition(
                "this model draws prompts, not classes; type a prompt".to_string(),
            ));
        };
        let encoder = self.caption_encoder.as_ref().ok_or_else(|| {
            ModelError::Condition(
                "this model needs its text encoder for prompts; open it with the model".to_string(),
            )
        })?;
        let mut prefixes = self.caption_prefixes(&encoder.encode(text)?)?;
        if let Some(negative) = negative {
            let rows = self.project_caption(&encoder.encode(negative)?)?;
            prefixes.unconditional = Prefix::Embeddings(rows);
        }
        Ok(prefixes)
    }

    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        let prefix_len = match &prefix {
            Prefix::Class(_) => 1,
            Prefix::Embeddings(rows) if rows.dim(D::Minus1)? == self.config.dim => rows.dim(0)?,
            Prefix::Embeddings(_) | Prefix::Tokens(_) => {
                return Err(ModelError::Internal("a sequence starts with another model's prefix"));
            }
        };
        if image_tokens > self.config.grid * self.config.grid {
            return Err(ModelError::Internal("a sequence is longer than the model's positions"));
        }
        let shape = self.shape.cache(self.layers.blocks.len(), self.activations);
        KvCache::new(shape, prefix, prefix_len, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        self.forward_observed(rows, caches, &mut |_| ())
    }
}
