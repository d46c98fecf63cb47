//! Any bytes as the files of a text tokenizer of before `tokenizer.json`: read, and what is read is used.
//! An input that begins like JSON is a vocab.json, a zero byte, a merges.txt, a zero byte and a
//! tokenizer_config.json; any other is a spiece.model.
#![no_main]

use libfuzzer_sys::fuzz_target;
use softcfg_studio::checkpoint::folder::ModelFolder;
use softcfg_studio::checkpoint::text_tokenizer;
use tokenizers::Tokenizer;

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).is_ok();
    let written = if bytes.starts_with(b"{") {
        let mut parts = bytes.splitn(3, |&byte| byte == 0);
        ["vocab.json", "merges.txt", "tokenizer_config.json"]
            .into_iter()
            .all(|name| parts.next().is_none_or(|part| write(name, part)))
    } else {
        write("spiece.model", bytes)
    };
    let folder = ModelFolder::Disk(folder.path().into());
    let (true, Ok(Some(json))) = (written, text_tokenizer::read(&folder)) else { return };
    assert!(text_tokenizer::ids(&folder).is_ok_and(|ids| ids.is_some()));
    let Ok(tokenizer) = Tokenizer::from_bytes(&json) else { return };
    for text in ["", "a red cat", "  ﬁ①\u{1}\t<extra_id_0></s> 猫😀e\u{301}"] {
        let _ = tokenizer.encode(text, false);
    }
});
