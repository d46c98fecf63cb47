//! Saving: file dialogs and writing run on a thread of their own, one at a time; the window goes on
//! and takes the outcome from a channel. What is written, [`Writers`] decides.

use crate::engine::trace::RunRecord;
use crate::ui::app::dialogs::{AnyDialogs, Dialogs};
use crate::ui::file_dialog::question::{FileKind, FileQuestion, with_ending};
use crossbeam_channel::{Receiver, Sender, bounded};
use egui::Color32;
use image::RgbImage;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A lane's image to be saved.
pub struct ImageJob {
    /// The run; its settings travel inside the image.
    pub record: Arc<RunRecord>,
    /// Index of the lane.
    pub lane: usize,
    /// Pixels at the model's resolution.
    pub image: Arc<RgbImage>,
    /// Tokens that the pixels hold.
    pub steps: usize,
    /// The overlay to draw over it; `None` for the bare image.
    pub overlay: Option<OverlayCells>,
}

/// An overlay as the window shows it, ready to be drawn over an image.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayCells {
    /// One entry per step; `None` where nothing lies over the image.
    pub colours: Vec<Option<Color32>>,
    /// 0 to 1.
    pub opacity: f32,
}

/// What a thread asks for and writes.
pub enum Job {
    /// A lane's image as PNG.
    Image(ImageJob),
    /// The trace of all lanes, as CSV or JSON by the name chosen.
    Trace(Arc<RunRecord>),
    /// Text that is ready, for example the data of a plot.
    Text {
        /// Name offered.
        name: String,
        /// Contents.
        text: String,
    },
    /// A picture that is ready, for example of a plot.
    Picture {
        /// Name offered.
        name: String,
        /// Pixels.
        image: RgbImage,
    },
    /// Files of a model to be opened.
    ChooseFiles,
    /// A folder with a model.
    ChooseFolder,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The person closed the dialog.
    Dismissed,
    /// Written here.
    Saved(PathBuf),
    /// These files or this folder were chosen.
    Chosen(Vec<PathBuf>),
    /// What is wrong, then what to do.
    Failed(String),
}

/// What writes files. Every function writes the file whole or leaves what was there; the error says
/// what is wrong, then what to do, with the path last.
pub trait Writers: Send + Sync {
    /// A lane's image with the run's settings inside.
    ///
    /// # Errors
    /// A message for the person.
    fn image(&self, job: &ImageJob, file: &Path) -> Result<(), String>;
    /// Every number of every step: JSON if the file's name ends so, else CSV.
    ///
    /// # Errors
    /// A message for the person.
    fn trace(&self, record: &RunRecord, file: &Path) -> Result<(), String>;
    /// Text.
    ///
    /// # Errors
    /// A message for the person.
    fn text(&self, text: &str, file: &Path) -> Result<(), String>;
    /// A picture without settings.
    ///
    /// # Errors
    /// A message for the person.
    fn picture(&self, image: &RgbImage, file: &Path) -> Result<(), String>;
}

const PNG: &[FileKind] = &[FileKind { name: "PNG image", endings: &["png"] }];
const CSV: &[FileKind] = &[FileKind { name: "CSV table", endings: &["csv"] }];
const TRACE: &[FileKind] = &[
    FileKind { name: "CSV table", endings: &["csv"] },
    FileKind { name: "JSON with settings", endings: &["json"] },
];

/// One dialog at a time.
pub struct Saving {
    writers: Arc<dyn Writers>,
    dialogs: Arc<dyn Dialogs>,
    questions: Option<Receiver<FileQuestion>>,
    sender: Sender<Outcome>,
    outcomes: Receiver<Outcome>,
    busy: bool,
}

impl Saving {
    /// With the system's dialogs where `system_shows` says that it has any, else with the window's own,
    /// whose questions [`Self::question`] gives; `waker` repaints the window for them.
    pub fn new(
        writers: Arc<dyn Writers>,
        system_shows: fn() -> bool,
        waker: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let (dialogs, questions) = AnyDialogs::new(system_shows, waker);
        Self { questions: Some(questions), ..Self::with_dialogs(writers, Arc::new(dialogs)) }
    }

