//! Files of another kind: what they are is told by their contents, whatever they are called.

use crate::open_support::*;
use softcfg_studio::checkpoint::Container;
use std::fs;
use std::path::Path;

const ENDINGS: [&str; 8] = ["safetensors", "pt", "pth", "bin", "ckpt", "jit", "png", "data"];

fn refusal(path: &Path) -> String {
    Container::open(path).expect_err("a file of another kind").to_string()
}

/// Why a file of these contents is refused; the same whatever its ending.
fn refused(contents: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let messages: Vec<String> = ENDINGS
        .map(|ending| {
            let path = folder.path().join(format!("model.{ending}"));
            fs::write(&path, contents).unwrap();
            let message = refusal(&path);
            let without = message.strip_suffix(&format!(": {}", path.display()));
            without.unwrap_or_else(|| panic!("the path is not last: {message}")).to_owned()
        })
        .to_vec();
    assert!(messages.iter().all(|message| *message == messages[0]), "{messages:#?}");
    assert!(messages[0].contains(';'), "it does not say what to do: {}", messages[0]);
    messages[0].clone()
}

fn says(contents: impl AsRef<[u8]>, parts: &[&str]) {
    let message = refused(contents.as_ref());
    for part in parts {
        assert!(message.contains(part), "\"{part}\" is not in: {message}");
    }
    assert!(!message.contains("claims"), "{message}");
}

// Source: OmniParser#34.
#[test]
fn a_person_cloned_without_git_lfs() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 1234567890\n";
    says(pointer, &["pointer of Git LFS", "git lfs pull"]);
}

// Source: diffusers#13559.
#[test]
fn a_person_saved_the_web_page_in_place_of_the_file() {
    says(
        "<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
        &["web page", "download"],
    );
    says("\u{feff}\n <html><body>Agree to the licence</body></html>", &["web page"]);
    let denied = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
    says(denied, &["a server", "AccessDenied", "download it again"]);
}

// Source: diffusers#13559: what hubs answer to a wrong token or name.
#[test]
fn a_person_saved_the_error_of_a_server_in_place_of_the_file() {
    says("{\"error\":\"Access to model x is restricted\"}", &["error text", "is restricted"]);
    says("Entry not found", &["a text", "“Entry not found”"]);
    says("Invalid username or password.", &["Invalid username"]);
}

// Source: found in use.
#[test]
fn a_person_chose_a_model_for_another_program() {
    says(b"GGUF\x03\0\0\0\0\0\0\0", &["GGUF", "authors' file"]);
    says(b"\x89HDF\r\n\x1a\n\0\0\0\0", &["HDF5"]);
    says(b"\x08\x07\x12\x07pytorch\x1a\x031.9", &["ONNX"]);
    says(b"\x93NUMPY\x01\0v\0", &["NumPy"]);
    says(b"\x1c\0\0\0TFL3\0\0", &["TensorFlow Lite"]);
    says(b"\x80\x04}.", &["bare pickle"]);
}

// Source: found in use.
#[test]
fn a_person_chose_something_that_is_packed() {
    let mut gzip = flate2_bytes();
    gzip.resize(600, 0);
    says(gzip, &["gzip", "unpack"]);
    says(b"\xfd7zXZ\0\0\x04", &["xz archive", "unpack"]);
    says(b"7z\xbc\xaf\x27\x1c\0\x04", &["7-Zip"]);
    says(b"\x28\xb5\x2f\xfd\x04\x88", &["Zstandard"]);
    let mut tar = vec![b'a'; 257];
    tar.extend(b"ustar\x0000");
    says(tar, &["tar archive"]);
    // A zip archive around the weight file, and others without weights.
    says(zip("model/weights.safetensors"), &["weights.safetensors", "unpack"]);
    says(zip("arr_0.npy"), &["NumPy", "data.pkl"]);
    says(zip("model.weights.h5"), &["Keras"]);
    says(zip("[Content_Types].xml"), &["office"]);
    says(zip("readme.txt"), &["data.pkl"]);
}

/// The first bytes of a gzip file.
fn flate2_bytes() -> Vec<u8> {
    vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]
}

