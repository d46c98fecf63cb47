//! Names that browsers and systems change when they save a file: a number where the name is taken, a mark
//! of a copy, `.zip` behind a PyTorch file, which is an archive.

use std::path::{Path, PathBuf};

/// Endings of weight files.
pub const WEIGHT_ENDINGS: [&str; 6] = ["safetensors", "bin", "pt", "pth", "ckpt", "jit"];
/// Marks of copies, as desktops write them.
const COPIES: [&str; 4] = [" - Copy", " copy", " (copy)", " (another copy)"];

/// The name under which a file was published: `vq (1).pt`, `vq(2).pt`, `vq copy.pt` and `vq.pt.zip` are
/// `vq.pt`.
pub(crate) fn plain_name(name: &str) -> String {
    let name = without_mark(name);
    let Some((stem, ending)) = name.rsplit_once('.') else { return name.to_owned() };
    let stem = without_mark(stem);
    if ending.eq_ignore_ascii_case("zip") && has_weight_ending(stem) {
        return plain_name(stem);
    }
    format!("{stem}.{ending}")
}

/// Whether a name, once the changes are undone, ends as those of weight files do.
pub(crate) fn is_weight_name(name: &str) -> bool {
    has_weight_ending(&plain_name(name))
}

/// The file or folder of this name, or the first that became another name when it was saved.
pub(crate) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let exact = folder.join(name);
    if exact.exists() {
        return Some(exact);
    }
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let renamed = entries.filter(|entry| plain_name(&entry.file_name().to_string_lossy()) == name);
    renamed.map(|entry| entry.path()).min()
}

fn has_weight_ending(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|ending| WEIGHT_ENDINGS.contains(&ending.as_str()))
}

/// Without a number in brackets and the mark of a copy at the end.
fn without_mark(name: &str) -> &str {
    let number = name.strip_suffix(')').and_then(|name| name.rsplit_once('('));
    let name = match number {
        Some((name, digits))
            if (1..=4).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            name.trim_end()
        }
        _ => name,
    };
    COPIES.iter().find_map(|copy| name.strip_suffix(copy)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_names_are_undone() {
        for (changed, plain) in [
            ("alitok_l (1).bin", "alitok_l.bin"),
            ("alitok_l(12).bin", "alitok_l.bin"),
            ("alitok_l.bin.zip", "alitok_l.bin"),
            ("alitok_l.bin (1).zip", "alitok_l.bin"),
            ("alitok_l (1).bin.ZIP", "alitok_l.bin"),
            ("vq - Copy (2).pt", "vq.pt"),
            ("vq copy.pt", "vq.pt"),
            ("vq (copy).pt", "vq.pt"),
            ("model-00001-of-00002 (1).safetensors", "model-00001-of-00002.safetensors"),
            ("model.safetensors.index (1).json", "model.safetensors.index.json"),
            ("flan-t5-xl (1)", "flan-t5-xl"),
            ("t5-v1.1 (1)", "t5-v1.1"),
        ] {
            assert_eq!(plain_name(changed), plain);
            assert_eq!(plain_name(plain), plain);
        }
        for name in ["photos.zip", "a(b).pt", "model (large).pt", "(1)", "", ".zip", "x (12345).pt"]
        {
            let kept = if name == "(1)" { "" } else { name };
            assert_eq!(plain_name(name), kept);
        }
        assert!(
            is_weight_name("a (1).bin.zip") && !is_weight_name("a.zip") && !is_weight_name("bin")
        );
    }
}
