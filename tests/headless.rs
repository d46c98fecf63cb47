//! The real binary without a window, end to end in a temporary folder: results, reproducibility, and
//! every bad input the command line can be given.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::{TempDir, tempdir};

const PROMPT: &str = "a cat left of a dog on blue";

fn generate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_softcfg-studio"))
        .arg("generate")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary starts")
}

fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = generate(folder, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

/// The call fails with code 2, the message holds every one of `says`, and the folder stays empty.
fn refuses(arguments: &[&str], says: &[&str]) {
    let folder = tempdir().expect("a folder");
    let output = generate(folder.path(), arguments);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?} said: {message}");
    for part in says {
        assert!(message.contains(part), "{arguments:?} should say {part:?}, but said: {message}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("readable").collect();
    assert!(left.is_empty(), "{arguments:?} left something behind: {left:?}");
}

fn trace_rows(folder: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.join("trace.csv")).expect("a trace");
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

fn run_json(folder: &Path) -> serde_json::Value {
    let text = fs::read_to_string(folder.join("run.json")).expect("a description");
    serde_json::from_str(&text).expect("JSON")
}

fn tokens(folder: &Path, lane: &str) -> Vec<String> {
    let rows = trace_rows(folder);
    let column = rows[0].iter().position(|name| name == "token").expect("a token column");
    rows.iter().filter(|row| row[0] == lane).map(|row| row[column].clone()).collect()
}

#[test]
fn the_call_of_the_readme_writes_everything() {
    let folder = tempdir().expect("a folder");
    let call = [
        "--prompt",
        "a cat left of a red car on blue",
        "--seed",
        "7",
        "--lanes",
        "cfg,softcfg",
        "--guidance-scale",
        "4",
        "--cosine-power",
        "1.4",
        "--delta-context",
        "--out",
        "result",
    ];
    succeeds(folder.path(), &call);
    let result = folder.path().join("result");
    let cfg = image::open(result.join("cfg.png")).expect("an image").to_rgb8();
    let soft = image::open(result.join("softcfg.png")).expect("an image").to_rgb8();
    assert_eq!(cfg.dimensions(), soft.dimensions());
    assert!(cfg.width() > 0 && cfg != soft, "the lanes should differ");
    let description = run_json(&result);
    let steps = description["run"]["steps"].as_u64().expect("steps") as usize;
    let rows = trace_rows(&result);
    assert_eq!(rows.len(), 1 + 2 * steps, "one line per lane and step, and a header");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let column = |name: &str| rows[0].iter().position(|n| n == name).expect("a column");
    // Δctx was asked for: every SoftCFG line has it, no CFG line does.
    let delta_context = column("delta_context");
    assert!(rows[1..].iter().all(|row| row[delta_context].is_empty() == (row[0] == "cfg")));
    for name in ["confidence", "entropy_conditional", "entropy_guided", "sampled_probability"] {
        let index = column(name);
        for row in &rows[1..] {
            let value: f64 = row[index].parse().expect("a number");
            assert!((0.0..=1.0).contains(&value), "{name} is {value}");
        }
    }
    assert_eq!(description["run"]["lanes"][0]["settings"]["seed"], 7);
    assert_eq!(description["run"]["model"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(description["status"], "finished");
    let mut names: Vec<_> = fs::read_dir(&result)
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names, ["cfg.png", "run.json", "softcfg.png", "trace.csv"]);
}

#[test]
fn the_same_settings_give_the_same_files_with_one_and_two_threads() {
    let folder = tempdir().expect("a folder");
    for (out, threads) in [("one", "1"), ("two", "2")] {
        succeeds(folder.path(), &["--prompt", PROMPT, "--threads", threads, "--out", out]);
    }
    let read = |name: &str, file| fs::read(folder.path().join(name).join(file)).expect("a file");
    for file in ["cfg.png", "softcfg.png", "trace.csv"] {
        assert_eq!(read("one", file), read("two", file), "{file}");
    }
    let describe = |name| -> serde_json::Value {
        let mut json: serde_json::Value =
            serde_json::from_slice(&read(name, "run.json")).expect("JSON");
        json.as_object_mut().expect("an object").remove("threads").expect("the threads");
        json
    };
    assert_eq!(describe("one"), describe("two"));
}

#[test]
fn a_lane_alone_draws_what_it_draws_beside_others() {
    let folder = tempdir().expect("a folder");
    let all = "none,cfg,softcfg,softcfg-no-step-norm";
    succeeds(folder.path(), &["--prompt", PROMPT, "--lanes", all, "--out", "all"]);
    for lane in all.split(',') {
        succeeds(folder.path(), &["--prompt", PROMPT, "--lanes", lane, "--out", lane]);
        let alone = tokens(&folder.path().join(lane), lane);
        assert!(!alone.is_empty());
        assert_eq!(alone, tokens(&folder.path().join("all"), lane), "{lane}");
    }
}

#[test]
fn every_option_of_the_method_changes_the_run() {
    let folder = tempdir().expect("a folder");
    let out = |name: &str, more: &[&str]| {
        let mut call = vec!["--prompt", PROMPT, "--lanes", "softcfg", "--out", name];
        call.extend(["--guidance-scale", "4", "--cosine-power", "1.4"]);
        call.extend(more);
        succeeds(folder.path(), &call);
        let mut rows = trace_rows(&folder.path().join(name));
        rows.remove(0);
        rows
    };
    let plain = out("plain", &[]);
    let options: [&[&str]; 10] = [
        &["--no-step-norm"],
        &["--variant", "released-code"],
        &["--confidence", "one-minus-entropy"],
        &["--perturb", "key"],
        &["--perturb", "key-value"],
        &["--cache", "exact"],
        &["--temperature", "0.9"],
        &["--top-k", "1"],
        &["--top-p", "0.3"],
        &["--repetition-penalty", "1.5"],
    ];
    for (index, option) in options.into_iter().enumerate() {
        assert_ne!(plain, out(&format!("option{index}"), option), "{option:?}");
    }
    let strong = out("strong", &["--variant", "released-code", "--strength", "3"]);
    assert_ne!(strong, out("weak", &["--variant", "released-code"]));
}

#[test]
fn guidance_scale_one_equals_no_guidance() {
    let folder = tempdir().expect("a folder");
    let call =
        ["--prompt", PROMPT, "--lanes", "none,cfg,softcfg", "--guidance-scale", "1", "--out", "o"];
    succeeds(folder.path(), &call);
    let result = folder.path().join("o");
    assert_eq!(tokens(&result, "none"), tokens(&result, "cfg"));
    assert_eq!(tokens(&result, "none"), tokens(&result, "softcfg"));
}

#[test]
fn prompts_that_cannot_be_drawn_are_refused() {
    refuses(&["--prompt", "", "--out", "o"], &["empty"]);
    refuses(&["--prompt", "   ", "--out", "o"], &["empty"]);
    refuses(&["--prompt", "a unicorn on blue", "--out", "o"], &["unicorn", "does not know"]);
    refuses(&["--prompt", &"a cat and ".repeat(200), "--out", "o"], &["tokens", "Shorten"]);
    refuses(&["--prompt", &"cat ".repeat(25_000), "--out", "o"], &["horten"]);
    refuses(&["--out", "o"], &["--prompt"]);
}

#[test]
fn numbers_out_of_range_are_refused() {
    for (option, value) in [
        ("--guidance-scale", "-1"),
        ("--guidance-scale", "nan"),
        ("--guidance-scale", "inf"),
        ("--cosine-power", "-0.5"),
        ("--cosine-power", "NaN"),
        ("--temperature", "0"),
        ("--temperature", "-1"),
        ("--top-k", "0"),
        ("--top-k", "-3"),
        ("--top-k", "10000000"),
        ("--top-p", "0"),
        ("--repetition-penalty", "0"),
        ("--repetition-penalty", "-2"),
        ("--top-p", "1.5"),
        ("--threads", "0"),
    ] {
        refuses(&["--prompt", PROMPT, option, value, "--out", "o"], &["error"]);
    }
    refuses(&["--prompt", PROMPT, "--guidance-scale", "-1", "--out", "o"], &["γ", "0 or more"]);
    refuses(&["--prompt", PROMPT, "--guidance-scale", "four", "--out", "o"], &["four"]);
}

#[test]
fn unknown_names_are_refused_with_the_choices() {
    refuses(&["--prompt", PROMPT, "--lanes", "cfg,hardcfg", "--out", "o"], &["hardcfg", "softcfg"]);
    refuses(&["--prompt", PROMPT, "--lanes", "cfg,cfg", "--out", "o"], &["twice"]);
    refuses(&["--prompt", PROMPT, "--lanes", "", "--out", "o"], &["at least one"]);
    refuses(&["--prompt", PROMPT, "--variant", "both", "--out", "o"], &["both", "released-code"]);
    refuses(&["--prompt", PROMPT, "--confidence", "high", "--out", "o"], &["conditional-max"]);
    refuses(&["--prompt", PROMPT, "--perturb", "query", "--out", "o"], &["key-value"]);
    refuses(&["--prompt", PROMPT, "--cache", "none", "--out", "o"], &["two-pass"]);
    refuses(&["--prompt", PROMPT, "--colour", "red", "--out", "o"], &["--colour"]);
}

#[test]
fn an_output_that_is_a_file_stays_as_it_is() {
    let folder = tempdir().expect("a folder");
    fs::write(folder.path().join("taken"), "precious").expect("a file");
    let output = generate(folder.path(), &["--prompt", PROMPT, "--out", "taken"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not a folder"));
    assert_eq!(fs::read_to_string(folder.path().join("taken")).expect("a file"), "precious");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_to_is_refused() {
    // Root may write anywhere but here.
    let folder = tempdir().expect("a folder");
    let output = generate(folder.path(), &["--prompt", PROMPT, "--out", "/proc/softcfg"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("could not save"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_earlier_results_whole() {
    let Some((_mount, folder)) = small_disk() else {
        println!("skipped: no small file system could be mounted here (needs root)");
        return;
    };
    succeeds(&folder, &["--prompt", PROMPT, "--seed", "1", "--out", "result"]);
    let result = folder.join("result");
    let files = ["cfg.png", "softcfg.png", "trace.csv", "run.json"];
    let read = || files.map(|file| fs::read(result.join(file)).expect("a file"));
    let before = read();
    let space = fs::File::create(folder.join("filler")).expect("a file");
    let mut filler = std::io::BufWriter::new(space);
    while std::io::Write::write_all(&mut filler, &[7; 4096]).is_ok() {}
    let _ = filler.into_parts();
    let again = ["--prompt", PROMPT, "--seed", "2", "--out", "result", "--overwrite"];
    let output = generate(&folder, &again);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("could not save") && message.contains("space"), "{message}");
    assert_eq!(read(), before, "the earlier results changed");
    let count = fs::read_dir(&result).expect("readable").count();
    assert_eq!(count, files.len(), "temporary files were left behind");
}

/// A file system of 1 MiB that is unmounted when dropped.
#[cfg(target_os = "linux")]
struct Mount(TempDir);

#[cfg(target_os = "linux")]
impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
fn small_disk() -> Option<(Mount, std::path::PathBuf)> {
    let folder = tempdir().ok()?;
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "softcfg-test"])
        .arg(folder.path())
        .output()
        .is_ok_and(|output| output.status.success());
    let path = folder.path().to_path_buf();
    mounted.then_some((Mount(folder), path))
}

#[test]
fn help_names_every_option_and_shows_examples() {
    let output = Command::new(env!("CARGO_BIN_EXE_softcfg-studio"))
        .args(["generate", "--help"])
        .output()
        .expect("the binary starts");
    let help = String::from_utf8(output.stdout).expect("text");
    for part in [
        "--prompt",
        "--seed",
        "--lanes",
        "--guidance-scale",
        "--cosine-power",
        "--schedule",
        "--guidance-interval",
        "--unconditional",
        "--repetition-penalty",
        "--no-step-norm",
        "--variant",
        "--confidence",
        "--perturb",
        "--cache",
        "--temperature",
        "--top-k",
        "--top-p",
        "--delta-context",
        "--out",
        "Examples",
        "Exit codes",
    ] {
        assert!(help.contains(part), "--help does not mention {part}");
    }
}