/// A zip archive of one empty member, stored.
fn zip(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = (name.len() as u16).to_le_bytes();
    bytes.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(length);
    bytes.extend(b"\0\0");
    bytes.extend(name.as_bytes());
    let directory = bytes.len() as u32;
    bytes.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(length);
    bytes.extend([0; 12]);
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(name.as_bytes());
    let size = bytes.len() as u32 - directory;
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend(size.to_le_bytes());
    bytes.extend(directory.to_le_bytes());
    bytes.extend(b"\0\0");
    bytes
}

// Source: found in use.
#[test]
fn a_person_chose_a_picture_or_a_document() {
    says(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &["a PNG picture"]);
    says(b"\xff\xd8\xff\xe0\0\x10JFIF", &["JPEG"]);
    says(b"%PDF-1.7\n", &["PDF"]);
    says("# Model card\nUse it well.\n", &["a text"]);
    says("{\n \"hidden_size\": 64\n}", &["JSON", "folder"]);
    says([0; 4096], &["begins with zeros", "download"]);
    says("a\0b\0c\0d\0", &["UTF-16"]);
}

// Source: found in use: an empty file has no first bytes to tell it by.
#[test]
fn a_person_has_an_empty_file() {
    says([], &["empty", "download"]);
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

// Source: safetensors#278.
#[test]
fn a_person_opens_weights_with_a_number_in_their_metadata() {
    let header = "{\"__metadata__\":{\"step\":1200,\"format\":\"pt\",\"lr\":[0.1,null]},\
                  \"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    fs::write(&path, safetensors(header, &[0, 0, 128, 63, 0, 0, 0, 64])).unwrap();
    let tensor = Container::open(&path).unwrap().tensor("a").unwrap();
    assert_eq!(tensor.to_vec1::<f32>().unwrap(), [1.0, 2.0]);
}

// Source: safetensors#278: another copy of a file that was written wrong is no better.
#[test]
fn a_person_is_told_to_download_again_only_where_that_helps() {
    let one = |fields: &str| safetensors(&format!("{{\"a\":{{{fields}}}}}"), &[0; 8]);
    for written in [
        one("\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]"),
        one("\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]"),
        one("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]"),
    ] {
        let message = refused(&written);
        assert!(!message.contains("download") && message.contains("save"), "{message}");
    }
    let cut = one("\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]");
    let message = refused(&cut);
    assert!(
        message.contains("truncated") && message.contains("download the file again"),
        "{message}"
    );
}

// Source: found in use: a header as long as "PK" or gzip's first bytes say was taken for an archive.
#[test]
fn a_person_opens_weights_whose_header_has_an_unlucky_length() {
    for first in [*b"PK", [0x1f, 0x8b], [0x80, 0x02], *b"MZ"] {
        let length = usize::from(u16::from_le_bytes(first));
        let mut header =
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}".to_owned();
        assert!(header.len() < length);
        header.extend(std::iter::repeat_n(' ', length - header.len()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.bin");
        fs::write(&path, safetensors(&header, &[0, 0, 128, 63, 0, 0, 0, 64])).unwrap();
        assert_eq!(Container::open(&path).unwrap().entries().len(), 1);
    }
}

// Source: OmniParser#34: the shards of a model, and the image tokenizer beside it.
#[test]
fn a_person_has_pointers_in_place_of_shards_and_companions() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 1234567890\n";
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(golden("lumina/tiny")).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    let shard = folder.path().join("model-00002-of-00002.safetensors");
    assert!(shard.is_file());
    fs::write(&shard, pointer).unwrap();
    let refused = refusal(folder.path());
    assert!(refused.contains("Git LFS") && refused.ends_with("of-00002.safetensors"), "{refused}");

    let folder = tempfile::tempdir().unwrap();
    let mut request = simple_ar_request(simple_ar_with_cosmos_codes(folder.path()));
    let tokenizer = folder.path().join("decoder.jit");
    fs::write(&tokenizer, pointer).unwrap();
    request.tokenizer = Some(tokenizer);
    assert!(message(&request).contains("Git LFS"));
    // Found beside the model it is not said to be absent only.
    request.tokenizer = None;
    let message = message(&request);
    assert!(
        message.contains("decoder.jit was left out") && message.contains("Git LFS"),
        "{message}"
    );
}
