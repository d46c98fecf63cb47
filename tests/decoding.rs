//! Decoding as a value, for every family: going back and deciding again gives the same tokens and the
//! same records bit for bit, a fork is independent of where it came from, and lanes with settings of
//! their own draw beside others what they draw alone. Both cache rules, all perturbed parts.

mod open_support;

use open_support::*;
use softcfg_studio::engine::decoding::Decoding;
use softcfg_studio::engine::settings::{LaneSettings, RunSettings, RunSpec};
use softcfg_studio::engine::trace::StepRecord;
use softcfg_studio::guidance::{CacheRule, Confidence, Perturb, Preset, Variant};
use softcfg_studio::models::card::Model;
use softcfg_studio::opening::builtin;
use softcfg_studio::prompts::condition::Condition;
use strum::VariantArray;
use tempfile::TempDir;

/// Steps that are looked at: more than a row of every family, forced row ends among them.
const STEPS: usize = 22;

type Step = Vec<StepRecord>;

/// A model of a family and two things that it draws.
struct Family {
    name: &'static str,
    model: Model,
    conditions: [Condition; 2],
    _files: Vec<TempDir>,
}

fn every_family() -> Vec<Family> {
    let prompts = |one: &str, other: &str| {
        let prompt = |text: &str, negative: Option<&str>| Condition::Prompt {
            text: text.into(),
            negative: negative.map(str::to_owned),
        };
        [prompt(one, None), prompt(other, Some("a blue dog"))]
    };
    let classes = || [Condition::Class(1), Condition::Class(3)];
    let folder = || tempfile::tempdir().unwrap();
    let family = |name, model, conditions| Family { name, model, conditions, _files: Vec::new() };
    let (simple, lumina, captions) = (folder(), folder(), folder());
    let simple_ar = open_with(&simple_ar_request(simple_ar_with_cosmos_codes(simple.path())));
    let lumina_model = open_with(&lumina_request(lumina.path(), (4, 8)));
    let t2i = open_with(&caption_model(captions.path()));
    let text = || prompts("a red cat", "a blue car");
    vec![
        family("built-in", builtin::load().unwrap(), {
            prompts("a cat left of a dog on blue", "a red car on green")
        }),
        family(
            "AliTok",
            open_pair("alitok/model/alitok_tiny.bin", "alitok_tokenizer/AliTok_tiny.pth"),
            classes(),
        ),
        family(
            "RAR",
            open_pair("rar/model/rar_tiny.bin", "rar_tokenizer/weights.safetensors"),
            classes(),
        ),
        family(
            "LlamaGen c2i",
            open_pair("llamagen/c2i_tiny/c2i_tiny.pt", "llamagen/vq16_tiny/vq16_tiny.pt"),
            classes(),
        ),
        Family { _files: vec![captions], ..family("LlamaGen t2i", t2i.unwrap(), text()) },
        Family { _files: vec![simple], ..family("SimpleAR", simple_ar.unwrap(), text()) },
        Family { _files: vec![lumina], ..family("Lumina", lumina_model.unwrap(), text()) },
    ]
}

/// Lanes of every kind: no two alike in anything that can be set.
fn lanes(family: &Family) -> Vec<(String, LaneSettings)> {
    let [usual, other] = &family.conditions;
    let base = |preset: Preset, seed| {
        let mut lane = LaneSettings { condition: usual.clone(), ..LaneSettings::default() };
        lane.guidance = preset.applied_to(lane.guidance);
        lane.sampling.seed = seed;
        lane
    };
    let mut lanes = vec![
        ("none".to_owned(), base(Preset::None, 1)),
        ("cfg".to_owned(), base(Preset::Cfg, 2)),
        ("no step norm".to_owned(), base(Preset::SoftCfgNoStepNorm, 3)),
    ];
    for (place, &cache_rule) in CacheRule::VARIANTS.iter().enumerate() {
        for (part, &perturb) in Perturb::VARIANTS.iter().enumerate() {
            let mut lane = base(Preset::SoftCfg, 4 + (3 * place + part) as u64);
            let rule = &mut lane.guidance.perturbation;
            (rule.cache_rule, rule.perturb) = (cache_rule, perturb);
            lane.delta_context = part == 0;
            lanes.push((format!("{cache_rule} {perturb}"), lane));
        }
    }
    let mut own = base(Preset::SoftCfg, 20);
    own.condition = other.clone();
    own.guidance.scale.guidance_scale = 7.0;
    own.guidance.scale.cosine_power = 0.0;
    own.guidance.perturbation.variant = Variant::ReleasedCode;
    own.guidance.perturbation.confidence = Confidence::SampledProbability;
    own.guidance.perturbation.row_ends = true;
    own.sampling.temperature = 0.8;
    own.sampling.top_k = Some(5);
    own.sampling.top_p = 0.9;
    own.repetition_penalty = 1.4;
    lanes.push(("own".to_owned(), own));
    lanes
}

