//! `softcfg-studio bench` on the real binary: what it prints and writes. Nothing is said about times;
//! the quick mode measures small decoders.

use softcfg_studio::compute::cpu::isa::Isa;
use std::path::Path;
use std::process::{Command, Output};

const KEYS: [&str; 21] = [
    "bandwidth_share_bf16_2_rows",
    "builtin_ms_1_row",
    "builtin_ms_2_rows",
    "builtin_ms_2_rows_softcfg",
    "builtin_ms_4_rows",
    "builtin_ms_5_rows",
    "builtin_paired_to_single",
    "builtin_softcfg_to_cfg",
    "candle_f32_to_ours_bf16",
    "candle_f32_to_ours_f32",
    "paired_builtin_run_s",
    "ratio_4_rows_to_2",
    "ratio_4_rows_to_2_half_image",
    "ratio_5_rows_to_2",
    "ratio_5_rows_to_2_half_image",
    "ratio_busy_to_alone",
    "ratio_token_4000_to_100",
    "read_gigabytes_per_second",
    "softcfg_to_cfg",
    "threads",
    // Only where AVX-512 is there to be compared with; the last one.
    "ratio_avx2_to_avx512",
];

fn bench(folder: &Path, arguments: &[&str], kernel: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softcfg-studio"));
    command.arg("bench").args(arguments).current_dir(folder).env_remove("SOFTCFG_KERNEL");
    if let Some(kernel) = kernel {
        command.env("SOFTCFG_KERNEL", kernel);
    }
    command.output().expect("the binary starts")
}

#[test]
fn prints_the_table_and_writes_one_number_a_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let kernels = Isa::available();
    // The second fastest, where there is one: naming a kernel must change what runs.
    let forced = kernels.get(1).or(kernels.first()).expect("every machine has one").name();
    let call = ["--quick", "--threads", "1", "--json", "figures.json"];
    let output = bench(folder.path(), &call, Some(forced));
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = table.lines().filter(|line| line.ends_with('%') || line.ends_with("cached"));
    // One line of the table forces another kernel by itself.
    let lines = lines.filter(|line| !line.contains("forced"));
    let kernels: Vec<&str> = lines.filter_map(|line| line.split_whitespace().nth_back(4)).collect();
    assert!(!kernels.is_empty() && kernels.iter().all(|name| *name == forced), "{table}");
    assert!(table.contains("built-in, CFG and SoftCFG"), "{table}");
    let text = std::fs::read_to_string(folder.path().join("figures.json")).expect("the figures");
    let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let figures = figures.as_object().expect("an object");
    let (_, common) = KEYS.split_last().expect("keys");
    for key in common {
        let value = figures.get(*key).and_then(serde_json::Value::as_f64);
        assert!(value.is_some_and(f64::is_finite), "{key} is {value:?}");
        assert!(*key == "ratio_token_4000_to_100" || value > Some(0.0), "{key} is {value:?}");
    }
    let unknown: Vec<_> = figures.keys().filter(|key| !KEYS.contains(&key.as_str())).collect();
    assert!(unknown.is_empty(), "not described: {unknown:?}");
}

#[test]
fn measures_a_model_of_ones_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let golden = |path: &str| format!("{}/tests/golden/{path}", env!("CARGO_MANIFEST_DIR"));
    let (model, tokenizer) =
        (golden("rar/model/rar_tiny.bin"), golden("rar_tokenizer/maskgit_vqgan_tiny.bin"));
    let call = [
        "--quick",
        "--threads",
        "1",
        "--json",
        "figures.json",
        "--precision",
        "bf16",
        "--model",
        &model,
        "--tokenizer",
        &tokenizer,
    ];
    let output = bench(folder.path(), &call, None);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(table.starts_with("RAR") && table.contains("CFG and SoftCFG"), "{table}");
    let lines: Vec<&str> = table.lines().filter(|line| line.ends_with("cached")).collect();
    let cell = |line: &str, from_right: usize| {
        line.split_whitespace().nth_back(from_right).map(str::to_owned).expect("a cell")
    };
    let rows: Vec<String> = lines.iter().map(|line| cell(line, 6)).collect();
    assert_eq!(rows, ["1", "2", "2", "4", "5"], "{table}");
    assert!(lines.iter().all(|line| cell(line, 5) == "bf16"), "{table}");
    let text = std::fs::read_to_string(folder.path().join("figures.json")).expect("the figures");
    let figures: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let mut keys: Vec<&str> = figures.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    // The share stands only where the weights come from memory.
    assert_eq!(
        keys,
        [
            "model_ms_1_row",
            "model_ms_2_rows",
            "model_ms_2_rows_softcfg",
            "model_ms_4_rows",
            "model_ms_5_rows",
            "model_paired_image_s",
            "model_ratio_4_rows_to_2",
            "model_ratio_5_rows_to_2",
            "model_softcfg_to_cfg",
            "read_gigabytes_per_second",
            "threads",
        ]
    );
    let help = bench(folder.path(), &["--help"], None);
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for key in keys {
        assert!(help.contains(key), "{key} is not described");
        assert!(figures[key].as_f64() > Some(0.0), "{key}");
    }
}

#[test]
fn refuses_a_call_that_cannot_end_well_before_it_measures() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    for (call, kernel, says) in [
        (&["--json", "."][..], None, "folder"),
        (&["--rounds", "0"], None, "--rounds"),
        (&["--threads", "0"], None, "--threads"),
        (&[], Some("abacus"), "abacus"),
        (&["--model", "nowhere.pt"], None, "nowhere.pt"),
        (&["--precision", "bf16"], None, "--model"),
        (&["--device", "abacus"], None, "abacus"),
    ] {
        let output = bench(here, call, kernel);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{call:?} said: {message}");
        assert!(message.contains(says), "{call:?} should say {says:?}, but said: {message}");
    }
    assert_eq!(std::fs::read_dir(here).expect("readable").count(), 0, "something was written");
}
