//! Permissions of saved files.
#![cfg(unix)]

use crate::program::{program, succeeds};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use tempfile::tempdir;

const CALL: [&str; 8] =
    ["generate", "--prompt", "a cat", "--lanes", "none", "--out", "result", "--overwrite"];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("there").permissions().mode() & 0o777
}

/// Runs the call under a umask, which a shell sets.
fn generate_under(umask: &str, folder: &Path) {
    let call = program(folder, &CALL);
    let script = format!("umask {umask}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(call.get_program()).args(call.get_args());
    let output = shell.current_dir(folder).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

// Source: jpegoptim#48 (files were 0644 whatever the umask).
#[test]
fn a_person_keeps_what_is_saved_from_others() {
    for (umask, file, directory) in
        [("077", 0o600, 0o700), ("022", 0o644, 0o755), ("002", 0o664, 0o775)]
    {
        let folder = tempdir().expect("a folder");
        generate_under(umask, folder.path());
        let result = folder.path().join("result");
        for name in ["none.png", "trace.csv", "run.json"] {
            assert_eq!(mode(&result.join(name)), file, "{name} under umask {umask}");
        }
        assert_eq!(mode(&result), directory, "the folder under umask {umask}");
    }
}

// Source: found in use: a private file that is saved again became readable by all.
#[test]
fn a_person_saves_over_a_private_file() {
    let folder = tempdir().expect("a folder");
    let bench = ["bench", "--quick", "--rounds", "1", "--json", "figures.json"];
    let file = folder.path().join("figures.json");
    fs::write(&file, "old").expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("changed");
    succeeds(folder.path(), &bench);
    assert!(fs::read_to_string(&file).expect("there").contains("threads"));
    assert_eq!(mode(&file), 0o600);
}
