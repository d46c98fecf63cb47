//! What the models' authors do beside the paper, on miniatures opened from files: their schedules, their
//! unconditional prompts, the repetition penalty, captions that are cut; and that a run records it.

mod open_support;

use open_support::*;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::engine::decode;
use softcfg_studio::engine::settings::{LaneSettings, RunSettings, RunSpec, SettingKey};
use softcfg_studio::engine::trace::{RunRecord, RunStatus, StepRecord};
use softcfg_studio::export::run_json::RunDescription;
use softcfg_studio::guidance::Preset;
use softcfg_studio::guidance::schedule::{ScaleRule, Schedule};
use softcfg_studio::models::card::{Conditions, Model};
use softcfg_studio::opening::builtin;
use softcfg_studio::opening::request::OpenRequest;
use softcfg_studio::prompts::book::PromptBook;
use softcfg_studio::prompts::condition::Condition;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

fn prompt(text: &str, negative: Option<&str>) -> Condition {
    Condition::Prompt { text: text.into(), negative: negative.map(str::to_owned) }
}

fn settings_of(model: &Model, condition: Condition) -> RunSettings {
    let mut shared = LaneSettings { condition, ..LaneSettings::default() };
    shared.adopt(&model.card.defaults);
    RunSettings { shared, lanes: vec![Preset::Cfg] }
}

fn run(model: &Model, settings: &RunSettings) -> (RunSpec, Vec<StepRecord>) {
    let spec = settings.validate(&model.card).unwrap_or_else(|errors| panic!("{errors:?}"));
    let record = RunRecord::new(1, spec.clone(), model.card.layout.clone());
    decode::run(model, &record, &mut || ());
    assert_eq!(record.status(), RunStatus::Finished);
    // What a file says of the run is what it was.
    let json = serde_json::to_string(&RunDescription::of(&record)).unwrap();
    assert_eq!(serde_json::from_str::<RunDescription>(&json).unwrap().run, spec);
    (spec, record.lane(0))
}

fn scales(records: &[StepRecord]) -> Vec<f32> {
    records.iter().map(|record| record.scale).collect()
}

fn simple_ar(generation_config: Option<&str>) -> (TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let decoder = simple_ar_with_cosmos_codes(folder.path());
    if let Some(json) = generation_config {
        std::fs::write(folder.path().join("generation_config.json"), json).unwrap();
    }
    let model = open_with(&simple_ar_request(decoder)).unwrap();
    (folder, model)
}

fn lumina(folder: &Path, grid: (usize, usize)) -> Model {
    open_with(&lumina_request(folder, grid)).unwrap()
}

fn book(model: &Model) -> Arc<PromptBook> {
    match &model.card.conditions {
        Conditions::Prompts(book) => book.clone(),
        Conditions::Classes(_) => panic!("no prompts"),
    }
}

#[test]
fn lumina_decays_to_four_as_its_program_does() {
    let folder = tempfile::tempdir().unwrap();
    let model = lumina(folder.path(), (4, 8));
    let mut settings = settings_of(&model, prompt("a red cat", None));
    settings.shared.guidance.scale.guidance_scale = 10.0;
    settings.shared.guidance.scale.cosine_power = 3.0;
    settings.shared.guidance.scale.schedule = Schedule::Authors;
    let (spec, records) = run(&model, &settings);
    // 32 × 64 pixels: size tokens 1 and 2, so s is multiplied by 1 - 2/8, then 1 - 3/8, ….
    assert_eq!(spec.lanes[0].scale_rule, ScaleRule::Decaying { area: 8 });
    assert_eq!(scales(&records)[..4], [7.5, 4.6875, 4.0, 4.0]);
    assert!(scales(&records)[2..].iter().all(|&scale| scale == 4.0));
    // k changes nothing there, and everything under the cosine.
    let tokens = |settings: &RunSettings| -> Vec<u32> {
        run(&model, settings).1.iter().map(|record| record.token).collect()
    };
    let one = tokens(&settings);
    settings.shared.guidance.scale.cosine_power = 0.5;
    assert_eq!(one, tokens(&settings));
    settings.shared.guidance.scale.schedule = Schedule::Cosine;
    assert_ne!(scales(&records), scales(&run(&model, &settings).1));
}

