//! What the dialog knows: the folder in view, what is typed and picked, and what becomes of them.

use crate::ui::file_dialog::folder;
use crate::ui::file_dialog::folder::{Contents, Entry, Seen};
use crate::ui::file_dialog::question::{FileQuestion, Wanted, with_ending};
use crate::ui::kit::paths;
use crossbeam_channel::{Receiver, TryRecvError};
use egui::Context;
use std::path::{Path, PathBuf};

/// The dialog while it is open.
pub struct FileDialog {
    pub(super) question: FileQuestion,
    /// The folder in view.
    pub(super) folder: PathBuf,
    /// What is in it; nothing while it is read.
    pub(super) contents: Option<Result<Contents, String>>,
    reading: Option<Receiver<Result<Contents, String>>>,
    /// Typed name or path.
    pub(super) name: String,
    /// Files clicked, in place of a name.
    pub(super) picked: Vec<PathBuf>,
    /// Files of every kind are listed.
    pub(super) all_kinds: bool,
    checking: Option<Receiver<(PathBuf, Seen)>>,
    /// A file that is there, to be replaced when it is asked for once more.
    pub(super) replaces: Option<PathBuf>,
    /// What is wrong with what was asked for last.
    pub(super) problem: Option<String>,
    /// Lines that the keyboard has gone down the list.
    pub(super) line: Option<usize>,
    /// The field for the name has had the keyboard.
    pub(super) has_keyboard: bool,
    /// The answer was given.
    pub(super) done: bool,
}

impl FileDialog {
    /// Asks a question, beginning in a folder.
    pub fn new(ctx: &Context, question: FileQuestion, folder: PathBuf) -> Self {
        let mut dialog = Self {
            name: question.name.clone(),
            question,
            folder: PathBuf::new(),
            contents: None,
            reading: None,
            picked: Vec::new(),
            all_kinds: false,
            checking: None,
            replaces: None,
            problem: None,
            line: None,
            has_keyboard: false,
            done: false,
        };
        dialog.go_to(ctx, folder);
        dialog
    }

    /// Shows another folder.
    pub fn go_to(&mut self, ctx: &Context, folder: PathBuf) {
        let read = folder.clone();
        self.reading = Some(folder::on_thread(ctx, move || folder::contents(&read)));
        (self.folder, self.contents) = (folder, None);
        self.picked.clear();
        self.name_changed();
    }

    /// The folder in view, if it could be read.
    pub fn readable_folder(self) -> Option<PathBuf> {
        self.contents.is_some_and(|contents| contents.is_ok()).then_some(self.folder)
    }

    /// Shows the folder around this one.
    pub fn go_up(&mut self, ctx: &Context) {
        if let Some(parent) = self.folder.parent().map(Path::to_path_buf) {
            self.go_to(ctx, parent);
        }
    }

    /// Follows a typed name into the folders that it names.
    pub fn follow_name(&mut self, ctx: &Context) {
        self.picked.clear();
        self.name_changed();
        let at = self.name.rfind('/').map(|at| at + 1);
        let Some((path, rest)) = at.and_then(|at| self.name.split_at_checked(at)) else { return };
        let (folder, rest) = (paths::resolve(&self.folder, path), rest.to_owned());
        self.go_to(ctx, folder);
        self.name = rest;
    }

    fn name_changed(&mut self) {
        (self.replaces, self.problem, self.checking, self.line) = (None, None, None, None);
    }

    /// What is listed: what begins as the typed name does, and is of the kinds asked for. A new file's name
    /// chooses nothing.
    pub fn listed(&self) -> Vec<&Entry> {
        let Some(Ok(contents)) = &self.contents else { return Vec::new() };
        let typed = if self.question.wanted == Wanted::NewFile { "" } else { self.name.trim() };
        let begin = typed.to_lowercase();
        let wanted = |entry: &&Entry| {
            let name = entry.name.to_string_lossy();
            let fits = entry.is_folder
                || (self.question.wanted != Wanted::Folder && self.is_of_kind(entry));
            let hidden = name.starts_with('.') && !begin.starts_with('.');
            fits && !hidden && name.to_lowercase().starts_with(&begin)
        };
        contents.entries.iter().filter(wanted).collect()
    }

    fn is_of_kind(&self, entry: &Entry) -> bool {
        let kinds = self.question.kinds;
        self.all_kinds
            || kinds.is_empty()
            || kinds.iter().any(|kind| kind.has(Path::new(&entry.name)))
    }