    /// With other dialogs.
    pub fn with_dialogs(writers: Arc<dyn Writers>, dialogs: Arc<dyn Dialogs>) -> Self {
        let (sender, outcomes) = bounded(1);
        Self { writers, dialogs, questions: None, sender, outcomes, busy: false }
    }

    /// What the window is to ask the person, once.
    pub fn question(&self) -> Option<FileQuestion> {
        self.questions.as_ref()?.try_recv().ok()
    }

    /// Whether a dialog is open or a file is being written.
    pub fn busy(&self) -> bool {
        self.busy
    }

    /// Starts a job on its own thread; `done` is called there when it has ended. A second one while
    /// the first is open is not started: its dialog would hide behind the first.
    ///
    /// # Errors
    /// A message for the person.
    pub fn start(&mut self, job: Job, done: impl FnOnce() + Send + 'static) -> Result<(), String> {
        if self.busy {
            return Err("A file dialog is open already. Close it first.".into());
        }
        let (writers, dialogs) = (self.writers.clone(), self.dialogs.clone());
        let sender = self.sender.clone();
        std::thread::Builder::new()
            .name("file dialog".into())
            .spawn(move || {
                let work = std::panic::AssertUnwindSafe(|| job.carry_out(&*writers, &*dialogs));
                let outcome = std::panic::catch_unwind(work).unwrap_or_else(|_| {
                    Outcome::Failed(
                        "The file dialog stopped with an internal error. Please report it.".into(),
                    )
                });
                // The window is gone if nobody listens.
                let _ = sender.send(outcome);
                done();
            })
            .map_err(|error| {
                format!(
                    "No thread for the file dialog ({error}). Close other programs and try again."
                )
            })?;
        self.busy = true;
        Ok(())
    }

    /// How the job ended, once.
    pub fn poll(&mut self) -> Option<Outcome> {
        let outcome = self.outcomes.try_recv().ok()?;
        self.busy = false;
        Some(outcome)
    }
}

impl Job {
    fn carry_out(self, writers: &dyn Writers, dialogs: &dyn Dialogs) -> Outcome {
        match self {
            Self::Image(job) => {
                let lane =
                    job.record.lanes().get(job.lane).map_or("lane", |lane| lane.name.as_str());
                let name = format!("{}-{lane}.png", stem(&job.record));
                ask(dialogs, "Save image", &name, PNG, |file| writers.image(&job, file))
            }
            Self::Trace(record) => {
                let name = format!("{}-trace.csv", stem(&record));
                ask(dialogs, "Save trace", &name, TRACE, |file| writers.trace(&record, file))
            }
            Self::Text { name, text } => {
                ask(dialogs, "Save data", &name, CSV, |file| writers.text(&text, file))
            }
            Self::Picture { name, image } => {
                ask(dialogs, "Save picture", &name, PNG, |file| writers.picture(&image, file))
            }
            Self::ChooseFiles => match dialogs.open("Files of a model") {
                Some(files) if !files.is_empty() => Outcome::Chosen(files),
                _ => Outcome::Dismissed,
            },
            Self::ChooseFolder => match dialogs.folder("Folder of a model") {
                Some(folder) => Outcome::Chosen(vec![folder]),
                None => Outcome::Dismissed,
            },
        }
    }
}

fn ask(
    dialogs: &dyn Dialogs,
    title: &str,
    name: &str,
    kinds: &'static [FileKind],
    write: impl FnOnce(&Path) -> Result<(), String>,
) -> Outcome {
    let Some(file) = dialogs.save(title, name, kinds) else { return Outcome::Dismissed };
    let file = with_ending(file, kinds);
    match write(&file) {
        Ok(()) => Outcome::Saved(file),
        Err(message) => Outcome::Failed(message),
    }
}

