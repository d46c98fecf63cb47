//! Qwen2's tokenizer from `vocab.json` and `merges.txt`: pairs of bytes merged in a fixed order.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::text_tokenizer::added_tokens::TokenizerConfig;
use crate::checkpoint::text_tokenizer::fault;
use crate::compute::error::ModelError;
use serde_json::{Value, json};
use std::collections::HashMap;

const VOCABULARY: &str = "vocab.json";
const MERGES: &str = "merges.txt";
/// Where the text is cut before pairs are merged: contractions, words, single digits, signs, blanks.
const CUTS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// The tokenizer in the form of `tokenizer.json`; `None` without a vocabulary.
///
/// # Errors
/// A damaged file, no list of merges, or a tokenizer of another class.
pub(super) fn convert(folder: &ModelFolder) -> Result<Option<Value>, ModelError> {
    let Some(vocabulary) = folder.json::<HashMap<String, u32>>(VOCABULARY)? else {
        return Ok(None);
    };
    let config = TokenizerConfig::of(folder)?;
    config.expect_class(folder, "Qwen2Tokenizer")?;
    let Some(text) = folder.read(MERGES)? else {
        let reason = format!(
            "{MERGES} is missing beside {VOCABULARY}; download both from the same place as the weights"
        );
        return Err(fault::wrong(folder, MERGES, reason));
    };
    fault::refuse_other_kind(folder, MERGES, &text)?;
    let merges = merges(&text, &vocabulary).map_err(|what| {
        fault::wrong(folder, MERGES, format!("{MERGES} cannot be used ({what}); download it again"))
    })?;
    let added = config.added_tokens(folder, &vocabulary)?;
    let space = config.switch("add_prefix_space").unwrap_or(false);
    Ok(Some(json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": { "type": "NFC" },
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            { "type": "Split", "pattern": { "Regex": CUTS }, "behavior": "Isolated", "invert": false },
            { "type": "ByteLevel", "add_prefix_space": space, "trim_offsets": true, "use_regex": false },
        ] },
        "post_processor": null,
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocabulary,
            "merges": merges,
        },
    })))
}

/// The pairs, the first merged first; or what is wrong with the list.
fn merges<'a>(
    text: &'a [u8],
    vocabulary: &HashMap<String, u32>,
) -> Result<Vec<(&'a str, &'a str)>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
    let mut pairs = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || index == 0 && line.starts_with("#version:") {
            continue;
        }
        let number = index + 1;
        let pair = line.split_once(' ').filter(|(_, second)| !second.contains(' '));
        let (first, second) = pair.ok_or_else(|| format!("line {number} is not a pair"))?;
        let merged = format!("{first}{second}");
        let unknown =
            [first, second, &merged].into_iter().find(|token| !vocabulary.contains_key(*token));
        if let Some(token) = unknown {
            return Err(format!("\"{token}\" of line {number} is not in {VOCABULARY}"));
        }
        pairs.push((first, second));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_pairs_of_known_tokens() {
        let words = ["a", "b", "#", "ab", "##"];
        let vocabulary = words.iter().zip(0..).map(|(word, id)| (word.to_string(), id)).collect();
        let read = |text: &'static str| merges(text.as_bytes(), &vocabulary);
        assert_eq!(read("#version: 0.2\r\na b\r\n# #\n\n"), Ok(vec![("a", "b"), ("#", "#")]));
        for (text, part) in [
            ("a\n", "line 1 is not a pair"),
            ("a b\na b c", "line 2 is not a pair"),
            ("b a", "\"ba\" of line 1"),
            ("a z", "\"z\" of line 1"),
        ] {
            assert!(read(text).unwrap_err().contains(part), "{text}");
        }
        assert!(merges(b"a \xff", &vocabulary).is_err());
    }
}
