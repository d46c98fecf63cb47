//! `--out` folders that hold another run.

use crate::program::{refused, succeeds};
use std::fs;
use std::path::Path;
use tempfile::tempdir;

const PAIR: [&str; 5] = ["generate", "--prompt", "a cat", "--out", "result"];

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

fn description(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(folder.join("run.json")).expect("there")).expect("JSON")
}

// Source: stable-diffusion#86 (files of an older run beside the new ones).
#[test]
fn a_person_generates_into_the_folder_of_another_run() {
    let folder = tempdir().expect("a folder");
    succeeds(folder.path(), &PAIR);
    let result = folder.path().join("result");
    let before = fs::read(result.join("cfg.png")).expect("an image");

    let other = [&PAIR[..], &["--lanes", "none", "--seed", "9"]].concat();
    let message = refused(folder.path(), &other, 2);
    for part in ["cfg.png", "softcfg.png", "--overwrite", "result"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(fs::read(result.join("cfg.png")).expect("an image"), before, "nothing changed");
    assert_eq!(names(&result), ["cfg.png", "run.json", "softcfg.png", "trace.csv"]);

    // Replacing takes away what the old description lists, and nothing else.
    fs::write(result.join("notes.txt"), "mine").expect("written");
    succeeds(folder.path(), &[&other[..], &["--overwrite"]].concat());
    assert_eq!(names(&result), ["none.png", "notes.txt", "run.json", "trace.csv"]);
    let listed = description(&result)["files"].clone();
    assert_eq!(listed, serde_json::json!(["none.png", "trace.csv", "run.json"]));
}

// Source: found in use: version 0.1.0 did not list its files.
#[test]
fn a_person_replaces_a_run_of_an_older_version() {
    let folder = tempdir().expect("a folder");
    succeeds(folder.path(), &PAIR);
    let result = folder.path().join("result");
    let mut old = description(&result);
    old.as_object_mut().expect("an object").remove("files");
    fs::write(result.join("run.json"), old.to_string()).expect("written");
    succeeds(folder.path(), &[&PAIR[..], &["--lanes", "softcfg", "--overwrite"]].concat());
    assert_eq!(names(&result), ["run.json", "softcfg.png", "trace.csv"]);
}

// Source: found in use.
#[test]
fn a_person_has_pictures_of_the_same_name_in_the_folder() {
    let folder = tempdir().expect("a folder");
    let result = folder.path().join("result");
    fs::create_dir(&result).expect("a folder");
    fs::write(result.join("softcfg.png"), "mine").expect("written");
    let message = refused(folder.path(), &PAIR, 2);
    assert!(message.contains("softcfg.png") && message.contains("--overwrite"), "{message}");
    assert_eq!(fs::read(result.join("softcfg.png")).expect("there"), b"mine");
}

// Source: found in use: a description from elsewhere must not remove files elsewhere.
#[test]
fn a_person_overwrites_a_folder_whose_run_json_is_no_description_of_ours() {
    let folder = tempdir().expect("a folder");
    let result = folder.path().join("result");
    fs::create_dir(&result).expect("a folder");
    fs::write(folder.path().join("precious"), "mine").expect("written");
    fs::write(result.join("run.json"), r#"{"name": "another program's"}"#).expect("written");
    let overwrite = [&PAIR[..], &["--overwrite"]].concat();
    let message = refused(folder.path(), &overwrite, 2);
    assert!(message.contains("run.json") && message.contains("choose another folder"), "{message}");

    fs::File::create(result.join("run.json")).and_then(|file| file.set_len(3 << 30)).expect("made");
    assert!(refused(folder.path(), &overwrite, 2).contains("more than"));

    fs::remove_dir_all(&result).expect("removed");
    succeeds(folder.path(), &PAIR);
    let mut lies = description(&result);
    lies["files"] = serde_json::json!(["cfg.png", "../precious"]);
    fs::write(result.join("run.json"), lies.to_string()).expect("written");
    let message = refused(folder.path(), &overwrite, 2);
    assert!(message.contains("../precious"), "{message}");
    assert!(folder.path().join("precious").exists() && result.join("cfg.png").exists());
}

// Source: found in use: the old run was gone when a folder stood in the way of the new one.
#[test]
fn a_person_has_a_folder_where_a_picture_is_to_be() {
    let folder = tempdir().expect("a folder");
    succeeds(folder.path(), &PAIR);
    let result = folder.path().join("result");
    fs::create_dir(result.join("none.png")).expect("a folder");
    let call = [&PAIR[..], &["--lanes", "none", "--overwrite"]].concat();
    let message = refused(folder.path(), &call, 2);
    assert!(message.contains("a folder has the name of a file"), "{message}");
    assert!(result.join("cfg.png").is_file() && result.join("run.json").is_file());
}

// Source: found in use: pictures of an interrupted run lay beside a description that did not list them.
#[test]
fn a_person_generates_other_lanes_beside_pictures_without_a_description() {
    let folder = tempdir().expect("a folder");
    let result = folder.path().join("result");
    fs::create_dir(&result).expect("a folder");
    fs::write(result.join("cfg.png"), "of a run").expect("written");
    let message = refused(folder.path(), &[&PAIR[..], &["--lanes", "none"]].concat(), 2);
    assert!(message.contains("cfg.png"), "{message}");
}