/// Beginning of a file's name: what was drawn and with which seed, in letters every system takes.
fn stem(record: &RunRecord) -> String {
    use crate::prompts::condition::Condition;
    let Some(lane) = record.lanes().first() else { return "image".into() };
    let drawn = match &lane.settings.condition {
        Condition::Prompt { text, .. } => text.clone(),
        Condition::Class(id) => format!("class {id}"),
    };
    let mut name = String::new();
    for letter in drawn.chars().take(60) {
        if letter.is_alphanumeric() {
            name.extend(letter.to_lowercase());
        } else if !name.ends_with('-') {
            name.push('-');
        }
    }
    format!("{}-seed-{}", name.trim_matches('-'), lane.settings.sampling.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::time::Duration;

    #[derive(Default)]
    struct Recorded(Mutex<Vec<(String, PathBuf)>>);

    impl Writers for Recorded {
        fn image(&self, _: &ImageJob, _: &Path) -> Result<(), String> {
            Err("No room left on the disk. Free some and save again.".into())
        }
        fn trace(&self, _: &RunRecord, _: &Path) -> Result<(), String> {
            Ok(())
        }
        fn text(&self, text: &str, file: &Path) -> Result<(), String> {
            self.0.lock().unwrap().push((text.into(), file.into()));
            Ok(())
        }
        fn picture(&self, _: &RgbImage, _: &Path) -> Result<(), String> {
            panic!("a writer that panics")
        }
    }

    struct Answer(Option<PathBuf>);

    impl Dialogs for Answer {
        fn save(&self, _: &str, _: &str, _: &'static [FileKind]) -> Option<PathBuf> {
            self.0.clone()
        }
        fn open(&self, _: &str) -> Option<Vec<PathBuf>> {
            self.0.clone().map(|file| vec![file])
        }
        fn folder(&self, _: &str) -> Option<PathBuf> {
            self.0.as_ref()?.parent().map(Path::to_path_buf)
        }
    }

    fn outcome(answer: Option<&str>, job: Job) -> (Outcome, Arc<Recorded>) {
        let writers = Arc::new(Recorded::default());
        let dialogs = Arc::new(Answer(answer.map(PathBuf::from)));
        let mut saving = Saving::with_dialogs(writers.clone(), dialogs);
        let (done, ended) = bounded(1);
        saving.start(job, move || done.send(()).unwrap()).unwrap();
        assert!(saving.busy());
        assert!(saving.start(Job::ChooseFiles, || {}).is_err());
        ended.recv_timeout(Duration::from_secs(10)).unwrap();
        let outcome = saving.poll().unwrap();
        assert!(!saving.busy());
        (outcome, writers)
    }

    fn text() -> Job {
        Job::Text { name: "plot.csv".into(), text: "step,entropy\n".into() }
    }

    #[test]
    fn a_name_without_ending_gets_one() {
        let (outcome, writers) = outcome(Some("/tmp/plot"), text());
        assert_eq!(outcome, Outcome::Saved("/tmp/plot.csv".into()));
        let written = writers.0.lock().unwrap().clone();
        assert_eq!(written, [("step,entropy\n".to_owned(), PathBuf::from("/tmp/plot.csv"))]);
    }

    #[test]
    fn a_closed_dialog_writes_nothing() {
        let (outcome, writers) = outcome(None, text());
        assert_eq!(outcome, Outcome::Dismissed);
        assert!(writers.0.lock().unwrap().is_empty());
    }

    #[test]
    fn a_panic_of_a_writer_becomes_a_message() {
        let job = Job::Picture { name: "plot.png".into(), image: RgbImage::new(1, 1) };
        assert!(matches!(outcome(Some("/tmp/plot.png"), job).0, Outcome::Failed(_)));
    }

    #[test]
    fn chosen_model_files_come_back() {
        let chosen = |job| outcome(Some("/tmp/model/a.safetensors"), job).0;
        let files = Outcome::Chosen(vec!["/tmp/model/a.safetensors".into()]);
        assert_eq!(chosen(Job::ChooseFiles), files);
        assert_eq!(chosen(Job::ChooseFolder), Outcome::Chosen(vec!["/tmp/model".into()]));
        assert_eq!(outcome(None, Job::ChooseFolder).0, Outcome::Dismissed);
    }
}
