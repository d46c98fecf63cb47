//! `softcfg-studio generate`: one run without a window, its images, trace and settings in a folder.

use crate::cli::choices::parse_choice;
use crate::cli::counts::{self, decoder_threads};
use crate::cli::failure::RunFailed;
use crate::cli::model;
use crate::cli::output;
use crate::cli::setting_arguments::SettingArguments;
use crate::engine::decode;
use crate::engine::settings::{LaneSettings, LaneSpec, RunSettings, SettingKey};
use crate::engine::trace::{RunRecord, RunStatus};
use crate::engine::worker::decode_pool;
use crate::export;
use crate::export::run_folder::{self, Replaced};
use crate::guidance::Preset;
use crate::guidance::schedule::Schedule;
use crate::models::card::{AuthorsSchedule, Conditions, Model, ModelCard};
use crate::prompts::condition::Condition;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use image::RgbImage;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::{Path, PathBuf};
use strum::{Display, EnumString, VariantArray};

/// Shown below the help of `generate`.
pub(super) const EXAMPLES: &str = "Examples:
  The default pair, CFG against SoftCFG with the same noise:
    softcfg-studio generate --prompt \"a cat left of a red car on blue\" --seed 7 --out cat
  Over-guidance at a constant scale:
    softcfg-studio generate --prompt \"a dog on green\" --guidance-scale 8 --cosine-power 0 --out dog
  SoftCFG with and without step norm, with the context difference measured:
    softcfg-studio generate --prompt \"a fox\" --lanes softcfg,softcfg-no-step-norm --delta-context --out fox
  A model of ImageNet classes from the authors' files:
    softcfg-studio generate --model alitok_l.bin --tokenizer AliTok.pth --class \"golden retriever\" --out dog

Exit codes: 0 done, 1 the run failed, 2 something in the call is wrong; nothing is written then.";

/// Settings of `generate`; what is left out is the model's default.
#[derive(Args)]
pub struct Generate {
    #[command(flatten)]
    model: model::ModelArguments,
    /// What to draw, in the model's words.
    #[arg(long, allow_hyphen_values = true)]
    prompt: Option<String>,
    /// What to draw, for models that draw classes: a number, name, synonym or synset.
    #[arg(long, conflicts_with = "prompt")]
    class: Option<String>,
    /// Text of the unconditional branch in place of the model's own.
    #[arg(long, requires = "prompt", allow_hyphen_values = true)]
    negative_prompt: Option<String>,
    /// Which of the unconditional prompts that the authors know: usual (their program's) or training
    /// (what training leaves where it drops the caption, SimpleAR).
    #[arg(long, requires = "prompt", conflicts_with = "negative_prompt", value_name = "NAME")]
    unconditional: Option<String>,
    /// Comma-separated: none, cfg, softcfg, softcfg-no-step-norm.
    #[arg(long, default_value = "cfg,softcfg")]
    lanes: String,
    #[command(flatten)]
    settings: SettingArguments,
    /// Decoder threads; the tokens are the same with any number. Default: physical cores minus one.
    #[arg(long, value_name = "NUMBER", value_parser = counts::one_or_more)]
    threads: Option<usize>,
    /// Folder for the results; created if it is not there.
    #[arg(long)]
    out: PathBuf,
    /// Replace the run that is in the folder: the files that its run.json lists are removed.
    #[arg(long)]
    overwrite: bool,
}

/// Runs `generate`.
///
/// # Errors
/// Anything wrong in the call, before anything is written; [`RunFailed`] when the run itself fails.
pub fn generate(arguments: &Generate) -> Result<()> {
    if arguments.prompt.is_none() && arguments.class.is_none() {
        bail!("nothing is asked for; use --prompt, or --class with a model that draws classes");
    }
    // Looked at before anything is loaded; nothing is changed yet.
    let lanes = parse_lanes(&arguments.lanes)?;
    // Pictures of any lane are a run's, also where its description was lost.
    let names = run_folder::file_names(Preset::VARIANTS.iter().copied().map(Into::into));
    let replaced = Replaced::check(&arguments.out, &names, arguments.overwrite)?;
    let model = arguments.model.load()?;
    let settings = arguments.settings(&model, lanes)?;
    let spec = settings.validate(&model.card).map_err(|errors| {
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(messages.join("\n"))
    })?;
    export::prepare_folder(&arguments.out)?;
    warn_of_cuts(&model.card, &settings.shared.condition);
    let record = RunRecord::new(1, spec, model.card.layout.clone());
    let bar = progress_bar(record.spec.steps);
    decode_pool(decoder_threads(arguments.threads))
        .context("no threads could be started to decode with")?
        .install(|| decode::run(&model, &record, &mut || bar.inc(1)));
    bar.finish_and_clear();
    if let RunStatus::Failed(reason) = record.status() {
        return Err(RunFailed(reason).into());
    }
    let images = images(&model, &record)?;
    run_folder::write(&arguments.out, &record, &images, &replaced)
        .map_err(|error| RunFailed(error.to_string()))?;
    output::print(&summary(&record, &arguments.out))
}

