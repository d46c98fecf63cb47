//! Captions of LlamaGen's text models: cleaned, encoded by T5, remembered while the model is open.
//!
//! The encoder is larger than the decoder, so it is opened for a new prompt and freed as soon as that is
//! encoded. Beside a decoder of f32 it runs in f32, else in
//! bf16, in which the authors' own program runs it: half the memory, rows that differ by up to 0.1.

use crate::checkpoint::text_tokenizer;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::models::llamagen::decoder::CaptionEncoder;
use crate::prompts::book::PromptBook;
use crate::prompts::caption;
use crate::prompts::t5::{EncoderConfig, TextEncoder, caption_ids};
use crate::prompts::template::PromptTemplate;
use crate::prompts::text_encoder::{OpenWeights, TextEncoderPart};
use candle_core::{DType, Tensor};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokenizers::Tokenizer;

/// Encoded prompts that are kept; the published form takes 1 MB each.
const KEPT: usize = 256;

/// Prompts to caption rows.
pub(super) struct Captions {
    weights: OpenWeights,
    config: EncoderConfig,
    tokenizer_json: Cow<'static, [u8]>,
    tokenizer: Tokenizer,
    /// Most rows of a caption.
    positions: usize,
    /// Of the encoder's weights.
    dtype: DType,
    encoded: Mutex<HashMap<String, Tensor>>,
}

impl Captions {
    /// Captions by the encoder that was found; its weights are not read yet.
    ///
    /// # Errors
    /// `config.json` or the text tokenizer beside the encoder is missing or damaged.
    pub(super) fn new(
        encoder: TextEncoderPart,
        positions: usize,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        let tokenizer_json = text_tokenizer::required(&encoder.folder)?;
        let tokenizer = Tokenizer::from_bytes(&tokenizer_json).map_err(|error| {
            ModelError::Config(format!("the tokenizer of the text encoder: {error}"))
        })?;
        Ok(Self {
            weights: encoder.weights,
            config: encoder.config.required()?,
            tokenizer_json,
            tokenizer,
            positions,
            dtype: match precision {
                Precision::F32 => DType::F32,
                Precision::Bf16 | Precision::Int8 => DType::BF16,
            },
            encoded: Mutex::default(),
        })
    }

    /// The same tokenizer for the prompt field: what a prompt takes, and what is cut off its end.
    ///
    /// # Errors
    /// A damaged tokenizer.
    pub(super) fn prompts(&self) -> Result<Arc<PromptBook>, ModelError> {
        let (template, limit) = (PromptTemplate::caption(), self.positions);
        Ok(Arc::new(PromptBook::new(&self.tokenizer_json, template, limit, None)?))
    }

    fn encode_cleaned(&self, text: &str) -> Result<Tensor, ModelError> {
        let (builder, progress) = (self.weights)()?;
        let encoder = TextEncoder::from_var_builder(&self.config, builder.set_dtype(self.dtype));
        // The tensor library passes on no more of a read that failed than its text.
        let mut encoder = match progress.take_failure() {
            Some(failure) => return Err(failure.into()),
            None => encoder?,
        };
        let ids = caption_ids(&self.tokenizer, text, encoder.end(), self.positions)?;
        encoder.encode(&ids.ids)
    }
}

impl CaptionEncoder for Captions {
    fn encode(&self, text: &str) -> Result<Tensor, ModelError> {
        let text = caption::clean(text);
        // Held while encoding: two threads must not load the encoder twice.
        let mut encoded = self.encoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = encoded.get(&text) {
            return Ok(rows.clone());
        }
        let rows = self.encode_cleaned(&text)?;
        if encoded.len() >= KEPT {
            encoded.clear();
        }
        encoded.insert(text, rows.clone());
        Ok(rows)
    }
}
