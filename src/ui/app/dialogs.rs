//! Asking for files: the system's dialogs, and where it has none the window's own. Both are asked from a
//! thread that waits for the answer.

use crate::checkpoint::WEIGHT_ENDINGS;
use crate::ui::file_dialog::question::{FileKind, FileQuestion, Wanted};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::path::PathBuf;
use std::sync::Arc;

/// Endings of weight files, of an index of several, of an archive that a browser renamed, and of the list of
/// an unpacked one.
const ENDINGS: [&str; 9] = {
    let [a, b, c, d, e, f] = WEIGHT_ENDINGS;
    [a, b, c, d, e, f, "json", "zip", "pkl"]
};
/// Names that weights have.
const WEIGHTS: &[FileKind] = &[FileKind { name: "Weights", endings: &ENDINGS }];

/// What asks for files. Nothing comes back if the person has changed their mind.
pub trait Dialogs: Send + Sync {
    /// A name to save under.
    fn save(&self, title: &str, name: &str, kinds: &'static [FileKind]) -> Option<PathBuf>;
    /// Files to open.
    fn open(&self, title: &str) -> Option<Vec<PathBuf>>;
    /// A folder to open.
    fn folder(&self, title: &str) -> Option<PathBuf>;
}

/// The system's dialogs.
struct SystemDialogs;

impl Dialogs for SystemDialogs {
    fn save(&self, title: &str, name: &str, kinds: &'static [FileKind]) -> Option<PathBuf> {
        let mut dialog = rfd::FileDialog::new().set_title(title).set_file_name(name);
        for kind in kinds {
            dialog = dialog.add_filter(kind.name, kind.endings);
        }
        dialog.save_file()
    }

    fn open(&self, title: &str) -> Option<Vec<PathBuf>> {
        let mut dialog = rfd::FileDialog::new().set_title(title);
        for kind in WEIGHTS {
            dialog = dialog.add_filter(kind.name, kind.endings);
        }
        dialog.add_filter("All files", &["*"]).pick_files()
    }

    fn folder(&self, title: &str) -> Option<PathBuf> {
        rfd::FileDialog::new().set_title(title).pick_folder()
    }
}

/// The window's own: a question that the window's thread shows, and the answer that comes back.
struct OwnDialogs {
    questions: Sender<FileQuestion>,
    waker: Arc<dyn Fn() + Send + Sync>,
}

impl OwnDialogs {
    fn ask(
        &self,
        wanted: Wanted,
        title: &str,
        name: &str,
        kinds: &'static [FileKind],
    ) -> Option<Vec<PathBuf>> {
        let (answer, answered) = bounded(1);
        let (title, name) = (title.to_owned(), name.to_owned());
        self.questions.send(FileQuestion { wanted, title, name, kinds, answer }).ok()?;
        (self.waker)();
        // The dialog that was left, or the window that was closed, has dropped the other end.
        answered.recv().ok()
    }
}

impl Dialogs for OwnDialogs {
    fn save(&self, title: &str, name: &str, kinds: &'static [FileKind]) -> Option<PathBuf> {
        self.ask(Wanted::NewFile, title, name, kinds)?.pop()
    }

    fn open(&self, title: &str) -> Option<Vec<PathBuf>> {
        self.ask(Wanted::Files, title, "", WEIGHTS)
    }

    fn folder(&self, title: &str) -> Option<PathBuf> {
        self.ask(Wanted::Folder, title, "", &[])?.pop()
    }
}

/// The system's dialogs where it shows any, else the window's own.
pub struct AnyDialogs {
    system: SystemDialogs,
    own: OwnDialogs,
    system_shows: fn() -> bool,
}

impl AnyDialogs {
    /// Dialogs, and the questions that the window is to show. `system_shows` is asked before each, on the
    /// thread that asks; `waker` makes the window look for a question.
    pub fn new(
        system_shows: fn() -> bool,
        waker: Arc<dyn Fn() + Send + Sync>,
    ) -> (Self, Receiver<FileQuestion>) {
        // One dialog at a time.
        let (questions, asked) = bounded(1);
        let own = OwnDialogs { questions, waker };
        (Self { system: SystemDialogs, own, system_shows }, asked)
    }

    fn chosen(&self) -> &dyn Dialogs {
        if (self.system_shows)() { &self.system } else { &self.own }
    }
}

impl Dialogs for AnyDialogs {
    fn save(&self, title: &str, name: &str, kinds: &'static [FileKind]) -> Option<PathBuf> {
        self.chosen().save(title, name, kinds)
    }

    fn open(&self, title: &str) -> Option<Vec<PathBuf>> {
        self.chosen().open(title)
    }

    fn folder(&self, title: &str) -> Option<PathBuf> {
        self.chosen().folder(title)
    }
}
