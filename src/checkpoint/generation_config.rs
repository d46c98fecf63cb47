//! `generation_config.json` of Hugging Face folders: what of it reaches sampling, and what does not.
//!
//! The library's `generate` takes the repetition penalty from this file; temperature, top-k and top-p
//! are arguments of the authors' generators and override the file. The end-of-sequence ids there are
//! text, which is never sampled here.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::config_keys::Unread;
use crate::checkpoint::fields;
use crate::checkpoint::folder::ModelFolder;
use serde::Deserialize;
use serde_json::Value;

const FILE: &str = "generation_config.json";

/// The fields that could affect sampling.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct GenerationConfig {
    /// Divides logits; set by the authors' programs themselves.
    pub temperature: Option<f32>,
    /// Set by the authors' programs themselves.
    pub top_k: Option<u64>,
    /// Set by the authors' programs themselves.
    pub top_p: Option<f32>,
    /// Penalty on ids that occurred before, in the conditional branch.
    pub repetition_penalty: Option<f32>,
    /// Names of other fields that are set.
    #[serde(skip)]
    others: Vec<String>,
}

/// Fields that say when a text ends, how it is counted, or what the library returns.
const NOT_SAMPLING: [&str; 10] = [
    "do_sample",
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "num_return_sequences",
    "output_scores",
    "output_logits",
    "return_dict_in_generate",
    "cache_implementation",
];

impl GenerationConfig {
    /// Reads the file of a folder; without one every field is absent.
    ///
    /// # Errors
    /// A file that cannot be read, is no JSON, or has a penalty that is no number above 0.
    pub fn of(folder: &ModelFolder) -> Result<Self, CheckpointError> {
        let Some(file) = folder.json_file(FILE)? else { return Ok(Self::default()) };
        let mut config: Self = file.parse().map_err(|error| file.fault(&error))?;
        let read = [fields::of::<Self>(), &NOT_SAMPLING].concat();
        config.others = Unread::of(&file.value, &read).unknown;
        // One beam, a length that counts once: the library's own values.
        config.others.retain(|key| file.value.get(key).and_then(Value::as_f64) != Some(1.0));
        match config.repetition_penalty {
            Some(penalty) if !penalty.is_finite() || penalty <= 0.0 => {
                let reason = format!(
                    "{FILE}: a repetition penalty of {penalty} is not above 0; repair the file or remove it"
                );
                Err(CheckpointError::format(&folder.path(FILE), reason))
            }
            _ => Ok(config),
        }
    }

    /// The penalty, 1 if the file has none.
    pub fn penalty(&self) -> f32 {
        self.repetition_penalty.unwrap_or(1.0)
    }

    /// One sentence on the fields that are not followed, empty if there are none. `with_penalty`: the
    /// penalty is not either.
    pub fn ignored(&self, with_penalty: bool) -> String {
        let fields = [
            ("temperature", self.temperature.map(|value| value.to_string())),
            ("top-k", self.top_k.map(|value| value.to_string())),
            ("top-p", self.top_p.map(|value| value.to_string())),
            (
                "repetition penalty",
                self.repetition_penalty.filter(|_| with_penalty).map(|value| value.to_string()),
            ),
        ];
        let named: Vec<String> = fields
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} {}", value?)))
            .chain(self.others.iter().cloned())
            .collect();
        if named.is_empty() {
            return String::new();
        }
        format!(" Not followed from {FILE}: {}.", named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn of(folder: &Path, json: &[u8]) -> Result<GenerationConfig, CheckpointError> {
        std::fs::write(folder.join(FILE), json).unwrap();
        GenerationConfig::of(&ModelFolder::Disk(folder.into()))
    }

    #[test]
    fn what_is_followed_and_what_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let config = of(
            folder.path(),
            br#"{"do_sample": true, "repetition_penalty": 1.1, "temperature": 0.7,
            "top_k": 20, "top_p": 0.8, "num_beams": 1, "min_p": 0.05, "eos_token_id": [151645, 151643]}"#,
        )
        .unwrap();
        assert_eq!(config.penalty(), 1.1);
        let ignored = config.ignored(false);
        assert!(ignored.contains("temperature 0.7, top-k 20, top-p 0.8, min_p."), "{ignored}");
        assert!(config.ignored(true).contains("repetition penalty 1.1"));
        assert_eq!(GenerationConfig::default().ignored(true), "");
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            GenerationConfig::of(&ModelFolder::Disk(folder.path().into())).unwrap().penalty(),
            1.0
        );
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for json in [
            &b"{\"temperature\": "[..],
            b"[]x",
            b"{\"repetition_penalty\": 0}",
            b"{\"repetition_penalty\": -1.1}",
            b"{\"top_k\": -3}",
            b"{\"repetition_penalty\": \"high\"}",
        ] {
            let message = of(folder.path(), json).unwrap_err().to_string();
            assert!(message.ends_with(FILE) && message.contains(';'), "{message}");
        }
    }
}
