//! Tokens that stand beside a vocabulary, and what a tokenizer's configuration says of them.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::text_tokenizer::fault;
use crate::compute::error::ModelError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};

/// Keys whose values are special tokens.
const SPECIAL_KEYS: [&str; 8] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
    "additional_special_tokens",
];
/// Older folders name special tokens in a file of their own.
const SPECIAL_FILE: &str = "special_tokens_map.json";
const ADDED_FILE: &str = "added_tokens.json";
const CONFIG_FILE: &str = "tokenizer_config.json";

/// A token as `tokenizer.json` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct AddedToken {
    id: u32,
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

impl AddedToken {
    /// A token that is found as it stands; a special one is not normalized.
    pub(super) fn new(id: u32, content: impl Into<String>, special: bool) -> Self {
        Self {
            id,
            content: content.into(),
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: !special,
            special,
        }
    }

    /// The same token, looked for in the text before it is normalized.
    pub(super) fn not_normalized(self) -> Self {
        Self { normalized: false, ..self }
    }

    /// The place that it is sorted by.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Whether the other has its text or its id.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.id == other.id || self.content == other.content
    }
}

/// A token of `added_tokens_decoder`; what it does not say is as in [`AddedToken::new`].
#[derive(Deserialize)]
struct Described {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

/// `tokenizer_config.json`, as far as it concerns how text becomes ids.
#[derive(Default, Deserialize)]
pub(super) struct TokenizerConfig {
    tokenizer_class: Option<String>,
    added_tokens_decoder: Option<BTreeMap<u32, Described>>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl TokenizerConfig {
    /// Reads the file of a folder; one that is absent says nothing.
    ///
    /// # Errors
    /// It is damaged.
    pub(super) fn of(folder: &ModelFolder) -> Result<Self, ModelError> {
        Ok(folder.json(CONFIG_FILE)?.unwrap_or_default())
    }

    /// Refuses another class than `known`, whose rules may be others; "Fast" at its end means nothing.
    ///
    /// # Errors
    /// The class, and that `tokenizer.json` is needed.
    pub(super) fn expect_class(&self, folder: &ModelFolder, known: &str) -> Result<(), ModelError> {
        let Some(class) = &self.tokenizer_class else { return Ok(()) };
        if class.strip_suffix("Fast").unwrap_or(class) == known {
            return Ok(());
        }
        let reason = format!(
            "the text tokenizer is a {class}, whose rules are known only from a tokenizer.json; put that file of the \
             model beside it"
        );
        Err(fault::wrong(folder, CONFIG_FILE, reason))
    }

    /// A whole number under `key`.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.other.get(key)?.as_u64()
    }

    /// A switch under `key`.
    pub(super) fn switch(&self, key: &str) -> Option<bool> {
        self.other.get(key)?.as_bool()
    }

    /// The tokens beside `vocabulary`, by their ids: those that are listed, then special ones that the
    /// vocabulary holds as ordinary tokens or not at all.
    ///
    /// # Errors
    /// A list that is damaged.
    pub(super) fn added_tokens(
        &self,
        folder: &ModelFolder,
        vocabulary: &HashMap<String, u32>,
    ) -> Result<Vec<AddedToken>, ModelError> {
        let mut specials = names(&self.other);
        let mut tokens: BTreeMap<u32, AddedToken> = match &self.added_tokens_decoder {
            Some(listed) => {
                listed.iter().map(|(&id, described)| (id, described.with_id(id))).collect()
            }
            None => {
                let map: Map<String, Value> = folder.json(SPECIAL_FILE)?.unwrap_or_default();
                specials.extend(names(&map));
                let listed: BTreeMap<String, u32> = folder.json(ADDED_FILE)?.unwrap_or_default();
                let tokens = listed.into_iter().map(|(content, id)| {
                    let special = specials.contains(&content);
                    (id, AddedToken::new(id, content, special))
                });
                tokens.collect()
            }
        };
        for special in specials {
            if tokens.values().any(|token| token.content == special) {
                continue;
            }
            let next = || {
                let listed = tokens.keys().next_back().copied();
                let own = vocabulary.values().max().copied();
                listed.max(own).map_or(Some(0), |largest| largest.checked_add(1))
            };
            if let Some(id) = vocabulary.get(&special).copied().or_else(next) {
                tokens.insert(id, AddedToken::new(id, special, true));
            }
        }
        Ok(tokens.into_values().collect())
    }
}

impl Described {
    fn with_id(&self, id: u32) -> AddedToken {
        AddedToken {
            id,
            content: self.content.clone(),
            single_word: self.single_word,
            lstrip: self.lstrip,
            rstrip: self.rstrip,
            normalized: self.normalized.unwrap_or(!self.special),
            special: self.special,
        }
    }
}

/// The special tokens that a configuration names, each once.
fn names(config: &Map<String, Value>) -> Vec<String> {
    let values = SPECIAL_KEYS.iter().filter_map(|key| config.get(*key));
    let values = values.flat_map(|value| match value {
        Value::Array(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    });
    let mut names: Vec<String> = Vec::new();
    for value in values {
        let name = value.as_str().or_else(|| value.get("content")?.as_str());
        if let Some(name) = name.filter(|name| !names.iter().any(|known| known == name)) {
            names.push(name.to_owned());
        }
    }
    names
}
