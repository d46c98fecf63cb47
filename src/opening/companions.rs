//! Where the files that a decoder needs beside its own weights are looked for, and how a missing one is
//! asked for.

use crate::checkpoint::{files, renamed};
use crate::models::family::{CompanionNeed, Role};
use crate::opening::identify::Identified;
use crate::opening::opened::Opened;
use std::collections::HashSet;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// Folder in which the authors' instructions put what is downloaded.
const DOWNLOADS: &str = "pretrained_models";

/// A part that is asked for: what it is, what the authors call it, and where they publish it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPart {
    /// "image tokenizer"
    pub what: String,
    /// Names of the file or folder, the usual one first; any of them will do.
    pub file_names: Vec<String>,
    /// What to do, without a capital at its beginning.
    pub advice: String,
}

impl fmt::Display for MissingPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.file_names.join(" or ");
        write!(formatter, "its {}, {names}; {}", self.what, self.advice)
    }
}

impl MissingPart {
    /// The text tokenizer of a decoder that reads prompts itself.
    pub(super) fn prompt_tokenizer(decoder: &Opened) -> Self {
        Self::text_tokenizer(
            "text tokenizer",
            "vocab.json",
            "vocab.json goes with merges.txt and tokenizer_config.json",
            decoder,
        )
    }

    /// The text tokenizer of a text encoder.
    pub(super) fn caption_tokenizer(encoder: &Opened) -> Self {
        let what = "text encoder's tokenizer";
        Self::text_tokenizer(what, "spiece.model", "spiece.model needs no other file", encoder)
    }

    fn text_tokenizer(what: &str, other: &str, goes_with: &str, of: &Opened) -> Self {
        let folder = of.folder.path("");
        Self {
            what: what.into(),
            file_names: vec!["tokenizer.json".into(), other.into()],
            advice: format!(
                "download it from the same place as the weights into the same folder ({goes_with}): {}",
                folder.display()
            ),
        }
    }
}

impl From<&CompanionNeed> for MissingPart {
    fn from(need: &CompanionNeed) -> Self {
        Self {
            what: need.role.to_string(),
            file_names: need.file_names.iter().map(|&name| name.to_owned()).collect(),
            advice: need.source.to_owned(),
        }
    }
}

/// Names under which the authors publish the image tokenizer of a decoder.
pub(crate) fn tokenizer_names(decoder: &Identified) -> Vec<&'static str> {
    let needs = decoder.companions.iter().filter(|need| need.role == Role::ImageTokenizer);
    needs.flat_map(|need| need.file_names.iter().copied()).collect()
}

/// Folders of the Hugging Face cache on this machine, by its own rules.
pub fn cache_roots() -> Vec<PathBuf> {
    let variable =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".cache"));
    let roots = [
        variable("HF_HUB_CACHE"),
        variable("HUGGINGFACE_HUB_CACHE"),
        variable("HF_HOME").map(|home| home.join("hub")),
        variable("XDG_CACHE_HOME").map(|cache| cache.join("huggingface").join("hub")),
        home.map(|cache| cache.join("huggingface").join("hub")),
    ];
    roots.into_iter().flatten().collect()
}

/// Places of a companion in the order they are tried: by its name near the model, then any weight file
/// beside the model, then by its name in the cache.
pub(crate) fn candidates(need: &CompanionNeed, model: &Path, caches: &[PathBuf]) -> Vec<PathBuf> {
    let folder = model.parent().unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let beside: Vec<PathBuf> =
        ["", "weights", DOWNLOADS].iter().map(|name| folder.join(name)).collect();
    let around = around(folder).map(|parent| [parent.join(DOWNLOADS), parent]);
    let near = || beside.iter().chain(around.iter().flatten());
    let mut places = Vec::new();
    for place in near() {
        for below in [""].iter().chain(need.below) {
            let place = place.join(below);
            places.extend(need.file_names.iter().filter_map(|name| renamed::find(&place, name)));
        }
    }
    // A text encoder is not known by its contents: others of the same sizes give other rows.
    if need.role == Role::ImageTokenizer {
        // The parent is left out: it may be a folder of downloads with any number of models.
        for place in &beside {
            let files = files::weight_files(place).unwrap_or_default();
            // By its name: the same file may be written "a.pt" and "./a.pt".
            let other = |file: &PathBuf| place != folder || file.file_name() != model.file_name();
            places.extend(files.into_iter().filter(other));
        }
    }
    for cache in caches {
        for repository in need.repositories {
            let model = cache.join(format!("models--{}", repository.replace('/', "--")));
            let Ok(snapshot) = files::snapshot(&model) else { continue };
            match need.role {
                Role::TextEncoder => places.push(snapshot),
                _ => places.extend(need.file_names.iter().map(|name| snapshot.join(name))),
            }
        }
    }
    // A file of the usual name is one of any name, too.
    let mut seen = HashSet::new();
    places.retain(|place| place.exists() && seen.insert(place.clone()));
    places
}

/// The folder that a folder lies in.
fn around(folder: &Path) -> Option<PathBuf> {
    match (folder.components().next_back()?, folder.parent()) {
        (Component::Normal(_), Some(parent)) if !parent.as_os_str().is_empty() => {
            Some(parent.into())
        }
        (Component::RootDir | Component::Prefix(_), _) => None,
        // The last part does not say what it lies in.
        _ => Some(folder.join("..")),
    }
}
