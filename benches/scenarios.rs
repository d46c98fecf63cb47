//! Measures on the built-in model what each scenario of the window claims, over many seeds: the
//! numbers behind its prompt, seed and words. `cargo bench --bench scenarios [-- SEEDS]`.

use softcfg_studio::engine::decode;
use softcfg_studio::engine::settings::RunSettings;
use softcfg_studio::engine::trace::{RunRecord, StepRecord};
use softcfg_studio::engine::worker::decode_pool;
use softcfg_studio::models::card::Model;
use softcfg_studio::opening::builtin;
use softcfg_studio::prompts::condition::Condition;
use softcfg_studio::ui::scenarios::table as scenarios;
use softcfg_studio::ui::state::view::ViewSettings;

/// Seeds measured unless the call says otherwise.
const SEEDS: u64 = 24;

/// What is measured of one lane of one run.
#[derive(Clone, Copy, Default)]
struct Measures {
    /// Mean gap of the unconditional (perturbed) and the conditional entropy, first quarter.
    gap_first: f64,
    /// The same over the last quarter.
    gap_last: f64,
    /// Mean ‖z_c - z_g‖, first quarter.
    delta_first: f64,
    /// The same over the last quarter.
    delta_last: f64,
    /// Mean entropy of the branch that guides.
    entropy_guiding: f64,
    /// Mean surprise of the tokens drawn under the conditional branch alone, nats; tokens beyond its
    /// top 8 count as 10.
    surprise: f64,
}

fn measure(records: &[StepRecord]) -> Measures {
    let quarter = (records.len() / 4).max(1);
    let (first, last) = (&records[..quarter], &records[records.len() - quarter..]);
    let mean = |part: &[StepRecord], value: &dyn Fn(&StepRecord) -> f64| {
        part.iter().map(value).sum::<f64>() / part.len() as f64
    };
    let gap = |r: &StepRecord| {
        f64::from(r.entropy_unconditional.unwrap_or(r.entropy_conditional) - r.entropy_conditional)
    };
    let delta = |r: &StepRecord| f64::from(r.guiding_delta.unwrap_or(0.0));
    let surprise = |r: &StepRecord| {
        let found = r.top_conditional.entries().find(|(id, _)| *id == r.token);
        found.map_or(10.0, |(_, p)| -f64::from(p.max(1e-6)).ln())
    };
    Measures {
        gap_first: mean(first, &gap),
        gap_last: mean(last, &gap),
        delta_first: mean(first, &delta),
        delta_last: mean(last, &delta),
        entropy_guiding: mean(records, &|r| f64::from(r.entropy_unconditional.unwrap_or(0.0))),
        surprise: mean(records, &surprise),
    }
}

/// Decodes one run and returns what was measured, lane by lane, and how the first two lanes part.
fn run(model: &Model, settings: &RunSettings) -> (Vec<(String, Measures)>, usize, Option<usize>) {
    let spec = settings.validate(&model.card).expect("a scenario is valid");
    let record = RunRecord::new(1, spec, model.card.layout.clone());
    decode::run(model, &record, &mut || {});
    let lanes = record.lanes().iter().enumerate();
    let measures = lanes.map(|(i, lane)| (lane.name.clone(), measure(&record.lane(i)))).collect();
    (measures, record.tokens_that_differ(0, 1), record.first_divergence(0, 1))
}

fn report(model: &Model, name: &str, settings: &RunSettings, seeds: u64) {
    let Condition::Prompt { text, .. } = &settings.shared.condition else { return };
    let scale = &settings.shared.guidance.scale;
    println!("\n{name}: “{text}”, γ {}, k {}", scale.guidance_scale, scale.cosine_power);
    println!(
        "{:>5} {:>7} {:>6}  then per lane: entropy gap first→last quarter, ‖z_c-z_g‖ first→last, entropy of z_g, surprise",
        "seed", "differ", "first"
    );
    let mut sums: Vec<(String, Measures)> = Vec::new();
    for seed in 0..seeds {
        let mut settings = settings.clone();
        settings.shared.sampling.seed = seed;
        let (lanes, differ, first) = run(model, &settings);
        print!("{seed:>5} {differ:>7} {:>6}", first.map_or("-".into(), |step| step.to_string()));
        for (kind, m) in &lanes {
            print!(
                "  | {kind} {:.3}→{:.3} {:.0}→{:.0} {:.3} {:.2}",
                m.gap_first, m.gap_last, m.delta_first, m.delta_last, m.entropy_guiding, m.surprise
            );
        }
        println!();
        if sums.is_empty() {
            sums = lanes.iter().map(|(name, _)| (name.clone(), Measures::default())).collect();
        }
        for ((_, sum), (_, m)) in sums.iter_mut().zip(&lanes) {
            sum.gap_first += m.gap_first;
            sum.gap_last += m.gap_last;
            sum.delta_first += m.delta_first;
            sum.delta_last += m.delta_last;
            sum.entropy_guiding += m.entropy_guiding;
            sum.surprise += m.surprise;
        }
    }
    let n = seeds as f64;
    for (kind, m) in sums {
        println!(
            " mean {kind}: gap {:.3}→{:.3}  ‖z_c-z_g‖ {:.1}→{:.1}  entropy of z_g {:.3}  surprise {:.3}",
            m.gap_first / n,
            m.gap_last / n,
            m.delta_first / n,
            m.delta_last / n,
            m.entropy_guiding / n,
            m.surprise / n
        );
    }
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let seeds = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    // Other prompts to try in place of the scenarios' own.
    let prompts = arguments.get(1..).unwrap_or(&[]);
    let model = builtin::load().expect("the built-in model loads");
    let pool = decode_pool(Some(2)).expect("threads");
    pool.install(|| {
        for scenario in scenarios::all() {
            let mut settings = RunSettings::default();
            scenario.apply(&mut settings, &mut ViewSettings::default());
            if prompts.is_empty() {
                report(&model, scenario.name, &settings, seeds);
            }
            for prompt in prompts {
                settings.shared.condition =
                    Condition::Prompt { text: prompt.clone(), negative: None };
                report(&model, scenario.name, &settings, seeds);
            }
        }
    });
}
