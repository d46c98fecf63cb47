//! The table of settings: complete, and every value written, printed and read back.

use super::key::SettingKey;
use super::lane::LaneSettings;
use super::setting::{DefaultFrom, Kind};
use super::table::SETTINGS;
use super::value::Value;
use crate::models::card::ModelDefaults;
use crate::sampling::Sampling;
use strum::VariantArray;

#[test]
fn every_key_has_its_row_and_every_row_its_words() {
    assert_eq!(SettingKey::VARIANTS.len(), SETTINGS.len());
    for (&key, row) in SettingKey::VARIANTS.iter().zip(&SETTINGS) {
        assert_eq!(row.key, key);
        for words in [row.label, row.short, row.noun, row.does] {
            assert!(!words.is_empty(), "{key}");
        }
        assert!(row.does.ends_with('.') && row.term.ends_with('.'), "{key}");
    }
}

#[test]
fn every_value_is_written_printed_and_read_back() {
    for row in &SETTINGS {
        let mut lane = LaneSettings::default();
        let values = match row.kind {
            Kind::Number { range, .. } => {
                vec![Value::Number(range.slider.1), Value::Number(0.3)]
            }
            Kind::Whole { .. } => vec![Value::Whole(0), Value::Whole(u64::MAX)],
            Kind::Class { .. } => vec![Value::Whole(7)],
            Kind::Count { .. } => vec![Value::Count(None), Value::Count(Some(12))],
            Kind::Switch { .. } => vec![Value::Switch(true), Value::Switch(false)],
            Kind::Choice { options, .. } => {
                options.iter().map(|option| Value::Choice(option.key)).collect()
            }
            Kind::Text { .. } => vec![Value::Text(Some("a red cat".into()))],
        };
        for value in values {
            row.set(&mut lane, value.clone()).unwrap();
            assert_eq!(row.get(&lane), Some(value.clone()), "{}", row.key);
            assert_eq!(row.parse(&value.to_string()), Ok(value.clone()), "{}", row.key);
            let json = serde_json::to_value(&value).unwrap();
            let mut other = lane.clone();
            row.set_json(&mut other, &json).unwrap();
            assert_eq!(other, lane, "{}", row.key);
        }
    }
}

#[test]
fn what_is_no_value_is_refused_with_what_is_one() {
    let refused = |key: SettingKey, text| key.setting().parse(text).unwrap_err().to_string();
    assert!(refused(SettingKey::Cache, "none").contains("one of two-pass, exact"));
    assert!(refused(SettingKey::GuidanceScale, "four").contains("“four”"));
    assert!(refused(SettingKey::Seed, "-1").contains("whole number of 0 or more"));
    assert!(refused(SettingKey::StepNorm, "").contains("on or off"));
    let mut lane = LaneSettings::default();
    assert!(SettingKey::TopK.setting().set(&mut lane, Value::Number(1.0)).is_err());
    assert_eq!(lane, LaneSettings::default());
    // Out of range is read, and named by a check.
    assert_eq!(SettingKey::TopP.setting().parse("1.5"), Ok(Value::Number(1.5)));
    lane.sampling.top_p = 1.5;
    let problem = SettingKey::TopP.setting().problem(&lane).unwrap();
    assert_eq!(problem, "Top-p is 1.5. Use a number above 0 and up to 1.");
}

#[test]
fn defaults_of_the_authors_are_those_that_a_model_brings() {
    let usual = LaneSettings::default();
    let mut adopted = usual.clone();
    adopted.adopt(&ModelDefaults {
        guidance_scale: 7.5,
        cosine_power: 0.25,
        authors_schedule: None,
        repetition_penalty: 1.2,
        sampling: Sampling { temperature: 0.5, top_k: Some(9), top_p: 0.75, seed: 77 },
        source: String::new(),
    });
    for row in &SETTINGS {
        let brought = row.get(&adopted) != row.get(&usual);
        assert_eq!(row.default == DefaultFrom::Authors, brought, "{}", row.key);
    }
}