    /// What the typed name can be completed to, if there is anything.
    pub fn completion(&self) -> Option<String> {
        let begin = self.name.to_lowercase();
        let mut listed = self.listed();
        listed.retain(|entry| entry.name.to_string_lossy().to_lowercase().starts_with(&begin));
        let names: Vec<_> = listed.iter().filter_map(|entry| entry.name.to_str()).collect();
        let (first, rest) = names.split_first()?;
        let mut length = first.len();
        for other in rest {
            let same = first.chars().zip(other.chars()).take_while(|(a, b)| a == b);
            length = length.min(same.map(|(letter, _)| letter.len_utf8()).sum());
        }
        let mut common = first.get(..length)?.to_owned();
        let alone = rest.is_empty() && listed.first().is_some_and(|entry| entry.is_folder);
        if alone {
            common.push('/');
        }
        (!self.name.is_empty() && common.len() > self.name.len()).then_some(common)
    }

    /// A click on an entry, or with `add` on one more.
    pub fn pick(&mut self, ctx: &Context, entry: &Entry, add: bool) {
        let path = self.folder.join(&entry.name);
        if entry.is_folder {
            if self.question.wanted != Wanted::NewFile {
                self.name.clear();
            }
            self.go_to(ctx, path);
            return;
        }
        self.name_changed();
        let before = self.picked.iter().position(|picked| *picked == path);
        match (before, add && self.question.wanted == Wanted::Files) {
            (Some(at), true) => drop(self.picked.remove(at)),
            (None, true) => self.picked.push(path),
            (_, false) => self.picked = vec![path],
        }
        self.name = match self.picked.as_slice() {
            [] => String::new(),
            [one] if self.question.wanted == Wanted::NewFile => {
                one.file_name().unwrap_or_default().to_string_lossy().into_owned()
            }
            // The names stand in the list.
            _ => String::new(),
        };
    }

    /// Takes what is typed, picked or in view as the answer, if it can be one; its check runs on a thread.
    pub fn accept(&mut self, ctx: &Context) {
        let named = !self.name.trim().is_empty();
        if let Some(path) = self.replaces.take() {
            return self.answer(vec![path]);
        }
        if self.question.wanted == Wanted::Files && !self.picked.is_empty() {
            return self.answer(self.picked.clone());
        }
        let path = match (self.picked.as_slice(), self.question.wanted, named) {
            ([picked], Wanted::NewFile, _) => picked.clone(),
            (_, Wanted::Folder, false) => self.folder.clone(),
            (_, Wanted::Files, false) => {
                self.problem = Some("Nothing is chosen. Click a file, or type its name.".into());
                return;
            }
            (_, Wanted::NewFile, false) => {
                self.problem = Some("The file has no name. Type one.".into());
                return;
            }
            (_, _, true) => paths::resolve(&self.folder, self.name.trim()),
        };
        let ended = match self.question.wanted {
            Wanted::NewFile => with_ending(path.clone(), self.question.kinds),
            _ => path.clone(),
        };
        self.problem = None;
        let look = move || match folder::look_at(&path) {
            // The name of a folder goes into it, and is no file's without its ending.
            Seen::Folder => (path, Seen::Folder),
            _ => {
                let seen = folder::look_at(&ended);
                (ended, seen)
            }
        };
        self.checking = Some(folder::on_thread(ctx, look));
    }

    fn answer(&mut self, paths: Vec<PathBuf>) {
        self.done = true;
        // Only one answer is ever sent, and the thread that asked waits for it.
        let _ = self.question.answer.try_send(paths);
    }

    /// Takes what threads have found.
    pub fn follow(&mut self, ctx: &Context) {
        match self.reading.as_ref().map(Receiver::try_recv) {
            Some(Ok(contents)) => (self.contents, self.reading) = (Some(contents), None),
            Some(Err(TryRecvError::Disconnected)) => {
                let problem =
                    "No thread could read this folder. Close other programs and try again.";
                (self.contents, self.reading) = (Some(Err(problem.into())), None);
            }
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        let Some(Ok((path, seen))) = self.checking.as_ref().map(Receiver::try_recv) else { return };
        self.checking = None;
        self.found(ctx, path, seen);
    }

    fn found(&mut self, ctx: &Context, path: PathBuf, seen: Seen) {
        match (self.question.wanted, seen) {
            (Wanted::Folder, Seen::Folder)
            | (Wanted::Files, Seen::File)
            | (Wanted::NewFile, Seen::Nothing) => {
                self.answer(vec![path]);
            }
            (Wanted::NewFile, Seen::File) => self.replaces = Some(path),
            (Wanted::Files | Wanted::NewFile, Seen::Folder) => {
                self.name.clear();
                self.go_to(ctx, path);
            }
            (Wanted::Folder, Seen::File) => {
                self.problem =
                    Some(format!("This is a file. Choose its folder: {}", path.display()));
            }
            (Wanted::NewFile, Seen::NoFolder) => {
                self.problem =
                    Some(format!("There is no such folder. Choose another: {}", path.display()));
            }
            (_, Seen::Nothing | Seen::NoFolder) => {
                self.problem =
                    Some(format!("There is nothing there. Correct the name: {}", path.display()));
            }
        }
    }
}