#[test]
fn llamagen_is_constant_and_can_end_its_guidance_early() {
    let model = open_pair("llamagen/c2i_tiny/c2i_tiny.pt", "llamagen/vq16_tiny/vq16_tiny.pt");
    let mut settings = settings_of(&model, Condition::Class(2));
    settings.shared.guidance.scale.schedule = Schedule::Authors;
    settings.shared.guidance.scale.cosine_power = 2.0;
    let (_, records) = run(&model, &settings);
    assert!(scales(&records).iter().all(|&scale| scale == 4.0));
    settings.shared.guidance.scale.interval = Some(3);
    let (spec, records) = run(&model, &settings);
    assert_eq!(spec.lanes[0].scale_rule, ScaleRule::ConstantUntil { interval: Some(3) });
    assert_eq!(scales(&records)[..7], [4.0, 4.0, 4.0, 4.0, 4.0, 1.0, 1.0]);
    // Without guidance the guided distribution is the conditional one.
    assert_eq!(records[40].top_guided, records[40].top_conditional);
    assert_ne!(records[4].top_guided, records[4].top_conditional);
    settings.shared.guidance.scale.guidance_scale = 0.5;
    assert!(scales(&run(&model, &settings).1).iter().all(|&scale| scale == 1.0));
}

#[test]
fn every_family_offers_what_its_program_does_and_the_built_in_model_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let (_keep, simple) = simple_ar(None);
    let alitok = open_pair("alitok/model/alitok_tiny.bin", "alitok_tokenizer/AliTok_tiny.pth");
    let rar = open_pair("rar/model/rar_tiny.bin", "rar_tokenizer/weights.safetensors");
    let captions = open_with(&caption_model(folder.path())).unwrap();
    for (model, rule) in [
        (&simple, ScaleRule::Constant),
        (&alitok, ScaleRule::ProgramCosine),
        (&rar, ScaleRule::ProgramCosine),
        (&captions, ScaleRule::ConstantAboveOne),
    ] {
        let schedule = model.card.defaults.authors_schedule.as_ref().unwrap();
        assert_eq!(schedule.rule, rule);
        assert!(!schedule.takes_interval());
        assert!(!schedule.description.is_empty() && !schedule.source.is_empty());
    }
    let model = builtin::load().unwrap();
    let mut settings = RunSettings::default();
    settings.shared.guidance.scale.schedule = Schedule::Authors;
    let errors = settings.validate(&model.card).unwrap_err();
    assert_eq!(errors[0].key, Some(SettingKey::Schedule));
    assert!(errors[0].message.contains("Choose the cosine"), "{}", errors[0]);
    settings.shared.guidance.scale.schedule = Schedule::Cosine;
    assert!(settings.validate(&model.card).is_ok());
}

#[test]
fn simple_ar_knows_two_unconditional_prompts_and_takes_others() {
    let (_folder, model) = simple_ar(None);
    let template = book(&model).template().clone();
    let words = template.usual_text().to_owned();
    assert!(words.starts_with("An image of aerial view") && words.ends_with("distortion"));
    let training = template.alternative_unconditional.unwrap();
    let with = |negative: Option<&str>| {
        let (spec, records) = run(&model, &settings_of(&model, prompt("a red cat", negative)));
        (
            spec.lanes[0].unconditional_text.clone().unwrap(),
            records[0].entropy_unconditional.unwrap(),
        )
    };
    let usual = with(None);
    assert_eq!(usual.0, format!("<|t2i|>{words}<|soi|>"));
    let dropped = with(Some(&training.text));
    assert_eq!(dropped.0, "<|t2i|><|soi|>");
    let own = with(Some("a blue dog"));
    assert_eq!(own.0, "<|t2i|>a blue dog<|soi|>");
    // Three branches that say different things; the authors' words typed again say the same.
    assert!(usual.1 != dropped.1 && dropped.1 != own.1 && own.1 != usual.1);
    assert_eq!(with(Some(&words)), usual);
}

