//! Calls that are refused say what is wrong with them.

use crate::program::{program, refused};
use tempfile::tempdir;

// Source: found in use: "unexpected argument '-1'" was said of `--seed -1`.
#[test]
fn a_person_gives_a_negative_number() {
    let folder = tempdir().expect("a folder");
    for argument in ["--seed", "--threads", "--top-k", "--guidance-scale", "--cosine-power"] {
        let call = ["generate", "--prompt", "a cat", "--out", "result", argument, "-1"];
        let message = refused(folder.path(), &call, 2);
        assert!(!message.contains("unexpected"), "{message}");
        assert!(message.contains("-1") && message.contains("number"), "{message}");
    }
    let message = refused(folder.path(), &["generate", "--class", "-1", "--out", "result"], 2);
    assert!(message.contains("--prompt in place of --class"), "{message}");
    let call = ["generate", "--prompt", "-1", "--negative-prompt", "- cat", "--out", "result"];
    assert!(!refused(folder.path(), &call, 2).contains("unexpected"));
}

// Source: found in use: the message held a path inside a library's source.
#[cfg(target_os = "linux")]
#[test]
fn a_person_starts_the_window_without_a_screen() {
    let folder = tempdir().expect("a folder");
    for display in ["", ":4711"] {
        let mut command = program(folder.path(), &[]);
        command.env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
        let output = command.env("DISPLAY", display).output().expect("the binary starts");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("softcfg-studio generate"), "{message}");
        assert!(!message.contains(".rs:") && !message.contains(".cargo"), "{message}");
    }
}
