//! Companions that are there and cannot be read: file, line and reason are named, never "absent".

use crate::open_support::*;
use softcfg_studio::opening::request::OpenRequest;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A model whose JSON files are changed, with the names of those.
struct Folder {
    _folder: TempDir,
    request: OpenRequest,
    files: Vec<PathBuf>,
}

fn copy(names: &[&str], from: &Path, to: &Path) {
    for name in names {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn simple_ar() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let request = simple_ar_request(simple_ar_with_cosmos_codes(folder.path()));
    fs::write(folder.path().join("generation_config.json"), "{\n \"top_k\": 20\n}").unwrap();
    let names = ["config.json", "tokenizer.json", "generation_config.json"];
    let files = names.map(|name| folder.path().join(name)).to_vec();
    Folder { _folder: folder, request, files }
}

fn lumina() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let mut request = lumina_request(folder.path(), (4, 8));
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(golden("lumina/tiny")).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), model.join(file.file_name())).unwrap();
        }
    }
    fs::write(model.join("tokenizer_config.json"), "{\n \"bos_token\": null\n}").unwrap();
    let names = ["model.safetensors.index.json", "config.json", "tokenizer_config.json"];
    let files = names.map(|name| model.join(name)).to_vec();
    request.paths = vec![model];
    Folder { _folder: folder, request, files }
}

fn built_in() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let names = ["image_tokenizer.json", "grammar.json", "config.json", "tokenizer.json"];
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/emoji-scenes");
    copy(&names, &assets, folder.path());
    copy(&["model.safetensors", "image_tokenizer.safetensors"], &assets, folder.path());
    let request = OpenRequest::new([folder.path().to_path_buf()]);
    let files = names.map(|name| folder.path().join(name)).to_vec();
    Folder { _folder: folder, request, files }
}

fn captions() -> Folder {
    let folder = tempfile::tempdir().unwrap();
    let request = caption_model(folder.path());
    let names =
        ["flan-t5-xl/config.json", "flan-t5-xl/tokenizer.json", "vq/config.json", "config.json"];
    let files = names.map(|name| folder.path().join(name)).to_vec();
    Folder { _folder: folder, request, files }
}

fn folders() -> [Folder; 4] {
    [simple_ar(), lumina(), built_in(), captions()]
}

/// Puts `contents` in place of each JSON file in turn, and gives the file and why the model is refused.
fn refused_with(contents: impl Fn(&[u8]) -> Vec<u8>) -> Vec<(PathBuf, String)> {
    let mut refused = Vec::new();
    for Folder { _folder, request, files } in folders() {
        for file in files {
            let sound = fs::read(&file).unwrap();
            fs::write(&file, contents(&sound)).unwrap();
            refused.push((file.clone(), message(&request)));
            fs::write(&file, sound).unwrap();
        }
        open_with(&request).unwrap_or_else(|error| panic!("the sound folder: {error}"));
    }
    refused
}

fn assert_named(refused: Vec<(PathBuf, String)>, parts: &[&str]) {
    assert_eq!(refused.len(), 14);
    for (file, message) in refused {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(message.contains(name) && message.contains(';'), "{message}");
        assert!(message.ends_with(&file.display().to_string()), "the path is not last: {message}");
        for part in parts {
            assert!(message.contains(part), "\"{part}\" is not in: {message}");
        }
    }
}

// Source: oh-my-opencode-slim#1028.
#[test]
fn a_person_saves_a_config_with_an_editor_that_writes_a_byte_order_mark() {
    for Folder { _folder, request, files } in folders() {
        for file in files {
            let sound = fs::read(&file).unwrap();
            fs::write(&file, [BYTE_ORDER_MARK, &sound].concat()).unwrap();
        }
        open_with(&request).unwrap_or_else(|error| panic!("{error}"));
    }
}

// Source: oh-my-opencode-slim#1028.
#[test]
fn a_person_leaves_a_comma_at_the_end_of_a_config() {
    let refused = refused_with(|sound| {
        let text = String::from_utf8(sound.to_vec()).unwrap();
        let object = text.trim_end().strip_suffix('}').unwrap().trim_end();
        format!("{object},\n}}").into_bytes()
    });
    assert_named(refused, &["trailing comma", " at line "]);
}

// Source: oh-my-opencode-slim#1028: the line is that of the fault.
#[test]
fn the_line_that_is_named_is_the_one_to_correct() {
    let Folder { _folder, request, files } = simple_ar();
    let config = fs::read_to_string(&files[0]).unwrap();
    let value: serde_json::Value = serde_json::from_str(&config).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let wrong = pretty.replace("0.000001", "NaN").replace("1e-6", "NaN").replace("1e-06", "NaN");
    let line = wrong.lines().position(|line| line.contains("NaN")).unwrap() + 1;
    fs::write(&files[0], &wrong).unwrap();
    let message = message(&request);
    assert!(message.contains(&format!("line {line},")) && message.contains("NaN"), "{message}");
    // A value of another type is named by its line, too.
    let wrong = wrong.replace("NaN", "\"small\"");
    fs::write(&files[0], &wrong).unwrap();
    let message = self::message(&request);
    assert!(message.contains(&format!("line {line},")) && message.contains("small"), "{message}");
}

// Source: found in use.
#[test]
fn a_person_has_an_empty_config() {
    assert_named(refused_with(|_| Vec::new()), &["empty"]);
    assert_named(refused_with(|_| b" \n".to_vec()), &["empty"]);
}

// Source: found in use.
#[test]
fn a_person_saves_a_config_as_utf_16() {
    let wide = |sound: &[u8]| {
        let text = std::str::from_utf8(sound).unwrap();
        text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
    };
    assert_named(refused_with(|sound| [b"\xff\xfe".to_vec(), wide(sound)].concat()), &["UTF-16"]);
    assert_named(refused_with(wide), &["UTF-16"]);
}

// Source: found in use: a download that was cut off, and what a server answers in place of a file.
#[test]
fn a_person_has_a_config_whose_download_failed() {
    assert_named(refused_with(|sound| sound[..sound.len() / 2].to_vec()), &["cut off", "download"]);
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123\n";
    assert_named(refused_with(|_| lfs.into()), &["Git LFS"]);
    assert_named(refused_with(|_| "<!DOCTYPE html><html></html>".into()), &["web page"]);
    assert_named(refused_with(|_| "Entry not found".into()), &["“Entry not found”"]);
    assert_named(refused_with(|_| b"{\"error\": \"gated\"}".to_vec()), &["error text", "gated"]);
}

// Source: found in use: a broken file beside the image tokenizer made it "missing".
#[test]
fn a_person_has_a_broken_config_beside_the_image_tokenizer_that_is_found() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden("llamagen/c2i_tiny/c2i_tiny.pt"), folder.path().join("c2i.pt")).unwrap();
    let tokenizers = folder.path().join("weights");
    fs::create_dir(&tokenizers).unwrap();
    copy(&["vq16_tiny.pt"], &golden("llamagen/vq16_tiny"), &tokenizers);
    fs::rename(tokenizers.join("vq16_tiny.pt"), tokenizers.join("vq_ds16_c2i.pt")).unwrap();
    fs::write(tokenizers.join("config.json"), "{\"ch\": 32,\n}").unwrap();
    copy(&["config.json"], &golden("llamagen/c2i_tiny"), folder.path());
    let message = message(&OpenRequest::new([folder.path().join("c2i.pt")]));
    assert!(message.contains("config.json") && message.contains("line 2"), "{message}");
}