#[test]
fn lumina_takes_an_unconditional_prompt_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let model = lumina(folder.path(), (4, 8));
    let with = |negative: Option<&str>| {
        let (spec, records) = run(&model, &settings_of(&model, prompt("a red cat", negative)));
        (spec.lanes[0].unconditional_text.clone().unwrap(), records[0].entropy_unconditional)
    };
    let (usual, own) = (with(None), with(Some("blurred")));
    assert!(usual.0.starts_with("<racm3:break>") && !usual.0.contains("following prompt"));
    assert!(own.0.contains("following prompt:\nblurred<"), "{}", own.0);
    assert_ne!(usual.1, own.1);
}

#[test]
fn the_repetition_penalty_of_the_folder_is_the_default() {
    let generation = r#"{"repetition_penalty": 1.3, "temperature": 0.7, "top_k": 20}"#;
    let (_folder, model) = simple_ar(Some(generation));
    let defaults = &model.card.defaults;
    assert_eq!(defaults.repetition_penalty, 1.3);
    assert_eq!((defaults.sampling.temperature, defaults.sampling.top_k), (1.0, None));
    for part in ["penalty 1.3 from generation_config.json", "temperature 0.7, top-k 20"] {
        assert!(defaults.source.contains(part), "{}", defaults.source);
    }
    // A penalty makes what was drawn less probable: far fewer codes are drawn twice.
    let repeats = |penalty: f32| {
        let mut settings = settings_of(&model, prompt("a red cat", None));
        settings.shared.repetition_penalty = penalty;
        settings.shared.sampling.top_k = Some(1);
        let mut tokens: Vec<u32> =
            run(&model, &settings).1.iter().map(|record| record.token).collect();
        let all = tokens.len();
        tokens.sort_unstable();
        tokens.dedup();
        all - tokens.len()
    };
    assert!(repeats(50.0) <= repeats(1.0));
    let mut settings = settings_of(&model, prompt("a red cat", None));
    settings.shared.guidance.scale.guidance_scale = 1.0;
    let mut with = |penalty| {
        settings.shared.repetition_penalty = penalty;
        run(&model, &settings).1
    };
    let (plain, penalized) = (with(1.0), with(1e6));
    assert_eq!(plain[0], penalized[0], "nothing was drawn before the first token");
    let drawn: Vec<u32> = penalized.iter().map(|record| record.token).collect();
    for (step, record) in penalized.iter().enumerate().skip(1) {
        // Positive logits of drawn codes are next to 0 then, so none of them leads.
        let leader = record.top_guided.entries().next().unwrap().0;
        assert!(!drawn[..step].contains(&leader), "step {step}");
    }
    for penalty in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        settings.shared.repetition_penalty = penalty;
        let errors = settings.validate(&model.card).unwrap_err();
        assert_eq!(errors[0].key, Some(SettingKey::RepetitionPenalty), "{penalty}");
    }
}

#[test]
fn a_damaged_generation_config_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let decoder = simple_ar_with_cosmos_codes(folder.path());
    std::fs::write(folder.path().join("generation_config.json"), "{\"top_k\": ").unwrap();
    let mut request = OpenRequest::new([decoder]);
    request.tokenizer = Some(golden("simplear/cosmos/tiny_decoder.safetensors"));
    request.grid = Some((3, 4));
    assert!(message(&request).contains("generation_config.json"), "{}", message(&request));
}

#[test]
fn captions_are_cut_as_the_encoder_cuts_them_and_the_rest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = open_with(&caption_model(folder.path())).unwrap();
    let book = book(&model);
    // The miniature takes 12 rows, the end token among them.
    let long = "a red cat a blue dog a red car a blue cat a red dog";
    let check = book.check(long).unwrap();
    assert_eq!((check.tokens, check.limit), (16, 12));
    assert_eq!(check.beyond.as_deref(), Some("cat a red dog"));
    let (_, cut) = run(&model, &settings_of(&model, prompt(long, None)));
    // What is said to be read is what is read: the same rows, the same tokens.
    let (read, _) = long.rsplit_once(" cat a red dog").unwrap();
    let (_, short) = run(&model, &settings_of(&model, prompt(read, None)));
    assert_eq!(cut, short);
    assert_eq!(book.check(read).unwrap().beyond, None);
    // A caption of which cleaning leaves nothing is drawn, with a warning.
    let check = book.check("A  RED cat").unwrap();
    assert_eq!((check.tokens, check.cleaned, check.unknown_words.len()), (4, None, 0));
}

