//! Facts from the JSON files beside the weights, read without trusting them.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::config_keys::Unread;
use crate::checkpoint::fields;
use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::json_file::JsonFile;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;

/// The configuration of a model in the form of the transformers library.
const CONFIG: &str = "config.json";
/// The configuration of an image tokenizer of this program's own format.
const IMAGE_TOKENIZER: &str = "image_tokenizer.json";

/// Facts from the JSON files beside the weights. Absent files give none: the class models come without
/// any.
#[derive(Debug, Clone, Default)]
pub struct FolderConfig {
    /// Where `config.json` lies or would lie.
    path: PathBuf,
    model: Option<JsonFile>,
    image_tokenizer: Option<JsonFile>,
    text_tokens: Option<usize>,
}

impl FolderConfig {
    /// Reads `config.json`, `image_tokenizer.json` and `tokenizer.json` of a folder.
    ///
    /// # Errors
    /// One of them is there and cannot be read; with line and reason.
    pub fn of(folder: &ModelFolder) -> Result<Self, CheckpointError> {
        let tokenizer: Option<Value> = folder.json("tokenizer.json")?;
        Ok(Self {
            path: folder.path(CONFIG),
            model: folder.json_file(CONFIG)?,
            image_tokenizer: folder.json_file(IMAGE_TOKENIZER)?,
            text_tokens: tokenizer.as_ref().and_then(text_tokens),
        })
    }

    /// A positive whole number of `config.json`, small enough to multiply.
    pub fn size(&self, key: &str) -> Option<usize> {
        size(self.model.as_ref()?.value.get(key)?)
    }

    /// The whole of `config.json`, which belongs to the model; `None` without one.
    ///
    /// # Errors
    /// It is no configuration of this kind, or sets something that changes the numbers and is not read.
    pub fn parsed<C: DeserializeOwned>(&self) -> Result<Option<C>, CheckpointError> {
        let Some(model) = &self.model else { return Ok(None) };
        self.refuse_changing::<C>()?;
        model.parse().map(Some).map_err(|error| model.fault(&error))
    }

    /// [`FolderConfig::parsed`] of a model that cannot be loaded without.
    ///
    /// # Errors
    /// There is none, and those of [`FolderConfig::parsed`].
    pub fn required<C: DeserializeOwned>(&self) -> Result<C, CheckpointError> {
        self.parsed()?.ok_or_else(|| self.missing(CONFIG))
    }

    fn missing(&self, name: &str) -> CheckpointError {
        let reason = format!("{name} is missing; put the model's own beside its weights");
        CheckpointError::format(&self.path.with_file_name(name), reason)
    }

    /// The whole of `config.json` if it is of this model, which `fits` tells: a folder of downloads may
    /// hold another model's.
    ///
    /// # Errors
    /// It is of this kind and has a value of another type, or those of [`FolderConfig::parsed`].
    pub fn stated<C: DeserializeOwned>(
        &self,
        fits: impl FnOnce(&C) -> bool,
    ) -> Result<Option<C>, CheckpointError> {
        let Some(model) = &self.model else { return Ok(None) };
        match model.parse() {
            Ok(config) if fits(&config) => {
                self.refuse_changing::<C>()?;
                Ok(Some(config))
            }
            // One that was read and refused, or lacks what this kind has, is another's.
            Err(error) if error.line() > 0 && !error.to_string().starts_with("missing field") => {
                Err(model.fault(&error))
            }
            _ => Ok(None),
        }
    }

    fn refuse_changing<C: DeserializeOwned>(&self) -> Result<(), CheckpointError> {
        let changing = self.unread::<C>().changing;
        if changing.is_empty() {
            return Ok(());
        }
        let reason = format!(
            "config.json sets {}, which changes the numbers and is not computed here; choose a model without it",
            changing.join(", ")
        );
        Err(CheckpointError::format(&self.path, reason))
    }

    fn unread<C: DeserializeOwned>(&self) -> Unread {
        let config = self.model.as_ref().map(|model| &model.value).unwrap_or(&Value::Null);
        Unread::of(config, fields::of::<C>())
    }

    /// What is to be said of keys of `config.json` whose meaning is not known, if `C` is all that is read.
    pub fn note_on_unknown_keys<C: DeserializeOwned>(&self) -> Option<String> {
        let unknown = self.unread::<C>().unknown;
        (!unknown.is_empty()).then(|| {
            format!(
                "config.json has keys that this program does not know ({}); if they change the numbers, it draws \
                 other pictures than the authors' program",
                unknown.join(", ")
            )
        })
    }

    /// Whether there is an `image_tokenizer.json`, as beside a tokenizer of this program's own format.
    pub fn has_image_tokenizer(&self) -> bool {
        self.image_tokenizer.is_some()
    }

    /// The whole of `image_tokenizer.json`.
    ///
    /// # Errors
    /// There is none, or it is no configuration of this kind.
    pub fn image_tokenizer<C: DeserializeOwned>(&self) -> Result<C, CheckpointError> {
        let file = self.image_tokenizer.as_ref().ok_or_else(|| self.missing(IMAGE_TOKENIZER))?;
        file.parse().map_err(|error| file.fault(&error))
    }

    /// A positive whole number of `image_tokenizer.json`.
    pub fn image_tokenizer_size(&self, key: &str) -> Option<usize> {
        size(self.image_tokenizer.as_ref()?.value.get(key)?)
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
