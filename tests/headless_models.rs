//! The real binary on models from files: images, trace, classes by name, and bad paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::tempdir;

fn golden(path: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path);
    path.to_str().expect("a path in Unicode").to_owned()
}

fn studio(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_softcfg-studio"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary starts")
}

/// The arguments that open the RAR miniature.
fn rar() -> [String; 4] {
    [
        "--model".into(),
        golden("rar/model/rar_tiny.bin"),
        "--tokenizer".into(),
        golden("rar_tokenizer/maskgit_vqgan_tiny.bin"),
    ]
}

fn generate(folder: &Path, model: &[String], rest: &[&str]) -> Output {
    let model = model.iter().map(String::as_str);
    let call: Vec<&str> =
        std::iter::once("generate").chain(model).chain(rest.iter().copied()).collect();
    studio(folder, &call)
}

fn refuses(model: &[String], rest: &[&str], says: &[&str]) {
    let folder = tempdir().expect("a folder");
    let rest: Vec<&str> = rest.iter().copied().chain(["--out", "o"]).collect();
    let output = generate(folder.path(), model, &rest);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{rest:?} said: {message}");
    for part in says {
        assert!(message.contains(part), "{rest:?} should say {part:?}, but said: {message}");
    }
    assert_eq!(
        fs::read_dir(folder.path()).expect("readable").count(),
        0,
        "{rest:?} left something"
    );
}

#[test]
fn a_class_model_writes_images_and_trace() {
    let folder = tempdir().expect("a folder");
    let mut traces = Vec::new();
    for out in ["first", "second"] {
        let rest = ["--class", "7", "--seed", "3", "--precision", "f32", "--out", out];
        let output = generate(folder.path(), &rar(), &rest);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let result = folder.path().join(out);
        for lane in ["cfg", "softcfg"] {
            let image = image::open(result.join(format!("{lane}.png"))).expect("an image");
            assert_eq!((image.width(), image.height()), (128, 128));
        }
        let text = fs::read_to_string(result.join("trace.csv")).expect("a trace");
        assert_eq!(text.lines().count(), 1 + 2 * 64);
        traces.push(text);
        let json = fs::read_to_string(result.join("run.json")).expect("a description");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["run"]["model"]["family"], "RAR");
        assert_eq!(json["run"]["lanes"][0]["settings"]["class"], 7);
    }
    assert_eq!(traces[0], traces[1], "the same call draws the same");
}

#[test]
fn precision_device_and_threads_stand_in_the_description() {
    let folder = tempdir().expect("a folder");
    let describe = |precision: &str, threads: &str| {
        let out = format!("{precision}-{threads}");
        let rest = ["--class", "7", "--precision", precision, "--device", "cpu"];
        let rest: Vec<&str> =
            rest.into_iter().chain(["--threads", threads, "--out", &out]).collect();
        let output = generate(folder.path(), &rar(), &rest);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let json = fs::read_to_string(folder.path().join(&out).join("run.json")).expect("a file");
        serde_json::from_str::<serde_json::Value>(&json).expect("JSON")
    };
    for (precision, threads) in [("f32", 1), ("bf16", 2), ("int8", 2)] {
        let json = describe(precision, &threads.to_string());
        assert_eq!(json["run"]["model"]["precision"], precision);
        assert_eq!(json["run"]["model"]["device"], "cpu");
        assert_eq!(json["threads"], threads);
    }
}

#[test]
fn devices_that_are_not_there_are_refused() {
    let class = ["--class", "1", "--device"];
    let refused = |rest: &[&str], says: &[&str]| {
        refuses(&rar(), &[&class[..], rest].concat(), says);
    };
    refused(&["tpu"], &["tpu", "cpu, cuda, metal"]);
    if !cfg!(feature = "cuda") {
        refused(&["cuda"], &["built without CUDA", "--features cuda", "CPU"]);
        refused(&["cuda", "--precision", "int8"], &["CUDA"]);
    }
    if !cfg!(feature = "metal") {
        refused(&["metal"], &["built without Metal", "--features metal", "CPU"]);
    }
}

#[test]
fn classes_that_are_none_are_refused_with_suggestions() {
    refuses(&rar(), &["--class", "10"], &["no class 10", "0 to 9"]);
    refuses(&rar(), &["--class", "class"], &["may be", "0 class 0", "and 5 more"]);
    refuses(&rar(), &["--class", "classic"], &["no class is called", "0 class 0"]);
    refuses(&rar(), &["--class", "unicorn"], &["unicorn", "name or a number"]);
    refuses(&rar(), &["--prompt", "a cat"], &["draws classes", "--class"]);
    refuses(&rar(), &[], &["--prompt", "--class"]);
    refuses(&[], &["--class", "3"], &["draws prompts", "--prompt"]);
    let folder = tempdir().expect("a folder");
    let output = generate(folder.path(), &rar(), &["--class", "Class 4", "--out", "o"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn bad_paths_and_pairs_are_refused() {
    let class = ["--class", "1"];
    let alone = |path: &str| ["--model".to_owned(), path.to_owned()];
    refuses(&alone("nowhere.bin"), &class, &["nowhere.bin", "check that it exists"]);
    refuses(&alone(&golden("rar/model/config.json")), &class, &["config.json"]);
    refuses(&alone(&golden("rar/model")), &class, &["maskgit-vqgan-imagenet-f16-256.bin"]);
    let wrong: Vec<String> = alone(&golden("rar/model/rar_tiny.bin"))
        .into_iter()
        .chain(["--tokenizer".into(), golden("alitok_tokenizer/AliTok_tiny.pth")])
        .collect();
    refuses(&wrong, &class, &["64 codes", "96"]);
    refuses(&rar(), &["--class", "1", "--precision", "f8"], &["f8", "bf16"]);
    refuses(&rar(), &["--class", "1", "--grid", "large"], &["large", "16x16"]);
    refuses(&rar(), &["--class", "1", "--grid", "4x4"], &["8 × 8"]);
    refuses(&[], &["--prompt", "a cat", "--precision", "f32"], &["--model"]);
}

#[test]
fn inspect_says_what_it_is_and_what_is_missing() {
    let folder = tempdir().expect("a folder");
    let output = studio(folder.path(), &["inspect", &golden("alitok/model/alitok_tiny.bin")]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("text");
    for part in ["AliTok", "decoder", "16 × 16", "int8", "missing: ", "AliTok.pth"] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
    assert_eq!(studio(folder.path(), &["inspect", "nothing"]).status.code(), Some(2));
}
