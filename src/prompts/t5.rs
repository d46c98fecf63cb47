//! The text side of LlamaGen's text-to-image models: the encoder of flan-t5-xl, by candle-transformers.
//!
//! That encoder takes no attention mask, so each prompt is encoded alone and without padding, which
//! gives the same valid rows. Verified on a miniature; the real weights were not at hand.

use crate::compute::error::{ModelError, require};
use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::t5::{Config, T5EncoderModel};
use serde::Deserialize;
use tokenizers::Tokenizer;

/// Token ids of a caption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptionIds {
    /// At most the limit, the end token included.
    pub ids: Vec<u32>,
    /// Tokens of the caption that were cut off its end.
    pub cut: usize,
}

/// Encodes a cleaned caption with T5's own tokenizer and appends the end token; what does not fit
/// `limit` is cut. An empty caption has one id.
///
/// # Errors
/// The tokenizer refuses the text.
pub fn caption_ids(
    tokenizer: &Tokenizer,
    caption: &str,
    end: u32,
    limit: usize,
) -> Result<CaptionIds, ModelError> {
    let encoding = tokenizer.encode_fast(caption, false).map_err(|error| {
        ModelError::Condition(format!("The tokenizer refuses the prompt: {error}."))
    })?;
    let room = limit.saturating_sub(1);
    let mut ids: Vec<u32> = encoding.get_ids().iter().copied().take(room).collect();
    let cut = encoding.len() - ids.len();
    ids.push(end);
    Ok(CaptionIds { ids, cut })
}

/// `config.json` of an encoder, whose options are all computed here.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Config")]
pub struct EncoderConfig {
    config: Config,
    /// Id of the end token.
    end: u32,
}

impl TryFrom<Config> for EncoderConfig {
    type Error = String;

    fn try_from(config: Config) -> Result<Self, String> {
        let other = "take the config.json that belongs to the text encoder";
        // Candle would use these as divisors.
        if config.num_heads == 0 || config.d_kv == 0 || config.relative_attention_num_buckets < 4 {
            return Err(format!("it describes a T5 encoder without heads; {other}"));
        }
        // Without the key candle takes the layers of the first T5, which the weights are not of.
        if !config.feed_forward_proj.gated {
            return Err(format!("feed_forward_proj is not gated, and the layers are; {other}"));
        }
        let end = u32::try_from(config.eos_token_id)
            .map_err(|_| format!("eos_token_id {} is no token; {other}", config.eos_token_id))?;
        Ok(Self { config, end })
    }
}

impl EncoderConfig {
    /// Whether the weights have as many layers: more would be left out without a word.
    ///
    /// # Errors
    /// They have not.
    pub(super) fn check_layers(&self, layers: usize) -> Result<(), ModelError> {
        require(self.config.num_layers == layers, || {
            format!(
                "config.json names {} layers and the weights have {layers}",
                self.config.num_layers
            )
        })
    }
}

/// The encoder. Large: free it once the prompt is encoded.
pub struct TextEncoder {
    model: T5EncoderModel,
    end: u32,
    width: usize,
}

impl TextEncoder {
    /// Loads the encoder from its configuration and weights of any container.
    ///
    /// # Errors
    /// Tensors that do not fit the configuration.
    pub fn from_var_builder(
        config: &EncoderConfig,
        weights: VarBuilder<'_>,
    ) -> Result<Self, ModelError> {
        let EncoderConfig { config, end } = config;
        let model = T5EncoderModel::load(weights, config).map_err(ModelError::weights)?;
        Ok(Self { model, end: *end, width: config.d_model })
    }

    /// Id of the end token.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Width of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Encodes one caption without padding: `[ids, width]` in f32.
    ///
    /// # Errors
    /// No ids, or ids beyond the vocabulary.
    pub fn encode(&mut self, ids: &[u32]) -> Result<Tensor, ModelError> {
        if ids.is_empty() {
            return Err(ModelError::Internal("a caption has at least its end token"));
        }
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        let rows = self.model.forward(&ids)?;
        self.model.clear_kv_cache();
        Ok(rows.squeeze(0)?.to_dtype(DType::F32)?)
    }
}
