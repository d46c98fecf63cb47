//! What `--device` says where there is no such device.

use std::process::Command;

#[test]
fn the_command_line_says_which_device_is_not_there_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = |command: &[&str], device: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_softcfg-studio"))
            .args(command)
            .args(["--device", device])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?} {device}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{command:?} {device}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let call = |device: &str| {
        let message = run(&["generate", "--prompt", "a cat", "--out", "out"], device);
        // Without a command it is the window's, which does not open then.
        assert_eq!(run(&[], device), message);
        assert_eq!(run(&["bench"], device), message);
        message
    };
    assert!(call("abacus").contains("cpu, cuda, metal"));
    if !cfg!(feature = "cuda") {
        let message = call("cuda");
        assert!(message.contains("built without CUDA") && message.contains("--features cuda"));
    }
    if !cfg!(feature = "metal") {
        let message = call("metal");
        assert!(message.contains("built without Metal") && message.contains("--features metal"));
    }
}
