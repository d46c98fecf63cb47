//! The layers of the transformer, by the names of Hugging Face checkpoints: `model.*` and `lm_head`.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::transformer::TransformerOptions;
use crate::compute::transformer::block::Block;
use crate::compute::weights::Weights;
use std::ops::Range;

/// Embedding, blocks, final norm and output head.
pub struct TransformerLayers<S: LayerSource> {
    pub(super) embedding: S::Embedding,
    pub(super) blocks: Vec<Block<S>>,
    pub(super) norm: S::Norm,
    pub(super) head: S::Linear,
}

impl<S: LayerSource> TransformerLayers<S> {
    /// Takes the layers from `source`, of the output head the rows `codes`.
    ///
    /// # Errors
    /// A missing tensor or one of another shape.
    pub fn load(
        source: &S,
        options: &TransformerOptions,
        codes: Range<usize>,
    ) -> Result<Self, ModelError> {
        let (entries, width) = (options.vocab_size, options.hidden_size);
        let model = source.pp("model");
        let table = model.pp("embed_tokens");
        let (embedding, tied_head) = if options.tied_head {
            let (embedding, head) = table.tied_embedding(entries, width, codes.clone())?;
            (embedding, Some(head))
        } else {
            (table.embedding(entries, width)?, None)
        };
        let blocks = model.pp("layers");
        let blocks = (0..options.layers).map(|layer| Block::load(options, &blocks.pp(layer)));
        Ok(Self {
            embedding,
            blocks: blocks.collect::<Result<_, _>>()?,
            norm: model.pp("norm").rms_norm(width, options.norm_eps)?,
            head: match tied_head {
                Some(head) => head,
                None => source.pp("lm_head").head(entries, width, codes)?,
            },
        })
    }
}

impl TransformerLayers<Weights<'static>> {
    /// Bytes of weights that one step reads.
    pub(super) fn step_weight_bytes(&self) -> u64 {
        self.head.weight_bytes() + self.blocks.iter().map(Block::weight_bytes).sum::<u64>()
    }
}
