//! Finds the tokenizer of a folder, and counts its ids.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::json_file;
use crate::checkpoint::text_tokenizer::{byte_pairs, fault, sentence_piece};
use crate::compute::error::ModelError;
use serde_json::Value;
use std::borrow::Cow;

/// The file that needs no conversion.
const WHOLE: &str = "tokenizer.json";

/// The tokenizer of a folder in the form of `tokenizer.json`; `None` if no file of one is there.
///
/// # Errors
/// A file of the tokenizer is damaged, missing beside another, or of a kind with other rules.
pub fn read(folder: &ModelFolder) -> Result<Option<Cow<'static, [u8]>>, ModelError> {
    if let Some(json) = folder.read(WHOLE)? {
        return Ok(Some(json));
    }
    let converted = match byte_pairs::convert(folder)? {
        Some(tokenizer) => Some(tokenizer),
        None => sentence_piece::convert(folder)?,
    };
    let json = converted.map(|tokenizer| serde_json::to_vec(&tokenizer)).transpose();
    let json = json.map_err(|_| ModelError::Internal("a tokenizer cannot be written as JSON"))?;
    Ok(json.map(Cow::Owned))
}

/// As [`read`], of a folder that has to hold a tokenizer.
///
/// # Errors
/// Those of [`read`], and none is there.
pub fn required(folder: &ModelFolder) -> Result<Cow<'static, [u8]>, ModelError> {
    read(folder)?.ok_or_else(|| {
        let reason =
            "the text tokenizer is missing; download it from the same place as the weights";
        fault::wrong(folder, WHOLE, reason)
    })
}

/// One past the largest id of a folder's tokenizer, added tokens included; `None` if no file of one is
/// there.
///
/// # Errors
/// Those of [`read`], and a `tokenizer.json` of another form.
pub fn ids(folder: &ModelFolder) -> Result<Option<usize>, ModelError> {
    let Some(json) = read(folder)? else { return Ok(None) };
    let tokenizer: Value = json_file::parse(&json, &folder.path(WHOLE))?;
    count(&tokenizer).map(Some).ok_or_else(|| {
        let reason = "the text tokenizer has no vocabulary; download it again";
        fault::wrong(folder, WHOLE, reason)
    })
}

/// Byte-level vocabularies are maps to ids, unigram ones (T5) are lists.
fn count(tokenizer: &Value) -> Option<usize> {
    let vocabulary = tokenizer.get("model")?.get("vocab")?;
    let own = match vocabulary {
        Value::Object(ids) => ids.values().filter_map(Value::as_u64).max(),
        Value::Array(pieces) => (pieces.len() as u64).checked_sub(1),
        _ => None,
    };
    let added = tokenizer.get("added_tokens").and_then(Value::as_array);
    let added = added.into_iter().flatten().filter_map(|token| token.get("id")?.as_u64()).max();
    let largest = own.max(added)?;
    usize::try_from(largest).ok().filter(|&id| id < i32::MAX as usize).map(|id| id + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_counted_in_both_kinds_of_vocabulary() {
        let map =
            json!({ "model": { "vocab": { "a": 0, "b": 9 } }, "added_tokens": [{ "id": 12 }] });
        assert_eq!(count(&map), Some(13));
        let list = json!({ "model": { "vocab": [["a", -1.0], ["b", -2.0]] } });
        assert_eq!(count(&list), Some(2));
        assert_eq!(count(&json!({ "model": { "vocab": [] } })), None);
        assert_eq!(count(&json!({ "model": { "vocab": { "a": u64::MAX } } })), None);
    }
}
