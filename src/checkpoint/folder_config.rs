//! Facts from the JSON files beside the weights, read without trusting them.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::text_tokenizer;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::OnceLock;

/// Facts from the JSON files beside the weights. Absent or unreadable files give none: the class
/// models come without any.
#[derive(Debug, Clone, Default)]
pub struct FolderConfig {
    model: Option<Value>,
    image_tokenizer: Option<Value>,
    folder: Option<ModelFolder>,
    /// Counted when it is asked for: the file is large, and most families have none.
    text_tokens: OnceLock<Result<Option<usize>, String>>,
}

/// Longest JSON file that is read.
const MAX_JSON: u64 = 64 << 20;

impl FolderConfig {
    /// Reads `config.json` and `image_tokenizer.json` of a folder.
    pub fn of(folder: &ModelFolder) -> Self {
        let json = |name: &str| {
            folder.length(name).filter(|&length| length <= MAX_JSON)?;
            serde_json::from_slice::<Value>(&folder.read(name).ok()?).ok()
        };
        Self {
            model: json("config.json"),
            image_tokenizer: json("image_tokenizer.json"),
            folder: Some(folder.clone()),
            text_tokens: OnceLock::new(),
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

    /// Number of ids of the text tokenizer beside the weights: where the codes of a shared vocabulary
    /// begin. `None` if there is none, or it cannot be read.
    pub fn text_tokens(&self) -> Option<usize> {
        self.counted().as_ref().ok().copied().flatten()
    }

    /// Why the text tokenizer that is there cannot be read, with its path.
    pub fn text_tokenizer_fault(&self) -> Option<&str> {
        self.counted().as_ref().err().map(String::as_str)
    }

    fn counted(&self) -> &Result<Option<usize>, String> {
        self.text_tokens.get_or_init(|| {
            let Some(folder) = &self.folder else { return Ok(None) };
            text_tokenizer::ids(folder).map_err(|error| error.to_string())
        })
    }
}

fn size(value: &Value) -> Option<usize> {
    let value = usize::try_from(value.as_u64()?).ok()?;
    (1..=i32::MAX as usize).contains(&value).then_some(value)
}
