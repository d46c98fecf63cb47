//! An archive of PyTorch that somebody or some system unpacked: a folder with `data.pkl` and a file for each
//! block of numbers in `data`.

use crate::checkpoint::entry::Stored;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::source::SourceFile;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The list of tensors.
pub(crate) const LIST: &str = "data.pkl";
/// The folder of blocks.
const BLOCKS: &str = "data";
/// Most blocks that are looked at; the largest training files have some thousands.
const MAX_BLOCKS: usize = 200_000;

/// Whether a folder is an unpacked archive.
pub(crate) fn is_unpacked(folder: &Path) -> bool {
    folder.join(LIST).is_file() && folder.join(BLOCKS).is_dir()
}

/// The files of an unpacked archive, as one file in which they lie one after the other.
pub(crate) struct Unpacked {
    pub(crate) file: SourceFile,
    members: HashMap<String, Stored>,
}

impl Unpacked {
    /// Lists the files of `folder`.
    ///
    /// # Errors
    /// The system refuses, or there are more files than any model has.
    pub(crate) fn open(folder: &Path) -> Result<Self, CheckpointError> {
        let blocks = folder.join(BLOCKS);
        let read = |cause| CheckpointError::read(&blocks, cause);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&blocks).map_err(read)? {
            let entry = entry.map_err(read)?;
            // A name that is not text is none of PyTorch's.
            if let Some(name) = entry.file_name().to_str() {
                names.push(format!("{BLOCKS}/{name}"));
            }
            if names.len() > MAX_BLOCKS {
                let reason =
                    "the folder holds more blocks of numbers than any model; choose another";
                return Err(CheckpointError::format(&blocks, reason));
            }
        }
        // In the order of their numbers, so that the hash of the files is the same everywhere.
        names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        names.splice(0..0, [LIST.to_owned(), "byteorder".to_owned()]);
        names.retain(|name| folder.join(name).is_file());
        let paths: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
        let (file, places) = SourceFile::joined(folder, paths)?;
        let stored = places.into_iter().map(|(start, length)| Stored::Plain { start, length });
        Ok(Self { file, members: names.into_iter().zip(stored).collect() })
    }

    /// Where the contents of a member lie; `None` if there is none of this name.
    pub(crate) fn stored(&self, name: &str) -> Option<Stored> {
        self.members.get(name).copied()
    }
}
