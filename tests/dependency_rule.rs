//! Dependencies point one way: guidance, sampling → compute → checkpoint → tokenizers → prompts → models →
//! opening → engine → bench, export → cli, ui → main. A module may use those left of it, never those right
//! of it.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules from left to right; the same number means side by side, and those do not use each other.
const LAYERS: [(&str, usize); 13] = [
    ("guidance", 0),
    ("sampling", 0),
    ("compute", 1),
    ("checkpoint", 2),
    ("tokenizers", 3),
    ("prompts", 4),
    ("models", 5),
    ("opening", 6),
    ("engine", 7),
    ("bench", 8),
    ("export", 8),
    ("cli", 9),
    ("ui", 9),
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Modules of this crate that a source text names after `crate::`.
fn used_modules(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut checked = 0;
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&source).expect("below src");
        let first = relative.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        let Some(own) = layer(&module) else { continue };
        for used in used_modules(&fs::read_to_string(&file).expect("readable source")) {
            let Some(other) = layer(&used) else { continue };
            checked += 1;
            if used != module && other >= own {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert!(checked > 50, "the test no longer finds the imports it checks ({checked})");
    assert!(wrong.is_empty(), "against the direction of the departments:\n{}", wrong.join("\n"));
}

#[test]
fn guidance_knows_neither_tensors_nor_windows() {
    for module in ["guidance", "sampling"] {
        let mut files = Vec::new();
        rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module), &mut files);
        assert!(!files.is_empty(), "{module} has no files");
        for file in files {
            let text = fs::read_to_string(&file).expect("readable source");
            for crate_name in ["candle_core", "candle_nn", "egui", "eframe"] {
                assert!(!text.contains(crate_name), "{} names {crate_name}", file.display());
            }
        }
    }
}
