//! The real binary on text-to-image miniatures: schedules, unconditional prompts, cut captions, and what
//! of that is refused; run.json tells what was done.

mod open_support;

use open_support::*;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::tempdir;

fn generate(folder: &Path, model: &[String], rest: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_softcfg-studio"))
        .arg("generate")
        .args(model)
        .args(rest)
        .args(["--out", "out", "--overwrite"])
        .current_dir(folder)
        .output()
        .expect("the binary starts")
}

/// Runs, and gives run.json and stderr.
fn succeeds(folder: &Path, model: &[String], rest: &[&str]) -> (serde_json::Value, String) {
    let output = generate(folder, model, rest);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{rest:?}: {error}");
    let text = fs::read_to_string(folder.join("out/run.json")).expect("a description");
    (serde_json::from_str(&text).expect("JSON"), error)
}

fn refuses(folder: &Path, model: &[String], rest: &[&str], says: &[&str]) {
    let output = generate(folder, model, rest);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{rest:?} said: {message}");
    for part in says {
        assert!(message.contains(part), "{rest:?} should say {part:?}, but said: {message}");
    }
}

fn scales(folder: &Path) -> Vec<f32> {
    let text = fs::read_to_string(folder.join("out/trace.csv")).expect("a trace");
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().expect("a header");
    let column = header.iter().position(|name| *name == "scale").expect("a column");
    lines.filter(|row| row[0] == "cfg").map(|row| row[column].parse().expect("a number")).collect()
}

fn arguments(path: &Path, tokenizer: &Path, grid: &str) -> Vec<String> {
    let text = |path: &Path| path.to_str().expect("Unicode").to_owned();
    let mut all = vec!["--model".into(), text(path), "--tokenizer".into(), text(tokenizer)];
    if !grid.is_empty() {
        all.extend(["--grid".into(), grid.into()]);
    }
    all
}

#[test]
fn simple_ar_takes_either_prompt_of_its_authors() {
    let folder = tempdir().expect("a folder");
    let decoder = simple_ar_with_cosmos_codes(folder.path());
    let cosmos = golden("simplear/cosmos/tiny_decoder.safetensors");
    let model = arguments(&decoder, &cosmos, "3x4");
    let unconditional = |rest: &[&str]| {
        let rest: Vec<&str> = ["--prompt", "a red cat"].iter().chain(rest).copied().collect();
        let (json, _) = succeeds(folder.path(), &model, &rest);
        json["run"]["lanes"][0]["unconditional_text"].as_str().expect("a text").to_owned()
    };
    let usual = unconditional(&[]);
    assert!(usual.contains("bad hands"), "{usual}");
    assert_eq!(unconditional(&["--unconditional", "usual"]), usual);
    assert_eq!(unconditional(&["--unconditional", "training"]), "<|t2i|><|soi|>");
    assert_eq!(unconditional(&["--negative-prompt", "a dog"]), "<|t2i|>a dog<|soi|>");

    let rest = ["--prompt", "a red cat", "--schedule", "authors", "--cosine-power", "2"];
    let (json, _) = succeeds(folder.path(), &model, &rest);
    assert_eq!(json["run"]["lanes"][0]["scale_rule"], "constant");
    assert_eq!(json["run"]["lanes"][0]["settings"]["schedule"], "authors");
    assert!(scales(folder.path()).iter().all(|&scale| scale == 6.0));

    let refuses = |rest: &[&str], says: &[&str]| {
        let rest: Vec<&str> = ["--prompt", "a red cat"].iter().chain(rest).copied().collect();
        refuses(folder.path(), &model, &rest, says);
    };
    refuses(&["--unconditional", "none"], &["none", "training"]);
    refuses(&["--unconditional", "usual", "--negative-prompt", "x"], &["cannot be used with"]);
    refuses(&["--schedule", "linear"], &["linear", "authors"]);
    refuses(&["--guidance-interval", "3"], &["--schedule"]);
    let interval = ["--schedule", "authors", "--guidance-interval", "3"];
    refuses(&interval, &["LlamaGen's class models"]);
    refuses(&["--repetition-penalty", "0"], &["above 0"]);
    refuses(&["--negative-prompt", "a \u{7}"], &["U+0007"]);
}

#[test]
fn lumina_knows_one_unconditional_prompt() {
    let folder = tempdir().expect("a folder");
    let movq = folder.path().join("movqgan.safetensors");
    let source = golden("lumina/movq/decoder.safetensors");
    with_codes(&source, &movq, "quantize.embedding.weight", 96);
    let model = arguments(&golden("lumina/tiny"), &movq, "4x8");
    let training = ["--prompt", "a red cat", "--unconditional", "training"];
    refuses(folder.path(), &model, &training, &["one unconditional prompt", "--negative-prompt"]);
    let rest = ["--prompt", "a red cat", "--schedule", "authors", "--guidance-scale", "10"];
    let (json, _) = succeeds(folder.path(), &model, &rest);
    assert_eq!(json["run"]["lanes"][0]["scale_rule"]["decaying"]["area"], 8);
    assert_eq!(scales(folder.path())[..3], [7.5, 4.6875, 4.0]);
    let long = "cat ".repeat(25_000);
    refuses(folder.path(), &model, &["--prompt", &long], &["10000 characters"]);
}

#[test]
fn a_caption_that_is_cut_is_said_on_stderr() {
    let folder = tempdir().expect("a folder");
    let request = caption_model(folder.path());
    let tokenizer = request.tokenizer.expect("a tokenizer");
    let model = arguments(&request.paths[0], &tokenizer, "");
    let long = "a red cat a blue dog a red car a blue cat a red dog";
    let (json, said) = succeeds(folder.path(), &model, &["--prompt", long]);
    for part in ["16 of 12 tokens", "cut off", "“cat a red dog”"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(json["run"]["lanes"][0]["settings"]["prompt"], long);
    let (_, said) = succeeds(folder.path(), &model, &["--prompt", "a red cat"]);
    assert!(!said.contains("note:"), "{said}");
}

#[test]
fn an_interval_ends_the_guidance_of_llamagen() {
    let folder = tempdir().expect("a folder");
    let model = arguments(
        &golden("llamagen/c2i_tiny/c2i_tiny.pt"),
        &golden("llamagen/vq16_tiny/vq16_tiny.pt"),
        "",
    );
    let rest = ["--class", "3", "--schedule", "authors", "--guidance-interval", "2"];
    let (json, _) = succeeds(folder.path(), &model, &rest);
    assert_eq!(json["run"]["lanes"][0]["scale_rule"]["constant-until"]["interval"], 2);
    assert_eq!(scales(folder.path())[..6], [4.0, 4.0, 4.0, 4.0, 1.0, 1.0]);
}

#[test]
fn the_built_in_model_has_no_schedule_of_its_authors() {
    let folder = tempdir().expect("a folder");
    let rest = ["--prompt", "a cat on blue", "--schedule", "authors"];
    refuses(folder.path(), &[], &rest, &["no schedule of its authors", "cosine"]);
}
