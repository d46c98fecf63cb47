//! The one reader of small JSON files: configurations, indices, grammars. What cannot be read is named by
//! file, line and reason.

use crate::checkpoint::CheckpointError;
use crate::checkpoint::file_kind::{self, FileKind, without_mark};
use crate::checkpoint::files::file_name;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use std::path::{Path, PathBuf};

/// Longest JSON file that is read; Qwen2's `tokenizer.json` has 7 MB.
pub(crate) const MAX_JSON: u64 = 64 << 20;
/// What Python writes, or a person in its style, and JSON does not have.
const NOT_JSON: [&str; 6] = ["NaN", "-Infinity", "Infinity", "True", "False", "None"];

/// A JSON file that has been read.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonFile {
    path: PathBuf,
    text: String,
    pub(crate) value: Value,
}

impl JsonFile {
    /// Reads the contents of the file at `path`.
    ///
    /// # Errors
    /// See [`parse`].
    pub(crate) fn new(bytes: &[u8], path: PathBuf) -> Result<Self, CheckpointError> {
        let text = text(bytes, &path)?.to_owned();
        let value = from_text(&text, &path)?;
        Ok(Self { path, text, value })
    }

    /// The file as a `T`. From the text, so that errors name the line.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.text)
    }

    /// What is wrong with the file.
    pub(crate) fn fault(&self, error: &serde_json::Error) -> CheckpointError {
        fault(&self.text, error, &self.path)
    }
}

/// Reads the contents of the JSON file at `path`.
///
/// # Errors
/// Another kind of file, text that is not UTF-8, or JSON that is damaged or lacks something; with line and
/// reason.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T, CheckpointError> {
    from_text(text(bytes, path)?, path)
}

fn from_text<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, CheckpointError> {
    serde_json::from_str(text).map_err(|error| fault(text, &error, path))
}

fn text<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str, CheckpointError> {
    let wrong = |reason: String| CheckpointError::format(path, reason);
    let name = file_name(path);
    let bytes = without_mark(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(wrong(format!("{name} is empty; download it again")));
    }
    let start = bytes.get(..file_kind::START as usize).unwrap_or(bytes);
    match FileKind::of(start, bytes.len() as u64) {
        FileKind::Json | FileKind::Unknown => {}
        FileKind::Text(begin) => {
            return Err(wrong(format!("{name} is a text, not JSON ({begin}); download it again")));
        }
        other => return Err(wrong(other.refusal(&name))),
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let line =
            bytes.iter().take(error.valid_up_to()).filter(|&&byte| byte == b'\n').count() + 1;
        wrong(format!(
            "{name} cannot be read: line {line} is not UTF-8; save it as UTF-8 or download it again"
        ))
    })
}

fn fault(text: &str, error: &serde_json::Error, path: &Path) -> CheckpointError {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let reason = message.strip_suffix(&place).unwrap_or(&message);
    let reason = match (error.classify(), not_json(text, error)) {
        (Category::Syntax, Some(word)) => format!("{word} is not JSON"),
        _ => reason.to_owned(),
    };
    let advice = match error.classify() {
        Category::Eof => "the file is cut off, download it again",
        Category::Syntax | Category::Io => "correct it or download the file again",
        Category::Data => "put the file there that belongs to the model",
    };
    let (name, line, column) = (file_name(path), error.line(), error.column());
    let message = match line {
        // Read, and refused for what it says; the reason knows what to do.
        0 => format!("{name}: {reason}"),
        _ => format!("{name} cannot be read at line {line}, column {column}: {reason}; {advice}"),
    };
    CheckpointError::format(path, message)
}

/// The word at the place of an error, if it is one that JSON does not have.
fn not_json(text: &str, error: &serde_json::Error) -> Option<&'static str> {
    let line = text.lines().nth(error.line().checked_sub(1)?)?;
    // Columns count bytes from 1; a sign stands before the place.
    let starts = [error.column().saturating_sub(2), error.column().saturating_sub(1)];
    let rest = |start: usize| line.get(start..).unwrap_or_default();
    NOT_JSON.into_iter().find(|word| starts.iter().any(|&start| rest(start).starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Sizes {
        width: usize,
    }

    fn read(text: &[u8]) -> Result<Sizes, String> {
        parse(text, Path::new("folder/config.json"))
            .map_err(|error: CheckpointError| error.to_string())
    }

    #[test]
    fn a_byte_order_mark_is_no_fault() {
        assert_eq!(read(b"\xef\xbb\xbf{\"width\": 3}").unwrap().width, 3);
    }

    #[test]
    fn faults_name_file_line_and_reason() {
        let cases: [(&[u8], &str); 9] = [
            (b"", "config.json is empty"),
            (b" \n", "config.json is empty"),
            (b"{\"width\": 3,\n}", "line 2, column 1: trailing comma"),
            (b"{\n\"width\": NaN}", "line 2, column 10: NaN is not JSON"),
            (b"{\"width\": -Infinity}", "-Infinity is not JSON"),
            (b"{\"width\": True}", "True is not JSON"),
            (b"{\"width\": 3", "cut off"),
            (b"{}", "missing field `width`"),
            (b"{\"width\": \"\xff\"}", "line 1 is not UTF-8"),
        ];
        for (text, part) in cases {
            let message = read(text).unwrap_err();
            assert!(message.contains(part), "\"{part}\" is not in: {message}");
            assert!(message.contains(';') && message.ends_with("folder/config.json"), "{message}");
        }
    }
}
