//! Facts from the JSON files beside the weights, read without trusting them.

use crate::checkpoint::folder::ModelFolder;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Facts from the JSON files beside the weights. Absent or unreadable files give none: the class
/// models come without any.
#[derive(Debug, Clone, Default)]
pub struct FolderConfig {
    model: Option<Value>,
    image_tokenizer: Option<Value>,
    text_tokens: Option<usize>,
}

/// Longest JSON file that is read; Qwen2's tokenizer.json has 7 MB.
const MAX_JSON: u64 = 64 << 20;

impl FolderConfig {
    /// Reads `config.json`, `image_tokenizer.json` and `tokenizer.json` of a folder.
    pub fn of(folder: &ModelFolder) -> Self {
        let json = |name: &str| {
            folder.length(name).filter(|&length| length <= MAX_JSON)?;
            serde_json::from_slice::<Value>(&folder.read(name).ok()?).ok()
        };
        Self {
            model: json("config.json"),
            image_tokenizer: json("image_tokenizer.json"),
            text_tokens: json("tokenizer.json").as_ref().and_then(text_tokens),
        }
    }

    /// A positive whole number of `config.json`, small enough to multiply.
    pub fn size(&self, key: &str) -> Option<usize> {
        size(self.model.as_ref()?.get(key)?)
    }

    /// The whole of `config.json`, if it is a configuration of this kind.
    pub fn parsed<C: DeserializeOwned>(&self) -> Option<C> {
        serde_json::from_value(self.model.clone()?).ok()
    }

    /// Whether there is an `image_tokenizer.json`, as beside a tokenizer of this program's own format.
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
