//! What the built-in model is shown with.

use crate::fidelity_support::judge;
use softcfg_studio::engine::decode;
use softcfg_studio::engine::settings::{LaneSettings, RunSettings};
use softcfg_studio::engine::trace::{RunRecord, RunStatus};
use softcfg_studio::models::card::Conditions;
use softcfg_studio::opening::builtin;
use softcfg_studio::prompts::condition::Condition;

// Source: found in use: at its first start the program drew 34 % of what prompts ask for.
#[test]
fn a_person_starts_the_program_for_the_first_time() {
    let model = builtin::load().expect("the built-in model");
    let mut settings = RunSettings::default();
    settings.shared.adopt(&model.card.defaults);
    let Condition::Prompt { text, .. } = settings.shared.condition.clone() else {
        panic!("the built-in model draws prompts")
    };
    let spec = settings.validate(&model.card).expect("valid defaults");
    let record = RunRecord::new(1, spec, model.card.layout.clone());
    decode::run(&model, &record, &mut || {});
    assert_eq!(record.status(), RunStatus::Finished);
    assert!(record.tokens_that_differ(0, 1) > 10, "a stranger would see two equal images");
    let judge = judge();
    for (index, lane) in record.lanes().iter().enumerate() {
        let tokens = record.tokens(index, record.spec.steps);
        let picture = model.tokenizer.decode(&tokens, &record.layout).expect("a picture");
        let verdict = judge.judge(&picture, &text).expect("a prompt of the grammar");
        assert!(verdict.tints && verdict.ground, "{} draws {verdict:?}", lane.name);
    }
}

// Source: found in use: random prompts were of the whole grammar, most of which is not drawn well.
#[test]
fn a_person_rolls_the_dice_for_a_prompt() {
    let model = builtin::load().expect("the built-in model");
    let Conditions::Prompts(book) = &model.card.conditions else { panic!("no prompts") };
    let drawn_well = book.drawn_well();
    assert!(drawn_well.len() > 40, "{} prompts", drawn_well.len());
    let picture = image::RgbImage::new(128, 128);
    let judge = judge();
    for prompt in drawn_well {
        assert!(judge.judge(&picture, prompt).is_some(), "“{prompt}” is none of the grammar");
    }
    let rolled: std::collections::HashSet<String> =
        (0..400).filter_map(|seed| book.random_prompt(seed)).collect();
    assert!(rolled.iter().all(|prompt| drawn_well.contains(prompt)));
    assert!(rolled.len() > drawn_well.len() / 2, "the dice is stuck");
    let Condition::Prompt { text, .. } = LaneSettings::default().condition else { panic!() };
    assert!(drawn_well.contains(&text), "the first prompt is none that is drawn well");
}
