//! This program's own results, opened as if they were models.

use crate::program::{refused, succeeds};
use softcfg_studio::opening::offer;
use softcfg_studio::opening::request::{OpenRequest, SystemResources};
use std::fs;
use std::path::Path;

/// A folder with the results of a short run of the built-in model.
fn results(folder: &Path) {
    let arguments = ["generate", "--prompt", "a cat", "--seed", "1", "--out", "results"];
    succeeds(folder, &arguments);
}

// Source: found in use: a PNG dropped on the window was "not a weight file".
#[test]
fn a_person_opens_the_results_of_a_run_as_a_model() {
    let folder = tempfile::tempdir().unwrap();
    results(folder.path());
    let results = folder.path().join("results");
    let (mut pictures, mut others) = (0, 0);
    for file in fs::read_dir(&results).unwrap().map(|file| file.unwrap().path()) {
        // What a drop on the window does, too.
        let survey = offer::survey(&OpenRequest::new([file.clone()]), &SystemResources::default());
        let message = survey.expect_err("no model").to_string();
        let ending = file.extension().unwrap().to_str().unwrap();
        let what = match (file.file_name().unwrap().to_str().unwrap(), ending) {
            (_, "png") => "a picture that this program drew",
            ("run.json", _) => "the description of a run",
            _ => "the trace of a run",
        };
        assert!(message.contains(what) && message.contains("a later version"), "{message}");
        assert!(message.ends_with(&file.display().to_string()), "{message}");
        if ending == "png" {
            pictures += 1
        } else {
            others += 1
        }
        // The same for a copy of another name.
        let renamed = folder.path().join("model.safetensors");
        fs::copy(&file, &renamed).unwrap();
        let message = refused(folder.path(), &["inspect", "model.safetensors"], 2);
        assert!(message.contains(what), "{message}");
    }
    assert!(pictures > 0 && others > 0);
    let message = refused(folder.path(), &["inspect", "results"], 2);
    assert!(
        message.contains("results of a run") && message.contains("a later version"),
        "{message}"
    );
    let message = refused(
        folder.path(),
        &["generate", "--model", "results/run.json", "--prompt", "a", "--out", "b"],
        2,
    );
    assert!(message.contains("the description of a run"), "{message}");
}
