//! Qwen2 decoders that draw: the public SimpleAR checkpoints and the built-in model, through one
//! loader.
//!
//! Prompt tokens come first, then image codes in raster order; code c is the id
//! `vocab_size - codebook_size + c`. Positions of each branch start at 0.
//!
//! Verified on miniatures in the public layout (`tests/golden_simplear.rs`): prefixes, logits of both
//! branches in every mode, weights, caches, tied and untied heads; and on the built-in model. Not
//! verified, because no public checkpoint was at hand: the real `config.json` and tokenizer (ids are
//! looked up by name, and sizes must agree), sequences as long as the real 4096 tokens, and pictures.
//! Sampling is restricted to image codes, which the original does not do.

use crate::compute::error::ModelError;
use crate::compute::kv_cache::KvCache;
use crate::compute::rows::{Logits, Prefix, Row};
use crate::compute::transformer::Transformer;
use crate::compute::weights::Weights;
use crate::models::decoder::{Decoder, DecoderInfo};
use crate::models::simple_ar::config::Qwen2Config;
use crate::prompts::book::PromptBook;
use crate::prompts::condition::{Condition, Prefixes};
use std::sync::Arc;

/// A Qwen2 decoder with its prompts.
pub struct Qwen2 {
    transformer: Transformer,
    info: DecoderInfo,
    prompts: Arc<PromptBook>,
}

impl Qwen2 {
    /// Loads a decoder whose codes are the last `codebook_size` ids.
    ///
    /// # Errors
    /// A configuration that makes no sense, tensors that do not fit it, or a tokenizer of another
    /// model: its ids and the codes must fill the vocabulary exactly.
    pub fn load(
        config: &Qwen2Config,
        codebook_size: usize,
        weights: &Weights<'static>,
        prompts: Arc<PromptBook>,
    ) -> Result<Self, ModelError> {
        let codes = config.codes(codebook_size)?;
        if prompts.vocabulary_size() != codes.offset {
            return Err(ModelError::Config(format!(
                "the tokenizer has {} entries, the decoder {} beside its {codebook_size} image \
                 codes; the text tokenizer belongs to another model",
                prompts.vocabulary_size(),
                codes.offset
            )));
        }
        let options = config.options(weights.contains("lm_head.weight"))?;
        let transformer = Transformer::load(options, codes, weights)?;
        Ok(Self { info: DecoderInfo::of(&transformer), transformer, prompts })
    }
}

impl Decoder for Qwen2 {
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
        self.transformer.forward(rows, caches, |_, code| codes.id(code))
    }
}
