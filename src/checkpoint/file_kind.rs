//! What a file is by its first bytes, whatever its name: the one step that every container and every
//! companion takes before it is read, so that a file of another kind gets the same sentence everywhere.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::results::{
    DESCRIPTION_KEY, DESCRIPTION_KEYWORD, OWN_DESCRIPTION, OWN_PICTURE, OWN_TRACE, RESTORE,
    TRACE_COLUMNS,
};
use crate::checkpoint::safetensors_file;
use crate::checkpoint::source::SourceFile;

/// First keys of what servers answer in place of a file.
const ERROR_KEYS: [&str; 3] = ["\"error\"", "\"message\"", "\"detail\""];

/// What some editors put before text in UTF-8; no part of it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes that are looked at.
pub(crate) const START: u64 = 1024;
/// Characters of a text that a message quotes.
const QUOTED: usize = 60;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Weights by the header's length and its first character; the header may still be wrong.
    Safetensors,
    /// A zip archive, PyTorch's among them.
    Zip,
    /// PyTorch's format of before version 1.6.
    TorchLegacy,
    /// JSON of any content.
    Json,
    /// Any other text, with its beginning.
    Text(String),
    /// Nothing that is known.
    Unknown,
    /// A kind that is known and not read here: what it is, and what to do.
    Other { what: String, advice: &'static str },
}

/// First bytes, what such a file is, and what to do.
const MAGIC: &[(&[u8], &str, &str)] = &[
    (b"\x1f\x8b", "a gzip archive", UNPACK),
    (b"BZh", "a bzip2 archive", UNPACK),
    (b"\xfd7zXZ\0", "an xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"GGUF", "a GGUF file, whose names and layouts are those of language models", AUTHORS),
    (b"lmgg", "a GGML file, whose names and layouts are those of language models", AUTHORS),
    (b"tjgg", "a GGML file, whose names and layouts are those of language models", AUTHORS),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file (.h5, Keras)", AUTHORS),
    (b"\x93NUMPY", "an array of NumPy", AUTHORS),
    (b"SQLite format 3\0", "a database of SQLite", ANOTHER),
    (b"\xff\xd8\xff", "a JPEG picture", ANOTHER),
    (b"GIF8", "a GIF picture", ANOTHER),
    (b"RIFF", "a picture or a sound (RIFF)", ANOTHER),
    (b"%PDF", "a PDF document", ANOTHER),
    (b"\x7fELF", "a program or library, not weights", ANOTHER),
    (b"MZ\x90\0", "a program or library, not weights", ANOTHER),
];
/// The pickle of the magic number of PyTorch's format of before version 1.6.
const LEGACY_MAGIC: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

const UNPACK: &str = "unpack it and choose the weight file inside";
const AUTHORS: &str = "choose the authors' file (safetensors, .pt, .pth, .bin, .ckpt or .jit)";
const ANOTHER: &str = "choose the model's weight file";

impl FileKind {
    /// What an open file is.
    ///
    /// # Errors
    /// Reading fails.
    pub(crate) fn of_file(file: &SourceFile) -> Result<Self, CheckpointError> {
        Ok(Self::of(&file.bytes(0, file.length().min(START))?, file.length()))
    }

    /// What a file of `length` bytes is that begins with `start`.
    pub(crate) fn of(start: &[u8], length: u64) -> Self {
        // The length of a header may have the first bytes of anything.
        if safetensors_file::looks_whole(start, length) {
            return Self::Safetensors;
        }
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            return Self::Zip;
        }
        if start.starts_with(LEGACY_MAGIC) {
            return Self::TorchLegacy;
        }
        if let Some(other) = binary(start, length) {
            return other;
        }
        if let Some(text) = as_text(start, length) {
            return of_text(text);
        }
        match safetensors_file::looks_like(start) {
            true => Self::Safetensors,
            false => Self::Unknown,
        }
    }

    /// Why the file called `subject` is not read, and what to do.
    pub(crate) fn refusal(&self, subject: &str) -> String {
        match self {
            Self::Other { what, advice } => format!("{subject} is {what}; {advice}"),
            Self::Zip => format!("{subject} is a zip archive; {UNPACK}"),
            Self::Safetensors | Self::TorchLegacy => {
                format!("{subject} is a weight file; put the file there that belongs to the model")
            }
            Self::Json => format!(
                "{subject} is a JSON file, not weights; choose the weight file or the folder that it lies in"
            ),
            Self::Text(begin) => {
                format!(
                    "{subject} is a text, not weights ({begin}); {ANOTHER} or download it again"
                )
            }
            Self::Unknown => format!(
                "{subject} is not a weight file (safetensors, .pt, .pth, .bin, .ckpt or .jit); choose another file"
            ),
        }
    }

    fn other(what: impl Into<String>, advice: &'static str) -> Self {
        Self::Other { what: what.into(), advice }
    }
}

