//! Which model a command works on: `--model` and what belongs to it, and classes by name.

use crate::checkpoint::LoadProgress;
use crate::cli::choices;
use crate::cli::output;
use crate::compute::device_kind::DeviceKind;
use crate::models::card::{Conditions, Model, ModelCard};
use crate::opening::builtin;
use crate::opening::error::OpenError;
use crate::opening::open;
use crate::opening::parts::OpenedDecoder;
use crate::opening::request::{OpenRequest, SystemResources};
use crate::prompts::imagenet;
use crate::prompts::imagenet::ClassName;
use anyhow::{Result, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Suggestions in a message.
const SUGGESTIONS: usize = 5;

/// The model of a run; the built-in one if no path is given.
#[derive(Args)]
pub(super) struct ModelArguments {
    /// Weight file or folder of a model in place of the built-in one; repeat it for parts that lie
    /// apart.
    #[arg(long, value_name = "PATH")]
    model: Vec<PathBuf>,
    /// Image tokenizer of the model, where it is not found beside it.
    #[arg(long, value_name = "PATH", requires = "model")]
    tokenizer: Option<PathBuf>,
    /// How weights are held: f32, bf16 or int8. Default: as in the file.
    #[arg(long, requires = "model")]
    precision: Option<String>,
    /// Token grid as ROWSxCOLUMNS, where the weights do not fix it.
    #[arg(long, value_name = "ROWSxCOLUMNS", requires = "model")]
    grid: Option<String>,
    /// Weights of a training file, for example ema.
    #[arg(long, value_name = "KEY", requires = "model")]
    weight_set: Option<String>,
    /// Where the decoder runs: cpu, cuda or metal, as this program was built with. Image tokenizers and
    /// text encoders stay on the CPU. Default: cpu.
    #[arg(long)]
    device: Option<String>,
}

/// Opens a model or a part of it.
type Open<T> = fn(&OpenRequest, &SystemResources, &Arc<LoadProgress>) -> Result<T, OpenError>;

impl ModelArguments {
    /// Where the model is to run.
    ///
    /// # Errors
    /// No such device.
    pub(super) fn device(&self) -> Result<DeviceKind> {
        choices::device(self.device.as_deref())
    }

    /// Whether another model than the built-in one is asked for.
    pub(super) fn has_path(&self) -> bool {
        !self.model.is_empty()
    }

    /// Loads the model.
    ///
    /// # Errors
    /// An argument that cannot be read, or those of [`open::open`].
    pub(super) fn load(&self) -> Result<Model> {
        if self.model.is_empty() {
            return Ok(builtin::load_on(self.device()?)?);
        }
        let model = self.open_with(open::open)?;
        say_notes(&model.card.notes);
        Ok(model)
    }

    /// Loads the decoder at `--model` alone.
    ///
    /// # Errors
    /// An argument that cannot be read, or those of [`open::open_decoder`].
    pub(super) fn load_decoder(&self) -> Result<OpenedDecoder> {
        let opened = self.open_with(open::open_decoder)?;
        say_notes(&opened.notes);
        Ok(opened)
    }

    /// Opens what the arguments ask for, with a bar that shows what is read.
    fn open_with<T>(&self, open: Open<T>) -> Result<T> {
        let request = OpenRequest {
            paths: self.model.clone(),
            tokenizer: self.tokenizer.clone(),
            precision: choices::parse("--precision", self.precision.as_deref())?,
            grid: self.grid.as_deref().map(parse_grid).transpose()?,
            weight_set: self.weight_set.clone(),
            device: self.device()?,
        };
        let progress: Arc<LoadProgress> = Arc::default();
        let resources = SystemResources::of_this_machine();
        with_progress_bar(&progress, || Ok(open(&request, &resources, &progress)?))
    }
}

/// What was noticed in the model's files.
fn say_notes(notes: &[String]) {
    notes.iter().for_each(|note| output::say(&format!("note: {note}")));
}

fn parse_grid(text: &str) -> Result<(usize, usize)> {
    let wrong = || anyhow!("--grid “{text}” is no grid; write rows and columns, for example 16x16");
    let (rows, columns) = text.split_once(['x', 'X', '×']).ok_or_else(wrong)?;
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
    Ok((number(rows)?, number(columns)?))
}

/// Shows bytes read while `work` goes on, if stderr is a terminal.
fn with_progress_bar<T>(progress: &LoadProgress, work: impl FnOnce() -> T) -> T {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if bar.is_hidden() {
        return work();
    }
    let template = "loading {bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let (done, wait) = crossbeam_channel::bounded::<()>(0);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            let timeout = Duration::from_millis(100);
            while wait.recv_timeout(timeout).is_err_and(|error| error.is_timeout()) {
                bar.set_length(progress.total());
                bar.set_position(progress.done().min(progress.total()));
            }
        });
        let _done = done;
        work()
    });
    bar.finish_and_clear();
    result
}

/// The class that a number, name, synonym or synset means.
///
/// # Errors
/// A model that draws prompts, no such class, or several; with suggestions.
pub(super) fn class(card: &ModelCard, query: &str) -> Result<u32> {
    let Conditions::Classes(classes) = &card.conditions else {
        bail!("{} draws prompts; use --prompt in place of --class", card.identity.name);
    };
    let query = query.trim();
    if let Ok(id) = query.parse::<u32>() {
        return match classes.iter().find(|class| class.id == id) {
            Some(class) => Ok(class.id),
            None => bail!(
                "there is no class {id}; {} knows the classes 0 to {}",
                card.identity.name,
                classes.len().saturating_sub(1)
            ),
        };
    }
    let found = found(classes, query);
    let exact = |names: fn(&ClassName, &str) -> bool| {
        let mut same = found.iter().filter(|class| names(class, query));
        same.next().filter(|_| same.next().is_none())
    };
    let by_name = exact(|class, query| class.name.eq_ignore_ascii_case(query));
    let by_synonym =
        || exact(|class, query| class.synonyms.iter().any(|name| name.eq_ignore_ascii_case(query)));
    if let Some(class) = by_name.or_else(by_synonym) {
        return Ok(class.id);
    }
    match found.as_slice() {
        [class] => Ok(class.id),
        [] => {
            // What begins alike may be what was meant.
            let letters: Vec<char> = query.chars().collect();
            let alike = (3..letters.len()).rev().find_map(|length| {
                let start: String = letters.iter().take(length).collect();
                Some(self::found(classes, &start)).filter(|found| !found.is_empty())
            });
            match alike {
                Some(alike) => bail!("no class is called “{query}”; close are {}", list(&alike)),
                None => bail!("no class is called “{query}”; use a name or a number"),
            }
        }
        several => bail!("“{query}” may be {}; use one of the numbers", list(several)),
    }
}

fn found<'a>(classes: &'a [ClassName], query: &str) -> Vec<&'a ClassName> {
    imagenet::search(classes, query).into_iter().filter_map(|index| classes.get(index)).collect()
}

fn list(classes: &[&ClassName]) -> String {
    let names = classes.iter().take(SUGGESTIONS);
    let names: Vec<String> = names.map(|class| format!("{} {}", class.id, class.name)).collect();
    let more = classes.len().saturating_sub(SUGGESTIONS);
    match more {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
