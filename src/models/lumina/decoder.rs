//! Lumina-mGPT 2.0: a Chameleon-style decoder, the block of Qwen2 without biases and with a layer norm
//! of every query and key head.
//!
//! The sequence is `bos, prompt, start, height, width`, then for every row of the grid its codes and a
//! forced row end. The unconditional branch begins at `start`. The program forces what the original
//! samples: start, size and row ends.
//!
//! Verified on miniatures in the public layout (`tests/golden_lumina.rs`): prefixes, logits of both
//! branches in every mode with row ends left alone and taken literally, weights, caches, the original's
//! scales. Not verified, because no public checkpoint was at hand: the real vocabulary and tokenizer
//! (size tokens and row ends are looked up by name), sequences of thousands of tokens, and pictures.
//! Speculative Jacobi decoding, a sampler of its own, is left out.

use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::layout::TokenLayout;
use crate::compute::rows::{Logits, Prefix, Row};
use crate::compute::transformer::{CodeRange, Transformer};
use crate::compute::weights::Weights;
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::models::lumina::config::LuminaConfig;
use crate::models::lumina::image_size::ImageSize;
use crate::prompts::book::PromptBook;
use crate::prompts::condition::{Condition, Prefixes};
use std::sync::Arc;

const ROW_END: &str = "<reserved08799>";

/// The decoder for one size of image, with its prompts.
pub struct Lumina {
    transformer: Transformer,
    info: DecoderInfo,
    prompts: Arc<PromptBook>,
    layout: TokenLayout,
    row_end: u32,
}

impl Lumina {
    /// Loads a decoder for images of `size`.
    ///
    /// # Errors
    /// A configuration that makes no sense, tensors that do not fit it, a size that the tokenizer has
    /// no token for, or a tokenizer whose ids reach into the codes.
    pub fn load(
        config: &LuminaConfig,
        codes: CodeRange,
        size: ImageSize,
        weights: &Weights<'static>,
        prompts: Arc<PromptBook>,
    ) -> Result<Self, ModelError> {
        size.validate()?;
        if prompts.vocabulary_size() > codes.offset {
            return Err(ModelError::Config(format!(
                "the tokenizer has {} entries, the image codes begin at {}; the text tokenizer belongs \
                 to another model",
                prompts.vocabulary_size(),
                codes.offset
            )));
        }
        let row_end = prompts
            .token_id(ROW_END)
            .ok_or_else(|| ModelError::Config(format!("the text tokenizer has no {ROW_END}")))?;
        // Start, height and width are one token each, or the size is not one of the model's.
        if prompts.unconditional(None)?.len() != 3 {
            return Err(ModelError::Config(format!(
                "the tokenizer has no size tokens for {} × {} pixels",
                size.width, size.height
            )));
        }
        let (rows, columns) = size.grid();
        let options = config.options(weights.contains("lm_head.weight"))?;
        let transformer = Transformer::load(options, codes, weights)?;
        let layout = TokenLayout::with_row_ends(rows, columns, row_end);
        Ok(Self { info: DecoderInfo::of(&transformer), transformer, prompts, layout, row_end })
    }

    /// Rows of codes, each with its forced end.
    pub fn layout(&self) -> &TokenLayout {
        &self.layout
    }
}

impl Decoder for Lumina {
    fn info(&self) -> &DecoderInfo {
        &self.info
    }

    fn prefixes(&self, condition: &Condition) -> Result<Prefixes, ModelError> {
        self.prompts.prefixes(condition)
    }

    fn new_cache(&self, prefix: Prefix, image_tokens: usize) -> Result<KvCache, ModelError> {
        self.transformer.new_cache(prefix, image_tokens)
    }

    fn forward(&self, rows: &[Row<'_>], caches: &mut [KvCache]) -> Result<Logits, ModelError> {
        let codes = self.transformer.codes();
        let per_row = self.layout.columns() + 1;
        self.transformer.forward(rows, caches, |index, token| {
            if (index + 1) % per_row == 0 {
                (token == self.row_end).then_some(token)
            } else {
                codes.id(token)
            }
        })
    }
}