fn binary(start: &[u8], length: u64) -> Option<FileKind> {
    if start.starts_with(PNG) {
        let keyword = DESCRIPTION_KEYWORD.as_bytes();
        return Some(match start.windows(keyword.len()).any(|part| part == keyword) {
            true => FileKind::other(OWN_PICTURE, RESTORE),
            false => FileKind::other("a PNG picture", ANOTHER),
        });
    }
    if let Some((_, what, advice)) = MAGIC.iter().find(|(magic, ..)| start.starts_with(magic)) {
        return Some(FileKind::other(*what, advice));
    }
    if start.get(257..262) == Some(b"ustar") {
        let advice = "unpack it, or save the weights as safetensors";
        return Some(FileKind::other(
            "a tar archive (PyTorch before version 0.4 wrote such)",
            advice,
        ));
    }
    if start.get(4..8) == Some(b"TFL3") {
        return Some(FileKind::other("a model of TensorFlow Lite", AUTHORS));
    }
    // A protocol buffer that begins with the version of ONNX and who wrote it.
    if let [0x08, 1..=20, 0x12, written, rest @ ..] = start
        && rest
            .get(..usize::from(*written))
            .is_some_and(|name| name.iter().all(u8::is_ascii_graphic))
    {
        return Some(FileKind::other("an ONNX model", AUTHORS));
    }
    if let [0x80, 2..=5, ..] = start {
        let advice = "save the weights as safetensors";
        return Some(FileKind::other("a bare pickle, not a file written by torch.save", advice));
    }
    if length > 0 && start.iter().all(|&byte| byte == 0) {
        let advice = "the download is not complete, download it again";
        return Some(FileKind::other("a file that begins with zeros", advice));
    }
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") || is_wide(start) {
        return Some(FileKind::other("a text in UTF-16", "save it as UTF-8 or download it again"));
    }
    None
}

/// Whether every other byte is 0 and the rest is ASCII: UTF-16 without a mark.
fn is_wide(start: &[u8]) -> bool {
    let (pairs, _) = start.as_chunks::<2>();
    let printable = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    pairs.len() >= 2
        && (pairs.iter().all(|&[low, high]| printable(low) && high == 0)
            || pairs.iter().all(|&[high, low]| high == 0 && printable(low)))
}

/// The text that a file begins with, if it is one: UTF-8 without control characters. A character may be
/// cut in two at the end of what was read.
fn as_text(start: &[u8], length: u64) -> Option<&str> {
    let start = without_mark(start);
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && length > start.len() as u64 => {
            std::str::from_utf8(start.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let control = |c: char| c.is_control() && !c.is_whitespace();
    (!text.contains(control)).then_some(text)
}

fn of_text(text: &str) -> FileKind {
    let begin = text.trim_start();
    let lower = begin.get(..begin.len().min(15)).unwrap_or_default().to_ascii_lowercase();
    if begin.starts_with("version https://git-lfs") {
        let advice = "fetch the file with git lfs pull";
        return FileKind::other("a pointer of Git LFS, not the contents", advice);
    }
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        let advice =
            "sign in or accept the licence there if it asks for that, and download the file again";
        return FileKind::other("a web page, not the file", advice);
    }
    if begin.starts_with('<') {
        let what = format!("an answer of a server, not the file ({})", quoted(begin));
        return FileKind::other(what, "download it again");
    }
    if begin.starts_with(['{', '[']) {
        if begin.contains(&format!("\"{DESCRIPTION_KEY}\":")) {
            return FileKind::other(OWN_DESCRIPTION, RESTORE);
        }
        let first_key = begin.trim_start_matches(['{', '[']).trim_start();
        if ERROR_KEYS.iter().any(|key| first_key.starts_with(key)) {
            let what = format!("an error text of a server, not the file ({})", quoted(begin));
            return FileKind::other(what, "download it again");
        }
        return FileKind::Json;
    }
    if begin.starts_with(TRACE_COLUMNS) {
        return FileKind::other(OWN_TRACE, RESTORE);
    }
    FileKind::Text(quoted(begin))
}

/// What a zip archive is that holds no weights of PyTorch, by the names of its members, and what to do.
pub(crate) fn archive_without_weights<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let ends = |endings: &[&str]| {
        names.iter().find(|name| endings.iter().any(|ending| name.ends_with(ending)))
    };
    let no_weights = "holds no weights of PyTorch (no data.pkl)";
    if let Some(name) = ends(&[".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".jit", ".gguf"]) {
        return format!("this is an archive with weight files inside ({name}); {UNPACK}");
    }
    if ends(&[".npy"]).is_some() {
        return format!("this archive of NumPy arrays (.npz) {no_weights}; {AUTHORS}");
    }
    if ends(&[".h5", ".keras"]).is_some() {
        return format!("this model of Keras {no_weights}; {AUTHORS}");
    }
    if names.contains(&"[Content_Types].xml") {
        return format!("this office document {no_weights}; {ANOTHER}");
    }
    format!("this archive {no_weights}; {ANOTHER}")
}

/// A text without a byte order mark.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}

/// The beginning of a text on one line.
fn quoted(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let shown: String = line.chars().take(QUOTED).collect();
    let more = if shown.len() < line.len() { "…" } else { "" };
    format!("“{shown}{more}”")
}
