//! Departments import from those above them in [`DEPARTMENTS`] only, and no two files import each
//! other in a circle of any length. What `cli` and `ui` both use belongs to `engine` or `export`.

mod import_graph;

use import_graph::{Crate, Import, rust_files};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Departments from the ground up; those of one line do not use each other.
const DEPARTMENTS: [&[&str]; 10] = [
    &["guidance", "sampling"],
    &["compute"],
    &["checkpoint"],
    &["tokenizers"],
    &["prompts"],
    &["models"],
    &["opening"],
    &["engine"],
    &["bench", "export"],
    &["cli", "ui"],
];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn department(file: &str) -> Option<&str> {
    file.split_once('/').map(|(department, _)| department)
}

fn level(department: &str) -> Option<usize> {
    DEPARTMENTS.iter().position(|level| level.contains(&department))
}

/// Imports from a department that is not above the importing one.
fn upward(imports: &BTreeSet<Import>) -> Vec<&Import> {
    let allowed = |import: &&Import| {
        let (from, to) = (department(&import.from), department(&import.to));
        from == to || from.and_then(level) > to.and_then(level) || from.is_none()
    };
    imports.iter().filter(|import| !allowed(import)).collect()
}

/// A line for each two files, with the names that the first takes from the second.
fn lines<'a>(imports: impl IntoIterator<Item = &'a Import>) -> String {
    let mut pairs: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for import in imports {
        pairs.entry((&import.from, &import.to)).or_default().push(&import.path);
    }
    let line =
        |((from, to), names): (_, Vec<&str>)| format!("  {from} -> {to} ({})\n", names.join(", "));
    pairs.into_iter().map(line).collect()
}

#[test]
fn every_file_belongs_to_a_department() {
    let code = Crate::read(&sources());
    let homeless: Vec<&str> = code
        .files()
        .filter(|file| *file != "lib.rs" && department(file).and_then(level).is_none())
        .collect();
    assert!(homeless.is_empty(), "{homeless:?}");
    for name in DEPARTMENTS.concat() {
        assert!(code.files().any(|file| department(file) == Some(name)), "{name} has no files");
    }
}

#[test]
fn dependencies_point_one_way() {
    let imports = Crate::read(&sources()).imports();
    let upward = upward(&imports);
    assert!(upward.is_empty(), "against the direction of the departments:\n{}", lines(upward));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = Crate::read(&sources()).circles();
    let text: String = circles
        .iter()
        .map(|circle| {
            let files: BTreeSet<&str> = circle.iter().map(|import| import.from.as_str()).collect();
            format!("circle of {} files:\n{}", files.len(), lines(circle))
        })
        .collect();
    assert!(circles.is_empty(), "{} circles of imports\n{text}", circles.len());
}

#[test]
fn guidance_knows_no_tensors_and_only_the_window_knows_egui() {
    let root = sources();
    for path in rust_files(&root) {
        let file =
            path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&path).expect("a readable source");
        let arithmetic = matches!(department(&file), Some("guidance" | "sampling"));
        for name in ["candle_core", "candle_nn"] {
            assert!(!arithmetic || !text.contains(name), "{file} names {name}");
        }
        for name in ["egui", "eframe"] {
            assert!(department(&file) == Some("ui") || !text.contains(name), "{file} names {name}");
        }
    }
}

#[test]
fn the_search_finds_the_imports_there_are() {
    let imports = Crate::read(&sources()).imports();
    assert!(imports.len() > 800, "only {} imports are found", imports.len());
    let found = |from: &str, to: &str| imports.iter().any(|i| i.from == from && i.to == to);
    assert!(found("compute/rotary.rs", "compute/cpu/isa.rs"));
    assert!(found("compute/cpu/packed.rs", "compute/cpu/inputs.rs"), "through super");
}

#[test]
fn a_circle_is_found_through_trees_aliases_and_reexports() {
    let scale = "
        use super::Law;
        pub struct Scale;
        mod inner { use super::Scale; use super::super::rule as r; }
        #[cfg(test)]
        mod tests { use crate::engine::a::B; }";
    let files = [
        ("lib.rs", "pub mod guidance;\npub mod engine;"),
        ("guidance/mod.rs", "//! Equations.\nmod scale;\nmod rule;\npub use rule::Rule as Law;"),
        ("guidance/scale.rs", scale),
        (
            "guidance/rule.rs",
            "use crate::{guidance as g};\npub struct Rule(g::scale::Scale<'static>);",
        ),
        ("engine/mod.rs", "pub mod a;\n#[cfg(test)]\nmod tests;"),
        ("engine/a.rs", "/* use crate::engine::b */ const B: &str = r#\"crate::engine::c::C\"#;"),
        ("engine/tests.rs", "use super::a::B;"),
    ];
    let code = Crate::of(files);
    let circles = code.circles();
    let [circle] = circles.as_slice() else { panic!("{circles:?}") };
    let ends: Vec<_> = circle.iter().map(|i| (i.from.as_str(), i.to.as_str())).collect();
    let (rule, scale) = ("guidance/rule.rs", "guidance/scale.rs");
    assert_eq!(ends, [(rule, scale), (scale, rule), (scale, rule)]);
    assert!(!code.files().any(|file| file == "engine/tests.rs"));
    assert!(upward(&code.imports()).is_empty());
}

#[test]
fn a_module_with_contents_counts_and_upward_imports_are_found() {
    let files = [
        ("lib.rs", "pub mod sampling;\npub mod engine;"),
        ("sampling/mod.rs", "mod filter;\npub use filter::filter;\npub struct Sampling;"),
        ("sampling/filter.rs", "pub fn filter(_: super::Sampling, _: &crate::engine::Run) {}"),
        ("engine/mod.rs", "pub struct Run;"),
    ];
    let code = Crate::of(files);
    assert_eq!(code.circles().len(), 1);
    let imports = code.imports();
    let found: Vec<&str> = upward(&imports).iter().map(|import| import.path.as_str()).collect();
    assert_eq!(found, ["crate::engine::Run"]);
}
