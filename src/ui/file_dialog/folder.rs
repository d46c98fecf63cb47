//! What is in a folder and what a path is, read on threads of their own: a disk that does not answer holds
//! neither the window nor the next look.

use crossbeam_channel::{Receiver, bounded};
use egui::Context;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Most entries that are listed; a name beyond them can be typed.
const MOST: usize = 5000;

/// A file or folder in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// It is a folder, or a link to one.
    pub is_folder: bool,
    /// Its size; nothing for folders and where it cannot be told.
    pub bytes: Option<u64>,
}

/// What is in a folder, folders first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Files and folders.
    pub entries: Vec<Entry>,
    /// There are more than are listed.
    pub more: bool,
}

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// Nothing, in a folder that is there.
    Nothing,
    /// Nothing, in a folder that is not there either.
    NoFolder,
}

/// Does `work` on a thread and repaints when it is done; nothing comes where there is no thread.
pub fn on_thread<T: Send + 'static>(
    ctx: &Context,
    work: impl FnOnce() -> T + Send + 'static,
) -> Receiver<T> {
    let (sender, result) = bounded(1);
    let waker = ctx.clone();
    let thread = std::thread::Builder::new().name("folder".into()).spawn(move || {
        // Nobody listens if the person has gone on to another folder.
        let _ = sender.send(work());
        waker.request_repaint();
    });
    drop(thread);
    result
}

/// Reads a folder.
///
/// # Errors
/// What is wrong, then what to do, with the path last.
pub fn contents(folder: &Path) -> Result<Contents, String> {
    let wrong = |error: io::Error| {
        let what = match error.kind() {
            io::ErrorKind::NotFound => "There is no such folder. Correct the name",
            io::ErrorKind::PermissionDenied => "This folder may not be read. Choose another",
            io::ErrorKind::NotADirectory => "This is a file, not a folder. Go one up",
            _ => {
                return format!(
                    "This folder cannot be read ({error}). Choose another: {}",
                    folder.display()
                );
            }
        };
        format!("{what}: {}", folder.display())
    };
    let mut contents = Contents::default();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        if contents.entries.len() == MOST {
            contents.more = true;
            break;
        }
        let Ok(entry) = entry else { continue };
        // Of what a link leads to; a link that leads nowhere is left as a file.
        let about = std::fs::metadata(entry.path());
        let is_folder = about.as_ref().is_ok_and(std::fs::Metadata::is_dir);
        let bytes = about.ok().filter(|_| !is_folder).map(|about| about.len());
        contents.entries.push(Entry { name: entry.file_name(), is_folder, bytes });
    }
    contents.entries.sort_by_cached_key(|entry| {
        let name = entry.name.to_string_lossy();
        (!entry.is_folder, name.to_lowercase(), entry.name.clone())
    });
    Ok(contents)
}

/// Looks at a path.
pub fn look_at(path: &Path) -> Seen {
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => Seen::Folder,
        Ok(_) => Seen::File,
        // A link that leads nowhere, or a file that may not be looked at: there is something.
        Err(_) if std::fs::symlink_metadata(path).is_ok() => Seen::File,
        Err(_) if path.parent().is_some_and(Path::is_dir) => Seen::Nothing,
        Err(_) => Seen::NoFolder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_come_first_and_what_is_wrong_is_said() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path();
        fs::write(folder.join("B.bin"), b"123").unwrap();
        fs::write(folder.join("a.bin"), b"").unwrap();
        fs::create_dir(folder.join("z")).unwrap();
        let contents_of = |folder: &Path| contents(folder).unwrap();
        let names = contents_of(folder).entries;
        let names: Vec<_> = names.iter().map(|entry| entry.name.to_str().unwrap()).collect();
        assert_eq!(names, ["z", "a.bin", "B.bin"]);
        assert_eq!(contents_of(folder).entries[2].bytes, Some(3));
        let absent = folder.join("absent");
        assert!(contents(&absent).unwrap_err().starts_with("There is no such folder."));
        assert!(contents(&folder.join("a.bin")).unwrap_err().starts_with("This is a file"));
        assert_eq!(look_at(&folder.join("z")), Seen::Folder);
        assert_eq!(look_at(&folder.join("a.bin")), Seen::File);
        assert_eq!(look_at(&absent), Seen::Nothing);
        assert_eq!(look_at(&absent.join("x")), Seen::NoFolder);
    }
}
