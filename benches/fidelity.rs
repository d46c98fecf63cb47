//! What the built-in model draws of what prompts ask for (`engine::fidelity`): the numbers behind its
//! default settings, and the list of prompts that it draws well.
//!
//!     cargo bench --bench fidelity                    a table: settings, share of right pictures
//!     cargo bench --bench fidelity -- list 400 FILE   writes the prompts of 400 that come out right
//!     cargo bench --bench fidelity -- part FILE 24    of these, with 24 seeds: where the lanes part and both are right

#[path = "../tests/fidelity_support/mod.rs"]
mod fidelity_support;

use anyhow::{Context, Result, bail};
use fidelity_support::judge;
use softcfg_studio::engine::decode;
use softcfg_studio::engine::fidelity::{Judge, Verdict};
use softcfg_studio::engine::settings::{LaneSettings, RunSettings};
use softcfg_studio::engine::trace::RunRecord;
use softcfg_studio::engine::worker::decode_pool;
use softcfg_studio::guidance::Preset;
use softcfg_studio::models::card::Model;
use softcfg_studio::opening::builtin;
use softcfg_studio::prompts::condition::Condition;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Pictures of every prompt in the table: with its recorded seed and the ones after it.
const PICTURES: u64 = 2;

/// γ, k (0: constant) and temperature of each line of the table.
const SETTINGS: [(f32, f32, f32); 9] = [
    (3.0, 1.4, 0.5),
    (4.0, 1.4, 0.5),
    (6.0, 1.4, 0.5),
    (2.0, 1.4, 0.5),
    (1.5, 0.0, 0.5),
    (4.0, 1.4, 0.3),
    (4.0, 0.0, 0.5),
    (2.0, 0.0, 1.0),
    (4.0, 1.4, 1.0),
];

/// Seeds with which a prompt of the list has to come out right in every lane.
const SEEDS: [u64; 5] = [3, 1, 2, 4, 5];

struct Bench {
    model: Model,
    judge: Judge,
}

impl Bench {
    fn load() -> Result<Self> {
        Ok(Self { model: builtin::load()?, judge: judge() })
    }

    /// The settings that the model brings.
    fn usual(&self) -> LaneSettings {
        let mut shared = LaneSettings { delta_context: false, ..LaneSettings::default() };
        shared.adopt(&self.model.card.defaults);
        shared
    }

    /// Verdicts of all lanes, and how many tokens the first two differ in.
    fn draw(
        &self,
        mut shared: LaneSettings,
        prompt: &str,
        lanes: &[Preset],
    ) -> Result<(Vec<Verdict>, usize)> {
        shared.condition = Condition::Prompt { text: prompt.into(), negative: None };
        let settings = RunSettings { shared, lanes: lanes.to_vec() };
        let Ok(spec) = settings.validate(&self.model.card) else { bail!("settings of {prompt}") };
        let record = RunRecord::new(1, spec, self.model.card.layout.clone());
        decode::run(&self.model, &record, &mut || {});
        let verdict = |lane: usize| {
            let tokens = record.tokens(lane, record.spec.steps);
            let picture = self.model.tokenizer.decode(&tokens, &record.layout)?;
            self.judge.judge(&picture, prompt).context("no prompt of the grammar")
        };
        let verdicts = (0..lanes.len()).map(verdict).collect::<Result<_>>()?;
        Ok((verdicts, record.tokens_that_differ(0, 1)))
    }

    /// Shares of pictures under CFG whose things are all right, by category and over all.
    fn table(&self) -> Result<()> {
        let prompts = categories()?;
        let names: Vec<&str> = prompts.keys().map(String::as_str).collect();
        println!("   γ    k    T   objects  tints  ground   objects of {}", names.join(", "));
        for (guidance_scale, cosine_power, temperature) in SETTINGS {
            let mut sums = [0.0; 3];
            let mut objects_of = Vec::new();
            for prompts in prompts.values() {
                let mut right = [0_usize; 3];
                for (prompt, seed) in prompts.iter().flat_map(|(prompt, seed)| {
                    (*seed..seed + PICTURES).map(move |seed| (prompt, seed))
                }) {
                    let mut shared = self.usual();
                    shared.guidance.scale.guidance_scale = guidance_scale;
                    shared.guidance.scale.cosine_power = cosine_power;
                    shared.sampling.temperature = temperature;
                    shared.sampling.seed = seed;
                    let (verdicts, _) = self.draw(shared, prompt, &[Preset::Cfg])?;
                    for Verdict { objects, tints, ground, .. } in verdicts {
                        let verdicts = [objects, tints, ground];
                        right.iter_mut().zip(verdicts).for_each(|(r, v)| *r += usize::from(v));
                    }
                }
                let pictures = prompts.len() as f64 * PICTURES as f64;
                let share = |right: usize| right as f64 / pictures;
                sums.iter_mut().zip(right).for_each(|(sum, right)| *sum += share(right));
                objects_of.push(format!("{:.2}", share(right[0])));
            }
            let [objects, tints, ground] = sums.map(|sum| sum / prompts.len().max(1) as f64);
            println!(
                "{guidance_scale:>4}{cosine_power:>5}{temperature:>5}{objects:>10.2}{tints:>7.2}{ground:>8.2}   {}",
                objects_of.join(" ")
            );
        }
        Ok(())
    }

