//! What a decoder needs beside its own weights, where it is looked for, and where it is published.
//!
//! Names and places of AliTok, RAR and RobusTok are those of reference/checkpoints/alitok-rar.md.
//! Those of the Hugging Face repositories of LlamaGen, Cosmos, MoVQGAN and flan-t5-xl are from memory
//! of the authors' pages and were not checked against a download.

use crate::checkpoint::files;
use crate::opening::identify::{Conditioning, Family, Geometry, Identified, Role};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// A file or folder that a model needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanionNeed {
    /// What it is for.
    pub role: Role,
    /// Families that fit.
    pub families: &'static [Family],
    /// Names under which the authors publish it, the usual one first.
    pub file_names: &'static [&'static str],
    /// Hugging Face repositories that hold it, as `organisation/name`; also the cache's folders.
    pub repositories: &'static [&'static str],
    /// Where to get it, as a sentence.
    pub source: &'static str,
}

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

impl CompanionNeed {
    /// What to tell a person who does not have it.
    pub fn part(&self) -> MissingPart {
        MissingPart {
            what: self.role.to_string(),
            file_names: self.file_names.iter().map(|&name| name.to_owned()).collect(),
            advice: self.source.to_owned(),
        }
    }
}

/// Names under which the authors publish the image tokenizer of a decoder.
pub(crate) fn tokenizer_names(decoder: &Identified) -> Vec<&'static str> {
    let needs = needs(decoder).into_iter().filter(|need| need.role == Role::ImageTokenizer);
    needs.flat_map(|need| need.file_names.iter().copied()).collect()
}

const ALITOK: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    families: &[Family::AliTokTokenizer],
    file_names: &["AliTok.pth"],
    repositories: &[],
    source: "download it from the Google Drive folder linked from the AliTok README (section \"Download Trained Models\") and put it beside the model",
};
const MASKGIT: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    families: &[Family::MaskGitVqgan],
    file_names: &["maskgit-vqgan-imagenet-f16-256.bin"],
    repositories: &["fun-research/TiTok"],
    source: "download it from the Hugging Face model repository fun-research/TiTok and put it beside the model",
};
const ROBUSTOK: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    families: &[Family::MaskGitVqgan],
    file_names: &["main-train.pt", "post-train.pt"],
    repositories: &["qiuk6/RobusTok"],
    source: "it is published in the Hugging Face model repository qiuk6/RobusTok and not of a kind that this \
             program reads, so open the RAR of yucornetto/RAR instead",
};
const VQ_CLASS: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    families: &[Family::LlamaGenVq],
    file_names: &["vq_ds16_c2i.pt", "vq_ds8_c2i.pt"],
    repositories: &["FoundationVision/LlamaGen"],
    source: "download it from the table of class-conditional models in the LlamaGen README and put it beside the model",
};
const VQ_TEXT: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    families: &[Family::LlamaGenVq],
    file_names: &["vq_ds16_t2i.pt"],
    repositories: &["peizesun/llamagen_t2i", "FoundationVision/LlamaGen"],
    source: "download it from the table of text-conditional models in the LlamaGen README and put it beside the model",
};
const FLAN_T5: CompanionNeed = CompanionNeed {
    role: Role::TextEncoder,
    families: &[Family::T5Encoder],
    file_names: &["flan-t5-xl"],
    repositories: &["google/flan-t5-xl"],
    source: "download the folder from the Hugging Face model repository google/flan-t5-xl and put it beside the model",
};
const COSMOS: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    families: &[Family::Cosmos, Family::FsqConv],
    file_names: &["decoder.jit"],
    repositories: &[
        "nvidia/Cosmos-1.0-Tokenizer-DV8x16x16",
        "nvidia/Cosmos-0.1-Tokenizer-DV8x16x16",
        "nvidia/Cosmos-Tokenizer-DV8x16x16",
    ],
    source: "download it from the Cosmos DV 8x16x16 repository that the SimpleAR README names and put it beside the model",
};
const BUILT_IN: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    families: &[Family::FsqConv],
    file_names: &["image_tokenizer.safetensors"],
    repositories: &[],
    source: "copy it from the folder that model.safetensors came from and put it beside the model",
};
const MOVQGAN: CompanionNeed = CompanionNeed {
    role: Role::ImageTokenizer,
    families: &[Family::MoVqgan],
    file_names: &["movqgan_270M.ckpt"],
    repositories: &["ai-forever/MoVQGAN"],
    source: "download it from the MoVQGAN repository that the Lumina-mGPT 2.0 README names and put it beside the model",
};

/// What a decoder needs; nothing for tokenizers and encoders.
pub fn needs(decoder: &Identified) -> Vec<CompanionNeed> {
    let Geometry::Decoder(geometry) = &decoder.geometry else { return Vec::new() };
    match (decoder.family, geometry.conditioning) {
        (Family::AliTok, _) => vec![ALITOK],
        (Family::Rar, _) if geometry.codebook_size == Some(4096) => vec![ROBUSTOK],
        (Family::Rar, _) => vec![MASKGIT],
        (Family::LlamaGen, Conditioning::Caption { .. }) => vec![VQ_TEXT, FLAN_T5],
        (Family::LlamaGen, _) => vec![VQ_CLASS],
        // SimpleAR's tokenizer has 64 000 codes; the built-in model's stands beside its decoder.
        (Family::SimpleAr, _) if geometry.vocabulary < 64_000 => vec![BUILT_IN],
        (Family::SimpleAr, _) => vec![COSMOS],
        (Family::Lumina, _) => vec![MOVQGAN],
        _ => Vec::new(),
    }
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

/// Places of a companion in the order they are tried: by its name beside the model, then any weight
/// file beside the model, then by its name in the cache. Most do not exist.
pub(crate) fn candidates(need: &CompanionNeed, model: &Path, caches: &[PathBuf]) -> Vec<PathBuf> {
    let folder = model.parent().unwrap_or(Path::new("."));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let near = [
        Some(folder.to_path_buf()),
        Some(folder.join("weights")),
        folder.parent().map(Path::to_path_buf),
    ];
    let mut places = Vec::new();
    for place in near.iter().flatten() {
        places.extend(need.file_names.iter().map(|name| place.join(name)));
    }
    if need.role == Role::ImageTokenizer {
        // The parent is left out: it may be a folder of downloads with any number of models.
        for place in near.iter().flatten().take(2) {
            let files = files::weight_files(place).unwrap_or_default();
            places.extend(files.into_iter().filter(|file| file != model).take(32));
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
    places.retain(|place| seen.insert(place.clone()));
    places
}
