//! `unsafe` stands in one audited module only.

use std::path::{Path, PathBuf};

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Lines with the keyword `unsafe` in front of a block, function, trait or impl.
fn unsafe_lines(path: &Path) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let openers = ["{", "fn ", "impl ", "impl<", "trait ", "extern "];
    text.lines()
        .filter(|line| openers.iter().any(|opener| line.contains(&format!("unsafe {opener}"))))
        .count()
}

#[test]
fn unsafe_occurs_in_the_kernels_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let kernels = root.join("compute/cpu");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let (inside, outside): (Vec<_>, Vec<_>) =
        files.iter().partition(|path| path.starts_with(&kernels));
    assert!(inside.iter().any(|path| unsafe_lines(path) > 0), "the search finds what there is");
    let offenders: Vec<_> = outside.iter().filter(|path| unsafe_lines(path) > 0).collect();
    assert!(offenders.is_empty(), "unsafe outside of src/compute/cpu: {offenders:?}");
    let library = std::fs::read_to_string(root.join("lib.rs")).unwrap();
    assert!(library.contains("#![deny(unsafe_code)]"));
}
