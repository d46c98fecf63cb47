//! Facts from the JSON files beside the weights, read without trusting them.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::config_keys::Unread;
use crate::checkpoint::fields;
use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::json_file::JsonFile;
use crate::checkpoint::text_tokenizer;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::OnceLock;

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
    folder: Option<ModelFolder>,
    /// Counted when it is asked for: the file is large, and most families have none.
    text_tokens: OnceLock<Result<Option<usize>, String>>,
}

impl FolderConfig {
    /// Reads `config.json` and `image_tokenizer.json` of a folder.
    ///
    /// # Errors
    /// One of them is there and cannot be read; with line and reason.
    pub fn of(folder: &ModelFolder) -> Result<Self, CheckpointError> {
        Ok(Self {
            path: folder.path(CONFIG),
            model: folder.json_file(CONFIG)?,
            image_tokenizer: folder.json_file(IMAGE_TOKENIZER)?,
            folder: Some(folder.clone()),
            text_tokens: OnceLock::new(),
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
