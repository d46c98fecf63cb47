//! The folder that weights lie in: the small files beside them, on the disk or inside the binary.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::file_kind::without_mark;
use crate::checkpoint::json_file::{self, JsonFile, MAX_JSON};
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A folder of a model.
#[derive(Debug, Clone)]
pub enum ModelFolder {
    /// On the disk.
    Disk(PathBuf),
    /// Names and contents inside the binary.
    Embedded(&'static [(&'static str, &'static [u8])]),
}

impl ModelFolder {
    /// The folder of a file on the disk. An unpacked archive is a folder itself, which may hold the files
    /// that otherwise stand beside it.
    pub fn of(file: &Path) -> Self {
        if file.join("config.json").is_file() {
            return Self::Disk(file.to_path_buf());
        }
        Self::Disk(file.parent().unwrap_or(Path::new("")).to_path_buf())
    }

    /// Where a file of this name lies or would lie, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Disk(folder) => folder.join(name),
            Self::Embedded(_) => PathBuf::from(name),
        }
    }

    /// A whole file, without the byte order mark that some editors put before a text; `None` if there is
    /// none of this name.
    ///
    /// # Errors
    /// It cannot be read, or is longer than the small files of any model.
    pub fn read(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>, CheckpointError> {
        let Some(length) = self.length(name) else { return Ok(None) };
        let path = self.path(name);
        if length > MAX_JSON {
            let reason =
                format!("{name} has {length} bytes, more than any model's; get another copy");
            return Err(CheckpointError::format(&path, reason));
        }
        match self {
            Self::Embedded(_) => Ok(self.embedded(name).map(Cow::Borrowed)),
            Self::Disk(_) => {
                let mut bytes =
                    std::fs::read(&path).map_err(|cause| CheckpointError::read(&path, cause))?;
                bytes.drain(..bytes.len() - without_mark(&bytes).len());
                Ok(Some(bytes.into()))
            }
        }
    }

    /// A JSON file, `None` if there is none of this name.
    ///
    /// # Errors
    /// It cannot be read, or is not what it is called; with file, line and reason.
    pub fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, CheckpointError> {
        let text = self.read(name)?;
        text.map(|text| json_file::parse(&text, &self.path(name))).transpose()
    }

    /// As [`ModelFolder::json`], to be read again and again.
    pub(crate) fn json_file(&self, name: &str) -> Result<Option<JsonFile>, CheckpointError> {
        let text = self.read(name)?;
        text.map(|text| JsonFile::new(&text, self.path(name))).transpose()
    }

    /// Bytes of a file, `None` if there is none of this name.
    fn length(&self, name: &str) -> Option<u64> {
        match self {
            Self::Disk(folder) => {
                let metadata = std::fs::metadata(folder.join(name)).ok()?;
                metadata.is_file().then_some(metadata.len())
            }
            Self::Embedded(_) => self.embedded(name).map(|bytes| bytes.len() as u64),
        }
    }

    fn embedded(&self, name: &str) -> Option<&'static [u8]> {
        let Self::Embedded(files) = self else { return None };
        files.iter().find(|(file, _)| *file == name).map(|(_, bytes)| *bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_folders_give_the_same_answers() {
        let disk = tempfile::tempdir().unwrap();
        std::fs::write(disk.path().join("a.json"), "{}").unwrap();
        let embedded = ModelFolder::Embedded(&[("a.json", b"{}")]);
        for folder in [ModelFolder::Disk(disk.path().into()), embedded] {
            assert_eq!(folder.read("a.json").unwrap().unwrap().as_ref(), b"{}");
            assert_eq!((folder.length("a.json"), folder.length("b.json")), (Some(2), None));
            assert!(folder.read("b.json").unwrap().is_none());
        }
    }
}
