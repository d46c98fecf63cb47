//! Where recorded cases are: in `tests/golden`, which holds every kind of them, or in the folder that
//! `SOFTCFG_GOLDEN` names, which may hold any of them, with any of their tensors but the logits, pixels
//! or weights that are compared.
#![allow(dead_code, reason = "each test binary uses its own part")]

use safetensors::SafeTensors;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const VARIABLE: &str = "SOFTCFG_GOLDEN";

/// The project's own folder.
pub fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The folder in use.
pub fn root() -> PathBuf {
    std::env::var_os(VARIABLE).map_or_else(own, PathBuf::from)
}

/// Whether the folder in use is the project's own.
pub fn is_own() -> bool {
    std::env::var_os(VARIABLE).is_none()
}

/// Folders at or below `root()/name` that hold a file called `file`, sorted.
///
/// # Panics
/// The project's own folder has none.
pub fn folders_with(name: &str, file: &str) -> Vec<PathBuf> {
    let found = folders_below(&root().join(name), file);
    assert_kind(!found.is_empty(), &format!("{name} with {file}"));
    found
}

/// Folders at or below `top` that hold a file called `file`, sorted.
pub fn folders_below(top: &Path, file: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![top.to_path_buf()];
    while let Some(folder) = open.pop() {
        if folder.join(file).is_file() {
            found.push(folder.clone());
        }
        let entries = fs::read_dir(&folder).into_iter().flatten();
        open.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()));
    }
    found.sort();
    found
}

/// Fails if there is no case of a `kind` in the project's own folder.
pub fn assert_kind(any: bool, kind: &str) {
    assert!(any || !is_own(), "no case of {kind} in {}", root().display());
}

/// A folder of cases that another program has recorded: copies of some of the project's own, with fewer
/// tensors.
pub struct Others {
    folder: tempfile::TempDir,
}

impl Others {
    /// Copies of some folders of `tests/golden`, with all that is in them.
    pub fn with(folders: &[&str]) -> Self {
        let others = Self { folder: tempfile::tempdir().unwrap() };
        for name in folders {
            let to = others.folder.path().join(name);
            fs::create_dir_all(&to).unwrap();
            for entry in fs::read_dir(own().join(name)).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        others
    }

    /// Drops all tensors of a file but these.
    pub fn keep(&self, file: &str, tensors: &[&str]) -> &Self {
        let path = self.folder.path().join(file);
        let bytes = fs::read(&path).unwrap();
        let all = SafeTensors::deserialize(&bytes).unwrap();
        let kept: HashMap<&str, _> =
            tensors.iter().map(|&name| (name, all.tensor(name).unwrap())).collect();
        assert!(kept.len() < all.len(), "{file} records no more than {tensors:?}");
        fs::write(path, safetensors::serialize(&kept, None).unwrap()).unwrap();
        self
    }

    /// Runs the tests of this binary on the folder, without the calling one, whose name is `caller`.
    ///
    /// # Panics
    /// One of them fails.
    pub fn check(&self, caller: &str) {
        let outcome = Command::new(std::env::current_exe().unwrap())
            .args(["--skip", caller])
            .env(VARIABLE, self.folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&outcome.stdout);
        assert!(outcome.status.success() && text.contains("test result: ok"), "{text}");
    }
}
