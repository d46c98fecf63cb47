//! The folder that weights lie in: the small files beside them, on the disk or inside the binary.

use crate::checkpoint::read_file::read_file;
use crate::compute::error::ModelError;
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

    /// A whole file.
    ///
    /// # Errors
    /// There is no such file or it cannot be read; with its path.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>, ModelError> {
        match self {
            Self::Disk(folder) => Ok(read_file(&folder.join(name))?.into()),
            Self::Embedded(_) => self.embedded(name).map(Cow::Borrowed).ok_or_else(|| {
                let cause = std::io::ErrorKind::NotFound.into();
                ModelError::Read { cause, path: self.path(name) }
            }),
        }
    }

    /// A whole file, `None` if there is none of this name.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_if_there(&self, name: &str) -> Result<Option<Cow<'static, [u8]>>, ModelError> {
        self.contains(name).then(|| self.read(name)).transpose()
    }

    /// Whether there is a file of this name.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::Disk(folder) => folder.join(name).is_file(),
            Self::Embedded(_) => self.embedded(name).is_some(),
        }
    }

    /// Bytes of a file, `None` if there is none of this name.
    pub fn length(&self, name: &str) -> Option<u64> {
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
            assert_eq!(folder.read("a.json").unwrap().as_ref(), b"{}");
            assert_eq!((folder.length("a.json"), folder.length("b.json")), (Some(2), None));
            assert!(folder.contains("a.json") && folder.read_if_there("b.json").unwrap().is_none());
            assert!(folder.read("b.json").unwrap_err().to_string().ends_with("b.json"));
        }
    }
}