#[test]
fn the_text_encoder_runs_in_sixteen_bits_beside_a_smaller_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = caption_model(folder.path());
    let entropies = |request: &OpenRequest| {
        let model = open_with(request).unwrap();
        let (_, records) = run(&model, &settings_of(&model, prompt("a red cat", None)));
        records[0].entropy_conditional
    };
    request.precision = Some(Precision::F32);
    let exact = entropies(&request);
    request.precision = Some(Precision::Bf16);
    let rounded = entropies(&request);
    assert!(exact != rounded && (exact - rounded).abs() < 0.05, "{exact} and {rounded}");
}

#[test]
fn prompts_with_control_characters_or_too_long_are_refused_by_every_text_model() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_keep, simple) = simple_ar(None);
    let lumina = lumina(one.path(), (4, 8));
    let captions = open_with(&caption_model(two.path())).unwrap();
    for model in [&simple, &lumina, &captions] {
        let name = &model.card.identity.name;
        for (text, says) in [
            ("a \u{7}cat", "U+0007"),
            ("a \u{0}cat", "U+0000"),
            ("a \u{9b}cat", "U+009B"),
            (&*"cat ".repeat(25_000), "10000 characters"),
            (&*"\u{1f600}".repeat(100_000), "10000 characters"),
            (" \n\t", "empty"),
        ] {
            let errors = settings_of(model, prompt(text, None)).validate(&model.card).unwrap_err();
            assert_eq!(errors[0].key, Some(SettingKey::Prompt), "{name}");
            assert!(errors[0].message.contains(says), "{name}: {}", errors[0]);
        }
        let bad = settings_of(model, prompt("a red cat", Some("\u{1b}[2J")));
        let errors = bad.validate(&model.card).unwrap_err();
        assert_eq!(errors[0].key, Some(SettingKey::NegativePrompt), "{name}");
    }
}

/// A run as version 0.1.0 described it, and as its first builds did, before schedules and penalties.
fn description_of_0_1_0(model: &Model, complete: bool) -> serde_json::Value {
    let mut settings = serde_json::json!({
        "condition": { "prompt": { "text": "a purple umbrella above a green cactus on white" } },
        "lanes": ["cfg", "softcfg"],
        "guidance_scale": 4.0,
        "cosine_power": 1.4,
        "step_norm": true,
        "variant": "paper",
        "released_code": { "strength": 1.0, "floor": 0.05, "shift": true },
        "confidence": "conditional-max",
        "perturb": "value",
        "cache_rule": "two-pass",
        "perturb_row_ends": false,
        "sampling": { "temperature": 1.0, "top_k": null, "top_p": 1.0, "seed": 11 },
        "delta_context": true
    });
    let mut run = serde_json::json!({
        "model": model.card.identity,
        "steps": model.card.layout.len(),
    });
    if complete {
        settings["schedule"] = "cosine".into();
        settings["guidance_interval"] = serde_json::Value::Null;
        settings["repetition_penalty"] = 1.0.into();
        run["scale_rule"] = "cosine".into();
        run["unconditional_text"] = book(model).unconditional_text(None).into();
    }
    run["settings"] = settings;
    run
}

#[test]
fn descriptions_of_earlier_versions_are_still_read() {
    let model = builtin::load().unwrap();
    let spec = RunSettings::default().validate(&model.card).unwrap();
    let read: RunSpec = serde_json::from_value(description_of_0_1_0(&model, true)).unwrap();
    assert_eq!(read, spec);
    let read: RunSpec = serde_json::from_value(description_of_0_1_0(&model, false)).unwrap();
    assert_eq!(RunSettings::of_run(&read), RunSettings::of_run(&spec));
    assert_eq!(read.lanes[1].scale_rule, ScaleRule::Cosine);
    // What is no run is refused, not guessed.
    for lacking in [serde_json::json!([]), serde_json::Value::Null] {
        let mut json = serde_json::to_value(&spec).unwrap();
        json["lanes"] = lacking;
        let error = serde_json::from_value::<RunSpec>(json).unwrap_err();
        assert!(error.to_string().contains("without lanes"), "{error}");
    }
}
