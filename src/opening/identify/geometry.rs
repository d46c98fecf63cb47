//! Sizes of identified models, and what the files beside the weights say about them.

use serde_json::Value;
use std::path::Path;

/// What a decoder is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditioning {
    /// One of this many classes; the null class is not counted.
    Classes(usize),
    /// Rows of a text encoder.
    Caption {
        /// Rows of the prefix.
        positions: usize,
        /// Width of the text encoder.
        width: usize,
    },
    /// Text in the decoder's own vocabulary.
    Prompt {
        /// Ids of the text tokenizer beside the weights, if it was found.
        text_tokens: Option<usize>,
    },
}

/// Sizes of a decoder, all counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderGeometry {
    /// Width of the hidden state.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width inside the feed-forward layers.
    pub inner: usize,
    /// Rows of the token embedding.
    pub vocabulary: usize,
    /// Codes that can be sampled, where the files tell.
    pub codebook_size: Option<usize>,
    /// What the model is asked for.
    pub conditioning: Conditioning,
    /// Image tokens of a run, where the weights fix them.
    pub image_tokens: Option<usize>,
    /// Whether the output matrix is the embedding.
    pub tied: bool,
}

/// Sizes of an image tokenizer, all counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerGeometry {
    /// Codes, where the files tell.
    pub codebook_size: Option<usize>,
    /// Numbers per code.
    pub code_width: usize,
    /// Side of the square of pixels that one token draws.
    pub pixels_per_token: usize,
}

/// Sizes of a text encoder, all counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderGeometry {
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of all heads together.
    pub attention_width: usize,
    /// Width inside the feed-forward layers.
    pub inner: usize,
    /// Buckets of relative positions.
    pub relative_buckets: usize,
}

/// Sizes of whatever was identified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Geometry {
    /// Draws codes.
    Decoder(DecoderGeometry),
    /// Turns codes to pixels.
    ImageTokenizer(TokenizerGeometry),
    /// Turns text to rows.
    TextEncoder(EncoderGeometry),
}

/// What the JSON files beside the weights say. Absent or unreadable files say nothing: the class
/// models come without any.
#[derive(Debug, Clone, Default)]
pub struct Config {
    model: Option<Value>,
    image_tokenizer: Option<Value>,
    text_tokens: Option<usize>,
}

/// Longest JSON file that is read; Qwen2's tokenizer.json has 7 MB.
const MAX_JSON: u64 = 64 << 20;

impl Config {
    /// Reads `config.json`, `image_tokenizer.json` and `tokenizer.json` in `folder`.
    pub fn beside(folder: &Path) -> Self {
        let json = |name: &str| {
            let path = folder.join(name);
            let small = std::fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= MAX_JSON);
            let text = small.then(|| std::fs::read(path).ok()).flatten()?;
            serde_json::from_slice::<Value>(&text).ok()
        };
        Self {
            model: json("config.json"),
            image_tokenizer: json("image_tokenizer.json"),
            text_tokens: json("tokenizer.json").as_ref().and_then(text_tokens),
        }
    }

    /// A configuration given as JSON, for tests and embedded models.
    pub fn from_json(model: Value) -> Self {
        Self { model: Some(model), ..Self::default() }
    }

    /// A positive whole number of `config.json`, small enough to multiply.
    pub fn size(&self, key: &str) -> Option<usize> {
        size(self.model.as_ref()?.get(key)?)
    }

    /// A text of `config.json`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.model.as_ref()?.get(key)?.as_str()
    }

    /// Whether there is an `image_tokenizer.json`, as beside the built-in model.
    pub fn has_image_tokenizer(&self) -> bool {
        self.image_tokenizer.is_some()
    }

    /// A positive whole number of `image_tokenizer.json`.
    pub fn image_tokenizer_size(&self, key: &str) -> Option<usize> {
        size(self.image_tokenizer.as_ref()?.get(key)?)
    }

    /// Number of ids of `tokenizer.json`: where the codes of a shared vocabulary begin.
    pub fn text_tokens(&self) -> Option<usize> {
        self.text_tokens
    }
}

fn size(value: &Value) -> Option<usize> {
    let value = usize::try_from(value.as_u64()?).ok()?;
    (1..=i32::MAX as usize).contains(&value).then_some(value)
}

/// One past the largest id of a tokenizer, added tokens included. Byte-level vocabularies are maps to
/// ids, unigram ones (T5) are lists.
fn text_tokens(tokenizer: &Value) -> Option<usize> {
    let vocabulary = tokenizer.get("model")?.get("vocab")?;
    let own = match vocabulary {
        Value::Object(ids) => ids.values().filter_map(Value::as_u64).max(),
        Value::Array(pieces) => (pieces.len() as u64).checked_sub(1),
        _ => None,
    };
    let added = tokenizer.get("added_tokens").and_then(Value::as_array);
    let added = added.into_iter().flatten().filter_map(|token| token.get("id")?.as_u64()).max();
    let largest = own.max(added)?;
    usize::try_from(largest).ok().filter(|&id| id < i32::MAX as usize).map(|id| id + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_counted_in_both_kinds_of_vocabulary() {
        let map =
            json!({ "model": { "vocab": { "a": 0, "b": 9 } }, "added_tokens": [{ "id": 12 }] });
        assert_eq!(text_tokens(&map), Some(13));
        let list = json!({ "model": { "vocab": [["a", -1.0], ["b", -2.0]] } });
        assert_eq!(text_tokens(&list), Some(2));
        assert_eq!(text_tokens(&json!({ "model": { "vocab": [] } })), None);
        assert_eq!(text_tokens(&json!({ "model": { "vocab": { "a": u64::MAX } } })), None);
    }
}
