//! `softcfg-studio generate`: one run without a window, its images, trace and settings in a folder.

use crate::checkpoint::results::RUN_DESCRIPTION;
use crate::cli::choices::parse_choice;
use crate::cli::failure::RunFailed;
use crate::cli::model;
use crate::cli::setting_arguments::SettingArguments;
use crate::engine::decode;
use crate::engine::settings::{LaneSettings, LaneSpec, RunSettings, SettingKey};
use crate::engine::trace::{RunRecord, RunStatus};
use crate::engine::worker::decode_pool;
use crate::export;
use crate::export::Staged;
use crate::guidance::Preset;
use crate::guidance::schedule::Schedule;
use crate::models::card::{AuthorsSchedule, Conditions, Model, ModelCard};
use crate::prompts::condition::Condition;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
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
    #[arg(long)]
    prompt: Option<String>,
    /// What to draw, for models that draw classes: a number, name, synonym or synset.
    #[arg(long, conflicts_with = "prompt")]
    class: Option<String>,
    /// Text of the unconditional branch in place of the model's own.
    #[arg(long, requires = "prompt")]
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
    #[arg(long)]
    threads: Option<usize>,
    /// Folder for the results; created if it is not there.
    #[arg(long)]
    out: PathBuf,
}

/// Runs `generate`.
///
/// # Errors
/// Anything wrong in the call, before anything is written; [`RunFailed`] when the run itself fails.
pub fn generate(arguments: &Generate) -> Result<()> {
    if arguments.prompt.is_none() && arguments.class.is_none() {
        bail!("nothing is asked for; use --prompt, or --class with a model that draws classes");
    }
    let model = arguments.model.load()?;
    let settings = arguments.settings(&model)?;
    let spec = settings.validate(&model.card).map_err(|errors| {
        let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow!(messages.join("\n"))
    })?;
    if arguments.threads == Some(0) {
        bail!("--threads is 0; use 1 or more, or leave it out");
    }
    export::prepare_folder(&arguments.out)?;
    warn_of_cuts(&model.card, &settings.shared.condition);
    let record = RunRecord::new(1, spec, model.card.layout.clone());
    let bar = progress_bar(record.spec.steps);
    decode_pool(arguments.threads)
        .context("no threads could be started to decode with")?
        .install(|| decode::run(&model, &record, &mut || bar.inc(1)));
    bar.finish_and_clear();
    if let RunStatus::Failed(reason) = record.status() {
        return Err(RunFailed(reason).into());
    }
    write_results(&model, &record, &arguments.out)?;
    summarize(&record, &arguments.out);
    Ok(())
}

impl Generate {
    fn settings(&self, model: &Model) -> Result<RunSettings> {
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
        Ok(RunSettings { shared, lanes: parse_lanes(&self.lanes)? })
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
        eprintln!("note: the {what} takes {count} of {name}. {warning}");
        if let Some(cut) = &check.beyond {
            eprintln!("      “{cut}”");
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

/// Everything is written before anything takes its place.
fn write_results(model: &Model, record: &RunRecord, folder: &Path) -> Result<()> {
    let mut staged: Vec<Staged> = Vec::new();
    for (index, lane) in record.lanes().iter().enumerate() {
        let tokens = record.tokens(index, record.spec.steps);
        let image = model.tokenizer.decode(&tokens, &record.layout)?;
        let target = folder.join(format!("{}.png", lane.name));
        staged.push(export::png::stage_lane_image(&target, &image, record, &lane.name)?);
    }
    staged.push(export::trace::stage(&folder.join("trace.csv"), record)?);
    staged.push(export::run_json::stage(&folder.join(RUN_DESCRIPTION), record)?);
    for file in staged {
        file.commit()?;
    }
    Ok(())
}

fn summarize(record: &RunRecord, folder: &Path) {
    let seconds = record.elapsed().as_secs_f64();
    let steps = record.spec.steps;
    let names: Vec<&str> = record.lanes().iter().map(LaneSpec::label).collect();
    println!(
        "{}: {steps} steps in {seconds:.2} s ({:.0} steps/s)",
        names.join(", "),
        steps as f64 / seconds.max(1e-9)
    );
    if names.len() > 1 {
        let count = record.tokens_that_differ(0, 1);
        match record.first_divergence(0, 1) {
            Some(step) => println!("{count} of {steps} tokens differ, first at step {step}"),
            None => println!("all {steps} tokens are the same"),
        }
    }
    println!("{}", folder.display());
}
