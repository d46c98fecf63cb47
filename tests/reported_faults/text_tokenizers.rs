//! Text tokenizers that are stored in other files than `tokenizer.json`.

use crate::open_support::{
    caption_model, golden, open_with, simple_ar_request, simple_ar_with_cosmos_codes,
};
use crate::program;
use serde_json::{Value, json};
use softcfg_studio::checkpoint::folder::ModelFolder;
use softcfg_studio::checkpoint::text_tokenizer;
use softcfg_studio::models::card::{Conditions, Model};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokenizers::Tokenizer;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::{ModelWrapper, TrainerWrapper};

/// Pieces that the texts are made of: code, many scripts, emoji, blanks and control characters.
const PIECES: &[&str] = &[
    "a",
    "cat",
    "An image of ",
    "don't",
    "I'LL",
    "we've",
    "x",
    "2026",
    "3.14",
    "12345",
    "fn main() {",
    "}",
    "\tlet x = &mut y[0];",
    "// end",
    "<b>",
    "==",
    "!=",
    "::",
    "#version",
    "…",
    "—",
    "“q”",
    "naïve",
    "e\u{301}",
    "ﬁ",
    "①",
    "Ⅳ",
    "½",
    "猫",
    "一只红色的猫",
    "犬が走る",
    "ｶﾅ",
    "고양이",
    "кот",
    "γάτα",
    "قطة",
    "שלום",
    "ไทย",
    "हिन्दी",
    "😀",
    "👩‍👩‍👧",
    "🇩🇪",
    "❤️",
    " ",
    "  ",
    "    ",
    "\n",
    "\r\n",
    "\n\n  ",
    "\t",
    "\u{a0}",
    "\u{3000}",
    "\u{200b}",
    "\u{feff}",
    "\u{0}",
    "\u{1}",
    "\u{7}",
    "\u{1b}[0m",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{fffd}",
    "\u{10ffff}",
    "<|soi|>",
    "<|t2i|>",
    "<|none|>",
    "'s",
    "'",
    "\"",
    "\\",
    "_",
    "~",
];

/// The same 1,000 texts every time.
fn texts() -> Vec<String> {
    let mut state = 17u64;
    let mut below = |limit: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let mut text = || (0..below(16)).map(|_| PIECES[below(PIECES.len())]).collect();
    (0..1000).map(|_| text()).collect()
}

fn read(folder: &Path) -> Tokenizer {
    let json = text_tokenizer::required(&ModelFolder::Disk(folder.into()));
    Tokenizer::from_bytes(json.unwrap_or_else(|error| panic!("{error}"))).unwrap()
}

/// Ids and places of a text, which both tokenizers must give alike.
fn assert_same(whole: &Tokenizer, parts: &Tokenizer) {
    for text in texts() {
        let [whole, parts] =
            [whole, parts].map(|tokenizer| tokenizer.encode(&*text, false).unwrap());
        assert_eq!(whole.get_ids(), parts.get_ids(), "{text:?}");
        assert_eq!(whole.get_offsets(), parts.get_offsets(), "{text:?}");
    }
}

/// The forms in which the older files say which tokens are special.
#[derive(Clone, Copy, Debug)]
enum Added {
    /// `added_tokens_decoder` of `tokenizer_config.json`.
    Decoder,
    /// `added_tokens.json` with `special_tokens_map.json`.
    Files,
}

