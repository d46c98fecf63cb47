//! Paths as they are typed.

use std::path::{Component, Path, PathBuf};

/// A typed path, as a shell reads it: a tilde in front is the person's own folder, what is not absolute
/// begins in `folder`, and `..` is one up.
pub fn resolve(folder: &Path, typed: &str) -> PathBuf {
    let home = || directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf());
    let from_home = match typed.strip_prefix('~') {
        Some("") => home(),
        Some(rest) => rest.strip_prefix('/').and_then(|rest| Some(home()?.join(rest))),
        None => None,
    };
    let mut path = PathBuf::new();
    for part in from_home.unwrap_or_else(|| folder.join(typed)).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_paths_are_read_as_a_shell_reads_them() {
        let folder = Path::new("/models/rar");
        for (typed, path) in [
            ("a.bin", "/models/rar/a.bin"),
            ("sub/", "/models/rar/sub"),
            ("../llamagen/./b.pt", "/models/llamagen/b.pt"),
            ("/etc", "/etc"),
            ("../../../..", "/"),
            ("~x", "/models/rar/~x"),
        ] {
            assert_eq!(resolve(folder, typed), Path::new(path), "{typed}");
        }
        let home = resolve(folder, "~/b.pt");
        assert!(home.is_absolute() && home.ends_with("b.pt") && !home.starts_with(folder));
    }
}