impl Generate {
    fn settings(&self, model: &Model, lanes: Vec<Preset>) -> Result<RunSettings> {
        let mut shared = LaneSettings {
            condition: self.condition(model)?,
            // In files only where it is asked for.
            delta_context: false,
            ..LaneSettings::default()
        };
        shared.adopt(&model.card.defaults);
        self.settings.apply(&mut shared)?;
        let perturbation = &mut shared.guidance.perturbation;
        if !self.settings.gives(SettingKey::Confidence) {
            perturbation.confidence = perturbation.variant.default_confidence();
        }
        let schedule = model.card.defaults.authors_schedule.as_ref();
        let scale = &shared.guidance.scale;
        let has_interval = scale.schedule == Schedule::Authors
            && schedule.is_some_and(AuthorsSchedule::takes_interval);
        if scale.interval.is_some() && !has_interval {
            bail!(
                "--guidance-interval belongs to --schedule authors of LlamaGen's class models; leave it \
                 out"
            );
        }
        Ok(RunSettings { shared, lanes })
    }

    fn condition(&self, model: &Model) -> Result<Condition> {
        match (&self.prompt, &self.class) {
            (_, Some(class)) => Ok(Condition::Class(model::class(&model.card, class)?)),
            (Some(text), None) => {
                if matches!(model.card.conditions, Conditions::Classes(_)) {
                    let name = &model.card.identity.name;
                    bail!("{name} draws classes; use --class in place of --prompt");
                }
                let negative = match &self.unconditional {
                    Some(name) => {
                        unconditional(&model.card, parse_choice("--unconditional", name)?)?
                    }
                    None => self.negative_prompt.clone(),
                };
                Ok(Condition::Prompt { text: text.clone(), negative })
            }
            (None, None) => bail!("nothing is asked for; use --prompt or --class"),
        }
    }
}

/// The unconditional prompts that authors know, by name.
#[derive(Clone, Copy, Display, EnumString, VariantArray)]
#[strum(serialize_all = "kebab-case")]
enum Unconditional {
    Usual,
    Training,
}

fn unconditional(card: &ModelCard, name: Unconditional) -> Result<Option<String>> {
    let Conditions::Prompts(book) = &card.conditions else { return Ok(None) };
    match (name, &book.template().alternative_unconditional) {
        (Unconditional::Usual, _) => Ok(None),
        (Unconditional::Training, Some(alternative)) => Ok(Some(alternative.text.clone())),
        (Unconditional::Training, None) => bail!(
            "the authors of {} know one unconditional prompt only; leave --unconditional out, or use \
             --negative-prompt",
            card.identity.name
        ),
    }
}

/// Says on stderr what of the prompts is drawn otherwise than it was typed.
fn warn_of_cuts(card: &ModelCard, condition: &Condition) {
    let (Conditions::Prompts(book), Condition::Prompt { text, negative }) =
        (&card.conditions, condition)
    else {
        return;
    };
    let looks = std::iter::once(("prompt", book.check(text))).chain(
        negative.iter().map(|text| ("unconditional prompt", book.check_unconditional(text))),
    );
    for (what, look) in looks {
        let Ok(check) = look else { continue };
        let Some(warning) = check.warning() else { continue };
        let (name, count) = (&card.identity.name, check.count());
        output::say(&format!("note: the {what} takes {count} of {name}. {warning}"));
        if let Some(cut) = &check.beyond {
            output::say(&format!("      “{cut}”"));
        }
    }
}

fn parse_lanes(text: &str) -> Result<Vec<Preset>> {
    text.split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(|name| parse_choice("lane", name))
        .collect()
}

/// Visible only when stderr is a terminal.
fn progress_bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("{bar:32} {pos}/{len} steps  {per_sec}  {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// Pictures of all lanes.
fn images(model: &Model, record: &RunRecord) -> Result<Vec<RgbImage>> {
    let image = |lane: usize| {
        let tokens = record.tokens(lane, record.spec.steps);
        Ok(model.tokenizer.decode(&tokens, &record.layout)?)
    };
    (0..record.lanes().len()).map(image).collect()
}

fn summary(record: &RunRecord, folder: &Path) -> String {
    let seconds = record.elapsed().as_secs_f64();
    let steps = record.spec.steps;
    let names: Vec<&str> = record.lanes().iter().map(LaneSpec::label).collect();
    let mut text = format!(
        "{}: {steps} steps in {seconds:.2} s ({:.0} steps/s)\n",
        names.join(", "),
        steps as f64 / seconds.max(1e-9)
    );
    if names.len() > 1 {
        let count = record.tokens_that_differ(0, 1);
        text += &match record.first_divergence(0, 1) {
            Some(step) => format!("{count} of {steps} tokens differ, first at step {step}\n"),
            None => format!("all {steps} tokens are the same\n"),
        };
    }
    text + &format!("{}\n", folder.display())
}