/// Puts the files of before `tokenizer.json` in its place.
fn write_parts(folder: &Path, whole: &Value, added: Added) {
    let write = |name: &str, value: Value| fs::write(folder.join(name), value.to_string()).unwrap();
    write("vocab.json", whole["model"]["vocab"].clone());
    let merges = whole["model"]["merges"].as_array().unwrap().iter().map(|pair| match pair {
        Value::String(pair) => pair.clone(),
        pair => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    });
    let merges: Vec<String> = merges.collect();
    fs::write(folder.join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n")))
        .unwrap();
    let tokens = whole["added_tokens"].as_array().unwrap();
    let content = |token: &Value| token["content"].as_str().unwrap().to_owned();
    match added {
        Added::Decoder => {
            let decoder: serde_json::Map<String, Value> =
                tokens.iter().map(|token| (token["id"].to_string(), token.clone())).collect();
            let config = json!({
                "tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": false, "added_tokens_decoder": decoder,
                "eos_token": content(&tokens[0]), "model_max_length": 32768,
            });
            write("tokenizer_config.json", config);
        }
        Added::Files => {
            let ids: serde_json::Map<String, Value> =
                tokens.iter().map(|token| (content(token), token["id"].clone())).collect();
            write("added_tokens.json", ids.into());
            let others: Vec<String> = tokens[1..].iter().map(content).collect();
            let eos = json!({ "content": content(&tokens[0]), "lstrip": false });
            let map = json!({ "eos_token": eos, "additional_special_tokens": others });
            write("special_tokens_map.json", map);
        }
    }
    let _ = fs::remove_file(folder.join("tokenizer.json"));
}

/// The miniature's `tokenizer.json`, which transformers wrote, with a vocabulary of all bytes and of
/// merges that are learnt from the texts.
fn with_learnt_vocabulary() -> Value {
    let path = golden("simplear/tiny_untied/tokenizer.json");
    let mut whole: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut tokenizer: Tokenizer = serde_json::from_value(whole.clone()).unwrap();
    let bytes = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
    let trainer =
        BpeTrainer::builder().vocab_size(700).initial_alphabet(bytes.into_iter().collect());
    tokenizer.with_model(ModelWrapper::BPE(BPE::default()));
    let mut trainer = TrainerWrapper::from(trainer.show_progress(false).build());
    // Without the markers, which are no part of the vocabulary.
    let texts = texts().into_iter().map(|text| text.replace("<|soi|>", "").replace("<|t2i|>", ""));
    tokenizer.train(&mut trainer, texts).unwrap();
    let learnt: Value = serde_json::to_value(tokenizer.get_model()).unwrap();
    let own = learnt["vocab"].as_object().unwrap().len();
    assert!(own > 500, "{own} entries");
    whole["model"]["vocab"] = learnt["vocab"].clone();
    whole["model"]["merges"] = learnt["merges"].clone();
    for (token, id) in whole["added_tokens"].as_array_mut().unwrap().iter_mut().zip(own..) {
        token["id"] = id.into();
    }
    whole
}

fn prompt_tokens(model: &Model, prompt: &str) -> Vec<u32> {
    let Conditions::Prompts(book) = &model.card.conditions else { panic!("no prompts") };
    book.conditional(prompt).unwrap()
}

// Source: transformers.js#93
#[test]
fn a_person_opens_a_qwen_folder_of_before_tokenizer_json() {
    let folder = tempfile::tempdir().unwrap();
    let model = simple_ar_with_cosmos_codes(folder.path());
    let whole = fs::read(model.join("tokenizer.json")).unwrap();
    let whole_model = open_with(&simple_ar_request(&model)).unwrap();
    for added in [Added::Decoder, Added::Files] {
        write_parts(&model, &serde_json::from_slice(&whole).unwrap(), added);
        let parts = open_with(&simple_ar_request(&model)).unwrap_or_else(|error| panic!("{error}"));
        for prompt in ["a red image of re, image.", "im ag  image", ""] {
            assert_eq!(
                prompt_tokens(&whole_model, prompt),
                prompt_tokens(&parts, prompt),
                "{added:?}"
            );
        }
        fs::remove_file(model.join("vocab.json")).unwrap();
    }
}

// Source: transformers.js#93
#[test]
fn the_older_files_of_qwen_give_the_same_tokens_on_a_thousand_texts() {
    let whole = with_learnt_vocabulary();
    let tokenizer: Tokenizer = serde_json::from_value(whole.clone()).unwrap();
    for added in [Added::Decoder, Added::Files] {
        let folder = tempfile::tempdir().unwrap();
        write_parts(folder.path(), &whole, added);
        let parts = read(folder.path());
        assert_same(&tokenizer, &parts);
        assert_eq!(tokenizer.get_vocab_size(true), parts.get_vocab_size(true));
        let decoder = |tokenizer: &Tokenizer| {
            let tokens = tokenizer.get_added_tokens_decoder().into_iter();
            let mut tokens: Vec<_> = tokens.map(|(id, token)| (id, format!("{token:?}"))).collect();
            tokens.sort();
            tokens
        };
        assert_eq!(decoder(&tokenizer), decoder(&parts), "{added:?}");
        let ids = text_tokenizer::ids(&ModelFolder::Disk(folder.path().into())).unwrap();
        assert_eq!(ids, Some(tokenizer.get_vocab_size(true)));
    }
}

// Source: transformers.js#93; the ids are those of the sentencepiece library.
#[test]
fn a_spiece_model_gives_the_tokens_of_sentencepiece_on_a_thousand_texts() {
    let folder = golden("text_tokenizers/t5");
    let tokenizer = read(&folder);
    let expected: Vec<(String, Vec<u32>)> =
        serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
    assert_eq!(expected.len(), 1000);
    for (text, ids) in expected {
        assert_eq!(tokenizer.encode(&*text, false).unwrap().get_ids(), ids, "{text:?}");
    }
    // T5 counts its places for masked words down.
    let ids = text_tokenizer::ids(&ModelFolder::Disk(folder)).unwrap();
    assert_eq!(ids, Some(400));
    for (name, id) in [("<extra_id_0>", 399), ("<extra_id_99>", 300), ("</s>", 1)] {
        assert_eq!(tokenizer.token_to_id(name), Some(id));
    }
    let marked = tokenizer.encode("a <extra_id_0> b", false).unwrap();
    assert!(marked.get_ids().contains(&399), "{:?}", marked.get_tokens());
}

/// A field of a protocol buffer that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128);
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// A piece with its likelihood and its kind.
fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
    let score = [&[2 << 3 | 5][..], &score.to_le_bytes()].concat();
    field(1, &[field(1, text.as_bytes()), score, vec![3 << 3, kind]].concat())
}

