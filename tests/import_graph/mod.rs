//! Which file of a crate imports what of which other file.
//!
//! An item that is imported through a re-export counts as one of the file that defines it. Imports of
//! a whole module (`use a::*`) count as imports of its file.
#![allow(dead_code, reason = "each test binary uses its own part")]

mod source;

use source::{Source, Use};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Re-exports of re-exports that are followed; more would be a circle of them.
const MOST_REEXPORTS: usize = 16;

/// The files of a crate, by their path below its root.
pub struct Crate {
    files: BTreeMap<String, Source>,
    /// The file of each module, by the module's path; the root's is empty.
    modules: BTreeMap<Vec<String>, String>,
}

/// Something that one file names of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// The file that imports.
    pub from: String,
    /// The file that defines.
    pub to: String,
    /// The path that `from` names.
    pub path: String,
}

/// Module that a file is, by its path below the root.
fn module_of(file: &str) -> Vec<String> {
    let mut names: Vec<String> =
        file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let last = names.last().map(String::as_str);
    if last == Some("mod") || names.len() == 1 && matches!(last, Some("lib" | "main")) {
        names.pop();
    }
    names
}

/// All Rust files below a folder.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

impl Crate {
    /// Reads all files below `root` but the binary's.
    pub fn read(root: &Path) -> Self {
        let files: Vec<(String, String)> = rust_files(root)
            .into_iter()
            .filter(|path| *path != root.join("main.rs"))
            .map(|path| {
                let names = path.strip_prefix(root).expect("below the root").components();
                let names: Vec<_> = names.map(|name| name.as_os_str().to_string_lossy()).collect();
                (names.join("/"), fs::read_to_string(&path).expect("a readable source"))
            })
            .collect();
        Self::of(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    /// A crate of files given by path and text.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut files: BTreeMap<String, Source> =
            files.into_iter().map(|(path, text)| (path.to_owned(), Source::of(text))).collect();
        let tests: Vec<Vec<String>> = files
            .iter()
            .flat_map(|(path, source)| {
                let module = module_of(path);
                source
                    .test_modules
                    .iter()
                    .map(move |name| module.iter().chain(std::iter::once(name)).cloned().collect())
            })
            .collect();
        files.retain(|path, _| !tests.iter().any(|test| module_of(path).starts_with(test)));
        let modules = files.keys().map(|path| (module_of(path), path.clone())).collect();
        Self { files, modules }
    }

    /// Paths of the files, those for tests left out.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Every import of one file from another.
    pub fn imports(&self) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for (file, source) in &self.files {
            let used = source.uses.iter().map(|import| &import.path);
            for path in used.chain(&source.paths) {
                let to = self.absolute(file, path, 0).and_then(|path| self.definition(&path, 0));
                if let Some(to) = to.filter(|to| to != file) {
                    imports.insert(Import { from: file.clone(), to, path: path.join("::") });
                }
            }
        }
        imports
    }

    /// Groups of files that import each other in a circle, each with the imports between them.
    /// A `mod.rs` that only declares modules and re-exports is in none.
    pub fn circles(&self) -> Vec<Vec<Import>> {
        let declares_only =
            |file: &String| file.ends_with("mod.rs") && self.files[file].declares_only;
        let imports: Vec<Import> = self
            .imports()
            .into_iter()
            .filter(|import| !declares_only(&import.from) && !declares_only(&import.to))
            .collect();
        let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for import in &imports {
            next.entry(&import.from).or_default().insert(&import.to);
        }
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            next.keys().map(|&file| (file, reachable(file, &next))).collect();
        let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
        let mut circles: BTreeMap<&str, Vec<Import>> = BTreeMap::new();
        for import in &imports {
            if reaches(&import.to, &import.from) {
                let members = &reached[import.from.as_str()];
                let first = members.iter().find(|member| reaches(member, &import.from));
                circles.entry(first.expect("itself at least")).or_default().push(import.clone());
            }
        }
        circles.into_values().collect()
    }

    /// The path from the root that `path` means in `file`; none for other crates' and for local names.
    fn absolute(&self, file: &str, path: &[String], depth: usize) -> Option<Vec<String>> {
        let mut module = module_of(file);
        let (first, mut rest) = path.split_first()?;
        match first.as_str() {
            "crate" => module.clear(),
            "self" | "super" => {
                rest = path;
                while let [name, after @ ..] = rest
                    && (name == "self" || name == "super")
                {
                    if name == "super" {
                        module.pop();
                    }
                    rest = after;
                }
            }
            _ => {
                let child = [module.as_slice(), std::slice::from_ref(first)].concat();
                if self.modules.contains_key(&child) {
                    module = child;
                } else {
                    let alias = self.import_named(file, first)?;
                    if depth == MOST_REEXPORTS || alias.path == path[..1] {
                        return None;
                    }
                    module = self.absolute(file, &alias.path, depth + 1)?;
                }
            }
        }
        module.extend(rest.iter().cloned());
        Some(module)
    }

    fn import_named(&self, file: &str, name: &str) -> Option<&Use> {
        self.files[file].uses.iter().find(|import| import.name == name)
    }

    /// The file that defines what `path` from the root names.
    fn definition(&self, path: &[String], depth: usize) -> Option<String> {
        let is_module = |length: &usize| self.modules.contains_key(&path[..*length]);
        let length = (0..=path.len()).rev().find(is_module)?;
        let file = &self.modules[&path[..length]];
        let imported = path.get(length).and_then(|name| self.import_named(file, name));
        let Some(import) = imported.filter(|_| depth < MOST_REEXPORTS) else {
            return Some(file.clone());
        };
        let mut path = path[length + 1..].to_vec();
        let mut defined = self.absolute(file, &import.path, depth + 1)?;
        defined.append(&mut path);
        self.definition(&defined, depth + 1)
    }
}

/// What can be reached over one import or more.
fn reachable<'a>(file: &'a str, next: &BTreeMap<&str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        for &to in next.get(file).into_iter().flatten() {
            if found.insert(to) {
                open.push(to);
            }
        }
    }
    found
}