    /// Writes those of `candidates` random prompts that come out right in both default lanes with every
    /// seed, the prompts whose lanes part most with the model's own seed first.
    fn list(&self, candidates: u64, file: &str) -> Result<()> {
        let lanes = [Preset::Cfg, Preset::SoftCfg];
        let random = (0..candidates).filter_map(|seed| self.judge.grammar().random_prompt(seed));
        let random: BTreeSet<String> = random.collect();
        let mut drawn_well = Vec::new();
        for prompt in &random {
            let mut parting = Vec::new();
            for seed in SEEDS {
                let mut shared = self.usual();
                shared.sampling.seed = seed;
                let (verdicts, differ) = self.draw(shared, prompt, &lanes)?;
                if !verdicts.iter().all(|verdict| verdict.tints && verdict.ground) {
                    break;
                }
                parting.push(differ);
            }
            if parting.len() == SEEDS.len() {
                eprintln!("{prompt}: {parting:?}");
                drawn_well.push((parting[0], prompt));
            }
        }
        drawn_well.sort_by_key(|(differ, _)| std::cmp::Reverse(*differ));
        let prompts: Vec<&String> = drawn_well.iter().map(|(_, prompt)| *prompt).collect();
        fs::write(file, serde_json::to_string_pretty(&prompts)? + "\n")?;
        println!("{} of {} prompts are drawn well", prompts.len(), random.len());
        Ok(())
    }
}

impl Bench {
    /// Prompts and seeds with which both default lanes come out right and part, widest first.
    fn part(&self, file: &str, seeds: u64) -> Result<()> {
        let prompts: Vec<String> = serde_json::from_slice(&fs::read(file)?)?;
        let mut parting = Vec::new();
        for prompt in &prompts {
            for seed in 0..seeds {
                let mut shared = self.usual();
                shared.sampling.seed = seed;
                let (verdicts, differ) =
                    self.draw(shared, prompt, &[Preset::Cfg, Preset::SoftCfg])?;
                if differ > 0 && verdicts.iter().all(|verdict| verdict.tints && verdict.ground) {
                    parting.push((differ, seed, prompt));
                }
            }
        }
        parting.sort_by_key(|(differ, ..)| std::cmp::Reverse(*differ));
        for (differ, seed, prompt) in parting.iter().take(40) {
            println!("{differ:>4} tokens differ with seed {seed:>3}: {prompt}");
        }
        Ok(())
    }
}

/// Prompts and seeds of the recorded verdicts, by category.
fn categories() -> Result<BTreeMap<String, Vec<(String, u64)>>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fidelity/verdicts.json");
    let recorded: Vec<serde_json::Value> = serde_json::from_slice(&fs::read(file)?)?;
    let mut prompts: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for one in &recorded {
        let text = |key: &str| one[key].as_str().context("a text");
        let all = prompts.entry(text("category")?.into()).or_default();
        all.push((text("prompt")?.into(), one["seed"].as_u64().context("a seed")?));
    }
    Ok(prompts)
}

fn main() -> Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let bench = Bench::load()?;
    decode_pool(None)?.install(|| match arguments.as_slice() {
        [] => bench.table(),
        [list, candidates, file] if list == "list" => bench.list(candidates.parse()?, file),
        [part, file, seeds] if part == "part" => bench.part(file, seeds.parse()?),
        _ => bail!("nothing, or: list CANDIDATES FILE, or: part FILE SEEDS"),
    })
}