/// The configuration of a T5 that has no places for masked words.
const WITHOUT_EXTRA: &[u8] = br#"{ "tokenizer_class": "T5Tokenizer", "extra_ids": 0 }"#;

/// A model of words whose tokens are those of `caption_model`'s tokenizer.
fn words_model() -> Vec<u8> {
    let mut model = piece("<pad>", 0.0, 3);
    model.extend(piece("</s>", 0.0, 3));
    model.extend(piece("<unk>", 0.0, 2));
    for word in ["▁a", "▁red", "▁blue", "▁cat", "▁dog", "▁car"] {
        model.extend(piece(word, -1.0, 1));
    }
    // The number of the piece for what is unknown.
    model.extend(field(2, &[40 << 3 & 0x7f | 0x80, 40 >> 4, 2]));
    model
}

/// The files of a caption model, its text encoder's tokenizer replaced by others.
fn caption_folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let _ = caption_model(folder.path());
    let encoder = folder.path().join("flan-t5-xl");
    fs::remove_file(encoder.join("tokenizer.json")).unwrap();
    for (name, bytes) in files {
        fs::write(encoder.join(name), bytes).unwrap();
    }
    folder
}

// Source: transformers.js#93
#[test]
fn a_person_opens_a_caption_model_whose_t5_has_only_a_spiece_model() {
    let whole = tempfile::tempdir().unwrap();
    let whole_model = open_with(&caption_model(whole.path())).unwrap();
    let files = [("spiece.model", &*words_model()), ("tokenizer_config.json", WITHOUT_EXTRA)];
    let folder = caption_folder(&files);
    let mut request = crate::open_support::request("", "");
    request.paths = vec![folder.path().join("t2i.safetensors")];
    request.tokenizer = Some(folder.path().join("vq/vq.safetensors"));
    let model = open_with(&request).unwrap_or_else(|error| panic!("{error}"));
    let count = |model: &Model, text: &str| {
        let Conditions::Prompts(book) = &model.card.conditions else { panic!("no prompts") };
        book.check(text).unwrap().tokens
    };
    for text in ["a red cat", "a blue dog a red car", "a"] {
        assert_eq!(count(&whole_model, text), count(&model, text), "{text}");
    }
}

