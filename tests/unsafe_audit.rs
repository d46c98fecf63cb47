//! `unsafe` stands in one audited department only, and nothing else may allow it.

mod import_graph;

use import_graph::rust_files;
use std::path::{Path, PathBuf};

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
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kernels = package.join("src/compute/cpu");
    let files: Vec<PathBuf> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(|folder| rust_files(&package.join(folder)))
        .filter(|path| !path.ends_with("tests/unsafe_audit.rs"))
        .collect();
    let (inside, outside): (Vec<_>, Vec<_>) =
        files.iter().partition(|path| path.starts_with(&kernels));
    assert!(inside.iter().any(|path| unsafe_lines(path) > 0), "the search finds what there is");
    let offenders: Vec<_> = outside.iter().filter(|path| unsafe_lines(path) > 0).collect();
    assert!(offenders.is_empty(), "unsafe outside of src/compute/cpu: {offenders:?}");
    let allows = |path: &&&PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.contains("allow(unsafe_code") || text.contains("expect(unsafe_code")
    };
    let offenders: Vec<_> = outside.iter().filter(allows).collect();
    assert!(offenders.is_empty(), "unsafe allowed outside of src/compute/cpu: {offenders:?}");
    let manifest = std::fs::read_to_string(package.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""));
}
