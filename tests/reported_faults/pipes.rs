//! Output that cannot be written.

use crate::program::program;
use std::fs::{File, read_dir};
use std::path::Path;
use std::process::{Output, Stdio};
use tempfile::tempdir;

const GENERATE: [&str; 7] = ["generate", "--prompt", "a cat", "--lanes", "none", "--out", "result"];
const CALLS: [&[&str]; 5] = [
    &GENERATE,
    &["--help"],
    &["--version"],
    &["generate", "--help"],
    &["bench", "--quick", "--rounds", "1", "--json", "figures.json"],
];

fn printing_to(folder: &Path, call: &[&str], out: Stdio) -> Output {
    let child = program(folder, call).stdout(out).stderr(Stdio::piped()).spawn();
    child.expect("the binary starts").wait_with_output().expect("an end")
}

/// A pipe whose reader is gone.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

// Source: rustic#1915 (a panic when `head` has seen enough).
#[test]
fn a_person_pipes_the_output_into_head() {
    for call in CALLS {
        let folder = tempdir().expect("a folder");
        let output = printing_to(folder.path(), call, closed_pipe());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{call:?}: {message}");
        assert!(!message.contains("panicked"), "{call:?}: {message}");
        // What was to be written is there all the same.
        let left = read_dir(folder.path()).expect("readable").count();
        assert_eq!(left, usize::from(matches!(call[0], "bench") || call == GENERATE), "{call:?}");
    }
}

// Source: rustic#1915, the other side of it: output that is lost is an error.
#[cfg(target_os = "linux")]
#[test]
fn a_person_prints_to_a_full_disk() {
    for call in CALLS {
        let folder = tempdir().expect("a folder");
        let full = File::options().write(true).open("/dev/full").expect("a device");
        let output = printing_to(folder.path(), call, full.into());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{call:?}: {message}");
        assert!(message.contains("could not be printed"), "{call:?}: {message}");
    }
}

// Source: found in use: messages were lost with a panic where stderr is closed as well.
#[cfg(target_os = "linux")]
#[test]
fn a_person_sends_messages_to_a_full_disk() {
    let folder = tempdir().expect("a folder");
    let full = File::options().write(true).open("/dev/full").expect("a device");
    let call = ["generate", "--prompt", "a zebra", "--guidance-scale", "-1", "--out", "result"];
    let status = program(folder.path(), &call).stderr(full).status().expect("the binary starts");
    assert_eq!(status.code(), Some(2));
}
