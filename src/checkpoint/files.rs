//! From what a person chose (file, shard, index, folder, folder of the Hugging Face cache) to the
//! files that hold the weights.

use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::renamed::{self, plain_name};
use crate::checkpoint::results::{OWN_RUN, RESTORE, RUN_DESCRIPTION};
use crate::checkpoint::unpacked;
use std::path::{Path, PathBuf};

/// Names of an index, and of the single file it stands for, the safest container first.
const HUGGING_FACE: [(&str, &str); 2] = [
    ("model.safetensors.index.json", "model.safetensors"),
    ("pytorch_model.bin.index.json", "pytorch_model.bin"),
];

/// Where the weights are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WeightFiles {
    Single(PathBuf),
    /// The folder that an archive of PyTorch was unpacked to.
    Unpacked(PathBuf),
    /// The index of several shards.
    Sharded(PathBuf),
    /// A folder of several files, none of which is the usual one.
    Several(Vec<PathBuf>),
}

/// Finds the weight files of `path`.
pub(crate) fn resolve(path: &Path) -> Result<WeightFiles, CheckpointError> {
    let metadata = std::fs::metadata(path).map_err(|cause| CheckpointError::read(path, cause))?;
    if metadata.is_dir() {
        return in_folder(&snapshot(path)?);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let name = plain_name(&file_name(path));
    if name == unpacked::LIST && unpacked::is_unpacked(folder) {
        return Ok(WeightFiles::Unpacked(folder.to_path_buf()));
    }
    if name.ends_with(".index.json") {
        return Ok(WeightFiles::Sharded(path.to_path_buf()));
    }
    if let Some(stem) = shard_stem(&name) {
        return match renamed::find(folder, &format!("{stem}.index.json")) {
            Some(index) => Ok(WeightFiles::Sharded(index)),
            None => {
                let reason = format!(
                    "this is one of several shards and {stem}.index.json is missing; download it into the same folder"
                );
                Err(CheckpointError::format(path, reason))
            }
        };
    }
    Ok(WeightFiles::Single(path.to_path_buf()))
}

/// Weight files of a folder, sorted by name: shards left out, unpacked archives among them.
pub(crate) fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let read = |cause| CheckpointError::read(folder, cause);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = file_name(&path);
        let known = renamed::is_weight_name(&name) && shard_stem(&plain_name(&name)).is_none();
        if known && path.is_file() || unpacked::is_unpacked(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn in_folder(folder: &Path) -> Result<WeightFiles, CheckpointError> {
    if unpacked::is_unpacked(folder) {
        return Ok(WeightFiles::Unpacked(folder.to_path_buf()));
    }
    for (index, single) in HUGGING_FACE {
        if folder.join(index).is_file() {
            return Ok(WeightFiles::Sharded(folder.join(index)));
        }
        if folder.join(single).is_file() {
            return Ok(WeightFiles::Single(folder.join(single)));
        }
    }
    // Shards without their index are an error, whatever else lies in the folder.
    if let Some(shard) = first_shard(folder)? {
        return resolve(&shard);
    }
    let mut files = weight_files(folder)?;
    match (files.pop(), files.is_empty()) {
        (Some(file), true) if file.is_dir() => Ok(WeightFiles::Unpacked(file)),
        (Some(file), true) => Ok(WeightFiles::Single(file)),
        (Some(file), false) => {
            files.push(file);
            Ok(WeightFiles::Several(files))
        }
        (None, _) if folder.join(RUN_DESCRIPTION).is_file() => {
            let reason = format!("this folder holds {OWN_RUN}; {RESTORE}");
            Err(CheckpointError::format(folder, reason))
        }
        (None, _) => {
            let reason = "the folder holds no weight files (safetensors, .bin, .pt, .pth, .ckpt, .jit); choose another";
            Err(CheckpointError::format(folder, reason))
        }
    }
}

fn first_shard(folder: &Path) -> Result<Option<PathBuf>, CheckpointError> {
    let read = |cause| CheckpointError::read(folder, cause);
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if shard_stem(&plain_name(&file_name(&path))).is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The newest snapshot if `folder` is a model's folder in the Hugging Face cache
/// (`models--organisation--name`), else the folder itself.
pub(crate) fn snapshot(folder: &Path) -> Result<PathBuf, CheckpointError> {
    let snapshots = folder.join("snapshots");
    if !snapshots.is_dir() {
        return Ok(folder.to_path_buf());
    }
    // The branch that was downloaded last names its snapshot.
    if let Ok(revision) = std::fs::read_to_string(folder.join("refs").join("main")) {
        let revision = revision.trim();
        let named = snapshots.join(revision);
        if !revision.contains(['/', '\\', '.']) && named.is_dir() {
            return Ok(named);
        }
    }
    let read = |cause| CheckpointError::read(&snapshots, cause);
    let mut newest = None;
    for entry in std::fs::read_dir(&snapshots).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let modified = std::fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
        newest = newest.max(path.is_dir().then_some((modified, path)));
    }
    newest.map(|(_, path)| path).ok_or_else(|| {
        CheckpointError::format(
            folder,
            "this cache folder holds no snapshot; download the model again",
        )
    })
}

/// `model.safetensors` of `model-00001-of-00002.safetensors`; `None` for a file that is no shard.
pub(crate) fn shard_stem(name: &str) -> Option<String> {
    let (stem, ending) = name.rsplit_once('.')?;
    let (stem, count) = stem.rsplit_once("-of-")?;
    let (stem, number) = stem.rsplit_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(count) && digits(number)).then(|| format!("{stem}.{ending}"))
}

/// Name of a file without its folder, for messages and comparisons.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