fn spec(family: &Family, lanes: Vec<(String, LaneSettings)>) -> RunSpec {
    let spec = RunSpec::of_lanes(lanes, &family.model.card);
    spec.unwrap_or_else(|errors| panic!("{}: {errors:?}", family.name))
}

fn steps(decoding: &mut Decoding<&Model>, until: usize) -> Vec<Step> {
    let missing = decoding.position()..until;
    missing.map(|_| decoding.step().unwrap().expect("a step")).collect()
}

#[test]
fn going_back_and_deciding_again_changes_no_bit() {
    for family in every_family() {
        let name = family.name;
        let count = STEPS.min(family.model.card.layout.len());
        let spec = spec(&family, lanes(&family));
        let mut decoding = Decoding::start(&family.model, &spec).unwrap();
        let first = steps(&mut decoding, count);
        // No steps back, one, all, and a walk over the others.
        for target in [count, count - 1, 0, 1, count / 2, count - 2, 2, count / 3] {
            steps(&mut decoding, target);
            decoding.rewind(target);
            assert_eq!(decoding.position(), target, "{name}");
            assert_eq!(decoding.tokens(1).len(), target, "{name}");
            // Not all the way: the next target is reached from somewhere else.
            let until = if target % 2 == 0 { count } else { (target + 3).min(count) };
            let again = steps(&mut decoding, until);
            assert!(again == first[target..until], "{name} from {target} to {until}");
        }
        decoding.rewind(count + 5);
        assert!(decoding.position() <= count, "{name}: what was never drawn is not reached");
    }
}

#[test]
fn a_fork_decodes_what_its_parent_would_and_leaves_it_alone() {
    for family in every_family() {
        let name = family.name;
        let count = STEPS.min(family.model.card.layout.len());
        let spec = spec(&family, lanes(&family));
        let mut parent = Decoding::start(&family.model, &spec).unwrap();
        let mut first = steps(&mut parent, count - 2);
        for target in [0, 1, count / 2, count - 2, count + 9] {
            let mut fork = parent.fork(target).unwrap();
            let target = target.min(count - 2);
            assert_eq!(fork.position(), target, "{name}");
            let of_fork = steps(&mut fork, count - 2);
            assert!(of_fork == first[target..], "{name} from {target}");
        }
        let mut fork = parent.fork(3).unwrap();
        first.extend(steps(&mut parent, count));
        // The fork goes on where the parent has gone further, and a fork of a fork as well.
        assert!(steps(&mut fork, count) == first[3..], "{name}");
        drop(parent);
        let mut second = fork.fork(2).unwrap();
        assert!(steps(&mut second, count) == first[2..], "{name}");
    }
}

#[test]
fn lanes_with_settings_of_their_own_draw_what_they_draw_alone() {
    for family in every_family() {
        let name = family.name;
        let count = STEPS.min(family.model.card.layout.len());
        let all = lanes(&family);
        let together = spec(&family, all.clone());
        let mut decoding = Decoding::start(&family.model, &together).unwrap();
        let together = steps(&mut decoding, count);
        for (lane, settings) in all.into_iter().enumerate() {
            let label = settings.0.clone();
            let alone = spec(&family, vec![settings]);
            let mut decoding = Decoding::start(&family.model, &alone).unwrap();
            for (step, records) in steps(&mut decoding, count).into_iter().enumerate() {
                assert_eq!(records, [together[step][lane]], "{name}: {label} at step {step}");
            }
        }
        // Blind if the lanes had nothing of their own.
        let last: Vec<String> =
            together[count - 1].iter().map(|record| format!("{record:?}")).collect();
        let different: std::collections::HashSet<_> = last.iter().collect();
        assert_eq!(different.len(), last.len(), "{name}");
    }
}

#[test]
fn a_whole_image_ends_the_decoding_and_can_be_taken_back() {
    let family = every_family().remove(1);
    let settings = RunSettings { lanes: vec![Preset::Cfg], ..RunSettings::default() };
    let (name, mut lane) = settings.named_lanes().remove(0);
    lane.condition = family.conditions[0].clone();
    let spec = spec(&family, vec![(name, lane)]);
    let mut decoding = Decoding::start(&family.model, &spec).unwrap();
    let whole = decoding.steps();
    let all = steps(&mut decoding, whole);
    assert_eq!(decoding.step().unwrap(), None);
    assert_eq!(decoding.position(), whole);
    decoding.rewind(whole - 1);
    assert_eq!(decoding.step().unwrap().as_ref(), all.last());
    let tokens: Vec<u32> = all.iter().map(|records| records[0].token).collect();
    assert_eq!(decoding.tokens(0), tokens);
    assert_eq!(decoding.tokens(9), [0u32; 0]);
}
