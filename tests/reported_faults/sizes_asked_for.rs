//! Sizes and counts that arguments or files ask for.

use crate::program::{refused, run, succeeds};
use softcfg_studio::compute::linear::most_decoder_threads;
use softcfg_studio::engine::{Engine, EngineOptions};
use std::fs;
use std::sync::Arc;
use tempfile::tempdir;

// Source: fbuild#28 (a count of threads far beyond the processors hung the machine).
#[test]
fn a_person_asks_for_two_thousand_threads() {
    let folder = tempdir().expect("a folder");
    let call = ["generate", "--prompt", "a cat", "--lanes", "none", "--out"];
    let output = run(folder.path(), &[&call[..], &["many", "--threads", "2000"]].concat());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    assert!(message.contains("2000") && message.contains("processors"), "{message}");
    let text = fs::read_to_string(folder.path().join("many/run.json")).expect("a description");
    let description: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(description["threads"], most_decoder_threads());
    succeeds(folder.path(), &[&call[..], &["one", "--threads", "1"]].concat());
    let picture = |run: &str| fs::read(folder.path().join(run).join("none.png")).expect("an image");
    assert_eq!(picture("many"), picture("one"));
}

// Source: fbuild#28, the settings of the window's engine.
#[test]
fn a_person_has_a_huge_count_of_threads_in_old_settings() {
    let options = EngineOptions { decoder_threads: Some(1 << 20), waker: Arc::new(|| ()) };
    let engine = Engine::start(options).expect("threads");
    engine.set_decoder_threads(Some(usize::MAX));
}

// Source: fbuild#28, the other counts of the command line.
#[test]
fn a_person_asks_for_counts_that_cannot_be() {
    let folder = tempdir().expect("a folder");
    let generate = |threads: &'static str| {
        ["generate", "--prompt", "a cat", "--out", "result", "--threads", threads]
    };
    for count in ["0", "-1", "1.5", "x", "99999999999999999999"] {
        let message = refused(folder.path(), &generate(count), 2);
        let says = message.contains("--threads") && message.contains("whole number of 1 or more");
        assert!(says && message.contains(count), "{message}");
    }
    for count in ["0", "-3", "1000000000000"] {
        let message = refused(folder.path(), &["bench", "--rounds", count], 2);
        assert!(message.contains("--rounds") && message.contains(count), "{message}");
    }
    assert!(!folder.path().join("result").exists(), "nothing was written");
}
