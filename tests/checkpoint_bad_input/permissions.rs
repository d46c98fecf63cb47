//! Files and folders that may not be read. The administrator may read everything, so there the test
//! runs itself again as somebody else.

use super::{assert_advises_read, folder, header};
use crate::checkpoint_support::*;
use softcfg_studio::checkpoint::Container;
use softcfg_studio::opening::inspect::{InspectOptions, inspect};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const NAME: &str = "permissions::files_and_folders_that_may_not_be_read";
/// Tells the second run where the files lie.
const VARIABLE: &str = "SOFTCFG_TEST_CLOSED";
/// "nobody" on most systems; any user but the administrator will do.
const NOBODY: u32 = 65_534;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Each path is named in an error that says what to do, whether it is opened or looked at.
fn check(root: &Path) {
    assert!(Container::open(&root.join("open.safetensors")).is_ok(), "others can be read");
    for name in ["closed", "closed.safetensors"] {
        let path = root.join(name);
        assert_advises_read(&Container::open(&path).unwrap_err(), &path);
        let error = inspect(std::slice::from_ref(&path), &InspectOptions::default()).unwrap_err();
        assert_advises_read(&error, &path);
    }
    let inside = root.join("closed").join("a.safetensors");
    assert_advises_read(&Container::open(&inside).unwrap_err(), &inside);
}

#[test]
fn files_and_folders_that_may_not_be_read() {
    if let Some(root) = std::env::var_os(VARIABLE) {
        return check(Path::new(&root));
    }
    let folder = folder();
    let root = folder.path();
    let bytes = safetensors_bytes(&header("[0,8]"), &[0; 8]);
    let closed = root.join("closed");
    fs::create_dir(&closed).unwrap();
    write(&closed, "a.safetensors", &bytes);
    write(root, "open.safetensors", &bytes);
    set_mode(&write(root, "closed.safetensors", &bytes), 0o000);
    set_mode(&closed, 0o000);
    set_mode(root, 0o755);
    if fs::read_dir(&closed).is_err() {
        check(root);
    } else {
        check_as_nobody(root);
    }
    set_mode(&closed, 0o700);
}

fn check_as_nobody(root: &Path) {
    // A copy, because this program may lie where nobody can look.
    let program = root.join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    let mut again = Command::new(&program);
    again.args(["--exact", NAME, "--test-threads=1"]).env(VARIABLE, root).current_dir("/");
    match again.uid(NOBODY).gid(NOBODY).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        Err(error) => eprintln!("skipped: this test cannot run as another user here ({error})"),
    }
}
