//! The real binary, started in a folder of a test.

use std::path::Path;
use std::process::{Command, Output};

/// The program with a subcommand and its arguments, not started yet.
pub fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softcfg-studio"));
    command.args(arguments).current_dir(folder);
    command
}

/// Runs a call to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    program(folder, arguments).output().expect("the binary starts")
}

/// Runs a call that has to succeed; gives what it printed.
pub fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs a call that has to be refused with `code`; gives the message.
pub fn refused(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = run(folder, arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?} said: {message}");
    message
}