// Source: found in use
#[test]
fn inspect_names_the_tokenizer_that_a_text_encoder_lacks() {
    let folder = caption_folder(&[]);
    let said = program::succeeds(folder.path(), &["inspect", "flan-t5-xl"]);
    assert!(
        said.contains("missing: its text encoder's tokenizer, tokenizer.json or spiece.model"),
        "{said}"
    );
    let said =
        program::succeeds(folder.path(), &["inspect", "t2i.safetensors", "vq/vq.safetensors"]);
    assert!(said.contains("text encoder's tokenizer"), "{said}");
    let files = [("spiece.model", &*words_model()), ("tokenizer_config.json", WITHOUT_EXTRA)];
    let folder = caption_folder(&files);
    let said = program::succeeds(folder.path(), &["inspect", "flan-t5-xl"]);
    assert!(!said.contains("text encoder's tokenizer"), "{said}");
}

// Source: found in use
#[test]
fn inspect_names_the_tokenizer_that_a_prompt_model_lacks() {
    let folder = tempfile::tempdir().unwrap();
    simple_ar_with_cosmos_codes(folder.path());
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    let said = program::succeeds(folder.path(), &["inspect", "."]);
    assert!(said.contains("missing: its text tokenizer, tokenizer.json or vocab.json"), "{said}");
}

/// What inspection says of a text encoder's folder with these files.
fn refused_encoder(files: &[(&str, &[u8])]) -> String {
    let folder = caption_folder(files);
    program::refused(folder.path(), &["inspect", "flan-t5-xl"], 2)
}

// Source: found in use
#[test]
fn a_damaged_tokenizer_is_named_with_its_file_and_reason() {
    for (model, part) in [
        (&words_model()[..40], "cut short"),
        (b"\x0a\x03\x0a\x01\xff", "UTF-8"),
        // Another kind of model, and a map of characters of three bytes.
        (&[words_model(), field(2, &[3 << 3, 2])].concat(), "another kind"),
        (&[words_model(), field(3, &field(2, b"map"))].concat(), "map of characters"),
    ] {
        let message = refused_encoder(&[("spiece.model", model)]);
        assert!(
            message.contains("spiece.model cannot be used") && message.contains(part),
            "{message}"
        );
        assert!(message.trim_end().ends_with("spiece.model"), "{message}");
    }
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 791656\n";
    for (bytes, part) in
        [(&pointer[..], "git lfs pull"), (b"<!DOCTYPE html>", "web page"), (b"", "is empty")]
    {
        let message = refused_encoder(&[("spiece.model", bytes)]);
        assert!(message.contains("spiece.model is") && message.contains(part), "{message}");
    }
    let xlnet = json!({ "tokenizer_class": "XLNetTokenizer" }).to_string();
    let message = refused_encoder(&[
        ("spiece.model", &words_model()),
        ("tokenizer_config.json", xlnet.as_bytes()),
    ]);
    assert!(message.contains("XLNetTokenizer") && message.contains("tokenizer.json"), "{message}");

    let folder = tempfile::tempdir().unwrap();
    simple_ar_with_cosmos_codes(folder.path());
    let whole = fs::read(folder.path().join("tokenizer.json")).unwrap();
    write_parts(folder.path(), &serde_json::from_slice(&whole).unwrap(), Added::Decoder);
    let refused = || program::refused(folder.path(), &["inspect", "."], 2);
    fs::write(folder.path().join("merges.txt"), "#version: 0.2\ni m\nq z\n").unwrap();
    let message = refused();
    assert!(message.contains("\"qz\" of line 3 is not in vocab.json"), "{message}");
    fs::write(folder.path().join("merges.txt"), "").unwrap();
    assert!(refused().contains("merges.txt is empty"), "{}", refused());
    fs::remove_file(folder.path().join("merges.txt")).unwrap();
    assert!(refused().contains("merges.txt is missing beside vocab.json"), "{}", refused());
    fs::write(folder.path().join("vocab.json"), "{").unwrap();
    assert!(refused().contains("vocab.json cannot be read"), "{}", refused());
}
