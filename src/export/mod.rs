//! What leaves the program: images with their settings inside, traces, run descriptions. Every file
//! is written beside its target and renamed when it is whole, so a failure leaves what was there.

pub mod png;
pub mod run_folder;
pub mod run_json;
pub mod trace;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use thiserror::Error;

/// A file could not be saved; whatever stood there before still does.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The system refused.
    #[error("could not save ({cause}); check the free space and that the folder may be written to, or choose another: {}", path.display())]
    Write {
        /// The system's message.
        cause: io::Error,
        /// The target.
        path: PathBuf,
    },
    /// A folder stands where a file is to be.
    #[error("a folder has the name of a file that is to be saved; choose another folder, or move it away: {}", path.display())]
    NotAFile {
        /// The folder.
        path: PathBuf,
    },
    /// The target folder is no folder.
    #[error("this is a file, not a folder; choose another name: {}", path.display())]
    NotAFolder {
        /// The target.
        path: PathBuf,
    },
    /// The target folder holds the files of another run.
    #[error("this folder holds {held} already; choose another folder, or replace them with --overwrite: {}", path.display())]
    Occupied {
        /// What is there, in words.
        held: String,
        /// The folder.
        path: PathBuf,
    },
    /// The target folder describes something that this program did not write.
    #[error("its run.json cannot be read as a run of this program ({reason}), so nothing here is replaced; choose another folder: {}", path.display())]
    NotARun {
        /// What is wrong with it.
        reason: String,
        /// The folder.
        path: PathBuf,
    },
    /// The picture could not be encoded.
    #[error("the image could not be encoded ({reason}): {}", path.display())]
    Encode {
        /// The encoder's message.
        reason: String,
        /// The target.
        path: PathBuf,
    },
}

impl ExportError {
    /// A refusal of the system at `path`, without the name of a temporary file that may stand around it.
    fn write(cause: io::Error, path: &Path) -> Self {
        let text = cause.to_string();
        let cause = match text.split_once(" at path ") {
            Some((reason, _)) => io::Error::new(cause.kind(), reason.to_owned()),
            None => cause,
        };
        Self::Write { cause, path: path.to_path_buf() }
    }
}

/// A file written in full that has not taken its place yet.
pub struct Staged {
    file: NamedTempFile,
    target: PathBuf,
}

impl Staged {
    /// Writes the content beside `target`.
    ///
    /// # Errors
    /// The folder cannot be written to, the disk is full, or `content` fails.
    pub fn write(
        target: &Path,
        content: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> io::Result<()>,
    ) -> Result<Self, ExportError> {
        let failed = |cause| ExportError::write(cause, target);
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut file = temporary_file(folder, target).map_err(failed)?;
        let mut writer = BufWriter::new(&mut file);
        content(&mut writer).and_then(|()| writer.flush()).map_err(failed)?;
        drop(writer);
        file.as_file().sync_all().map_err(failed)?;
        Ok(Self { file, target: target.to_path_buf() })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// The rename is refused.
    pub fn commit(self) -> Result<(), ExportError> {
        let Self { file, target } = self;
        file.persist(&target).map(|_| ()).map_err(|error| ExportError::write(error.error, &target))
    }
}

/// A file beside `target` with the permissions that it is to have: those of the file that it replaces, or
/// those that the person's umask gives to new files. Without this temporary files are private.
fn temporary_file(folder: &Path, target: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder)?;
    if let Ok(replaced) = std::fs::metadata(target) {
        file.as_file().set_permissions(replaced.permissions())?;
    }
    Ok(file)
}

/// Makes sure that `folder` exists and files can be created in it, before anything is computed.
///
/// # Errors
/// It is a file, or cannot be created or written to.
pub fn prepare_folder(folder: &Path) -> Result<(), ExportError> {
    if folder.exists() && !folder.is_dir() {
        return Err(ExportError::NotAFolder { path: folder.to_path_buf() });
    }
    let failed = |cause| ExportError::write(cause, folder);
    std::fs::create_dir_all(folder).map_err(failed)?;
    NamedTempFile::new_in(folder).map(drop).map_err(failed)
}
