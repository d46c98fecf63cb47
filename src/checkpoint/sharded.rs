//! Checkpoints in several files: an index says which tensor is in which shard. The index has to name
//! every shard in the folder and every tensor in the shards, and nothing outside the folder.

use crate::checkpoint::entry::TensorEntry;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::file_kind::FileKind;
use crate::checkpoint::files;
use crate::checkpoint::source::SourceFile;
use crate::checkpoint::{json_file, renamed, safetensors_file, torch_file};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

/// Most shards that are opened.
const MAX_SHARDS: usize = 1_000;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Opens the shards that the index at `path` names, and reads the list of their tensors.
pub(crate) fn open(path: &Path) -> Result<(Vec<SourceFile>, Vec<TensorEntry>), CheckpointError> {
    let wrong = |reason: String| CheckpointError::format(path, reason);
    let file = SourceFile::open(path)?;
    if file.length() > json_file::MAX_JSON {
        return Err(wrong("the index is larger than any model's; choose the weight file".into()));
    }
    let text = file.bytes(0, file.length())?;
    let index: Index = json_file::parse(&text, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let shards: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    if shards.len() > MAX_SHARDS {
        return Err(wrong(format!("the index names {} shards; get another copy", shards.len())));
    }
    for shard in &shards {
        // A link in the folder may lead elsewhere, as in the Hugging Face cache: the person put it there.
        let inside = Path::new(shard).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || shard.is_empty() || shard.contains('\\') {
            return Err(wrong(format!(
                "the index names \"{shard}\", which lies outside its folder; do not use this model"
            )));
        }
        if renamed::find(folder, shard).is_none() {
            let shard = (*shard).to_owned();
            return Err(CheckpointError::MissingShard { shard, path: path.to_path_buf() });
        }
    }
    no_extra_shard(path, folder, &shards)?;
    read_shards(path, folder, &shards, &index)
}

/// A shard of the same name pattern that the index does not know belongs to another download.
fn no_extra_shard(
    path: &Path,
    folder: &Path,
    shards: &BTreeSet<&str>,
) -> Result<(), CheckpointError> {
    let stem = shards.first().and_then(|shard| files::shard_stem(shard));
    let read = |cause| CheckpointError::read(folder, cause);
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let name = renamed::plain_name(&entry.map_err(read)?.file_name().to_string_lossy());
        if stem.is_some() && files::shard_stem(&name) == stem && !shards.contains(name.as_str()) {
            let reason = format!(
                "the folder holds the shard {name} that the index does not name; files of two downloads are mixed, \
                 download the model into a folder of its own"
            );
            return Err(CheckpointError::format(path, reason));
        }
    }
    Ok(())
}

fn read_shards(
    path: &Path,
    folder: &Path,
    shards: &BTreeSet<&str>,
    index: &Index,
) -> Result<(Vec<SourceFile>, Vec<TensorEntry>), CheckpointError> {
    let (mut sources, mut entries) = (Vec::new(), Vec::new());
    for (number, shard) in shards.iter().enumerate() {
        let place = renamed::find(folder, shard).unwrap_or_else(|| folder.join(shard));
        let file = SourceFile::open(&place)?;
        let found = match FileKind::of_file(&file)? {
            FileKind::Zip => torch_file::read_zip(&file, number, None)?.entries,
            FileKind::Safetensors => safetensors_file::entries(&file, number)?,
            FileKind::TorchLegacy => torch_file::read_legacy(&file, number, None)?.entries,
            other => return Err(CheckpointError::format(file.path(), other.refusal("this"))),
        };
        for entry in &found {
            if index.weight_map.get(&entry.name).map(String::as_str) != Some(*shard) {
                let reason = format!(
                    "the shard {shard} holds {}, which the index places elsewhere; download the model again",
                    entry.name
                );
                return Err(CheckpointError::format(path, reason));
            }
        }
        entries.extend(found);
        sources.push(file);
    }
    // Every tensor found is in the index, so equal counts mean equal sets.
    if entries.len() != index.weight_map.len() {
        let found: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let missing = index.weight_map.iter().find(|(name, _)| !found.contains(name.as_str()));
        let (tensor, shard) = missing.map_or(("", ""), |(name, shard)| (name, shard));
        let reason = format!(
            "the index places {tensor} in {shard}, which does not hold it; download that shard again"
        );
        return Err(CheckpointError::format(path, reason));
    }
    Ok((sources, entries))
}
