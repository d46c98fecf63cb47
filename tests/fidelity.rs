//! The fidelity rule against verdicts that were recorded by another program on 98 pictures of version 0
//! of the built-in model.

mod fidelity_support;

use fidelity_support::judge;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Recorded {
    prompt: String,
    image: String,
    ground_ok: bool,
    drawn: Vec<Option<Drawn>>,
    distances: Vec<f64>,
    boxes: Vec<Place>,
    objects_ok: bool,
    tints_ok: bool,
}

#[derive(Deserialize)]
struct Drawn {
    subject: String,
    tint: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    size: u32,
    x: u32,
    y: u32,
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn every_recorded_verdict_is_reached() {
    let judge = judge();
    let text = fs::read(path("tests/fidelity/verdicts.json")).expect("verdicts");
    let recorded: Vec<Recorded> = serde_json::from_slice(&text).expect("verdicts");
    assert_eq!(recorded.len(), 98);
    for one in &recorded {
        let file = path("tests/fidelity/pictures").join(one.image.trim_start_matches("images/"));
        let picture = image::open(file).expect("a picture").to_rgb8();
        let verdict = judge.judge(&picture, &one.prompt).expect("a prompt of the grammar");
        let name = &one.prompt;
        assert_eq!(verdict.objects, one.objects_ok, "objects of {name}");
        assert_eq!(verdict.tints, one.tints_ok, "tints of {name}");
        assert_eq!(verdict.ground, one.ground_ok, "ground of {name}");
        assert_eq!(verdict.found.len(), one.drawn.len(), "{name}");
        for (index, found) in verdict.found.iter().enumerate() {
            let expected = one.drawn[index].as_ref();
            let grammar = judge.grammar();
            let subject =
                found.drawn.map(|(subject, _)| grammar.subjects[subject].singular.clone());
            let tint = found.drawn.and_then(|(_, tint)| Some(grammar.tints[tint?].clone()));
            assert_eq!(subject, expected.map(|drawn| drawn.subject.clone()), "{name}");
            assert_eq!(tint, expected.and_then(|drawn| drawn.tint.clone()), "{name}");
            assert!((found.distance - one.distances[index]).abs() < 1e-4, "{name}");
            let Place { size, x, y } = one.boxes[index];
            let place = found.place;
            assert_eq!((place.size, place.left, place.top), (size, x, y), "{name}");
        }
    }
}

#[test]
fn prompts_that_are_none_are_not_judged() {
    let judge = judge();
    let picture = image::RgbImage::new(128, 128);
    for prompt in ["", "a zebra", "a cat on", "two", "three cat", "a cat left of", "a a cat"] {
        assert!(judge.judge(&picture, prompt).is_none(), "{prompt}");
    }
    assert!(judge.judge(&image::RgbImage::new(64, 64), "a cat").is_none());
    // Nothing but the ground: its colour is known although the prompt does not name it.
    let picture = image::RgbImage::from_pixel(128, 128, image::Rgb([40, 40, 48]));
    let verdict = judge.judge(&picture, "a cat").expect("a prompt");
    assert!(!verdict.objects && verdict.ground);
}
