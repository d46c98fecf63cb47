//! What a thread asks the person for: files to open, a folder, a name to save under.

use crossbeam_channel::Sender;
use std::path::{Path, PathBuf};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Files that are there.
    Files,
    /// A folder that is there.
    Folder,
    /// A file to write.
    NewFile,
}

/// Files of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileKind {
    /// What it is called.
    pub name: &'static str,
    /// Endings of its names, without the dot; every name where there are none.
    pub endings: &'static [&'static str],
}

impl FileKind {
    /// Whether a name is of this kind.
    pub fn has(&self, name: &Path) -> bool {
        let ending = name.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        self.endings.is_empty() || ending.is_some_and(|it| self.endings.contains(&it.as_str()))
    }
}

/// A question, and where its answer goes.
#[derive(Debug)]
pub struct FileQuestion {
    /// What is asked for.
    pub wanted: Wanted,
    /// Title of the dialog.
    pub title: String,
    /// Name offered for a new file; empty otherwise.
    pub name: String,
    /// Kinds of files; the first gives a name without an ending its own.
    pub kinds: &'static [FileKind],
    /// The paths, or nothing if the person has changed their mind. Dropped with the window.
    pub answer: Sender<Vec<PathBuf>>,
}

/// A name typed without an ending gets the first of those offered.
pub fn with_ending(mut file: PathBuf, kinds: &[FileKind]) -> PathBuf {
    let first = kinds.first().and_then(|kind| kind.endings.first());
    if file.extension().is_none()
        && let Some(ending) = first
    {
        file.set_extension(ending);
    }
    file
}
