//! Builders of small weight files, right and wrong ones, written here byte by byte so that the tests
//! share no code with the readers they test.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod published;

use std::io::Write;
use std::path::{Path, PathBuf};

/// Folder of the golden data.
pub fn golden() -> PathBuf {
    match std::env::var_os("SOFTCFG_GOLDEN") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden"),
    }
}

/// The golden data of this repository, for tests of names and pairs that a foreign folder lacks.
pub fn own_golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A safetensors file: header as given, then the data.
pub fn safetensors_bytes(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// A safetensors file with the right header for these tensors and a hole of zeros as data: it takes
/// no room on the disk, so that files of published sizes can be made.
pub fn sparse_safetensors(path: &Path, dtype: &str, size: u64, tensors: &[(String, Vec<usize>)]) {
    let mut offset = 0;
    let mut fields = Vec::new();
    for (name, shape) in tensors {
        let end = offset + shape.iter().map(|&n| n as u64).product::<u64>() * size;
        fields.push(format!(
            "{name:?}:{{\"dtype\":\"{dtype}\",\"shape\":{shape:?},\"data_offsets\":[{offset},{end}]}}"
        ));
        offset = end;
    }
    let header = format!("{{{}}}", fields.join(","));
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + offset).unwrap();
}

/// A member of a zip archive.
pub struct Member {
    pub name: String,
    pub bytes: Vec<u8>,
    pub deflated: bool,
    /// Unpacked length that the directory claims; the true one if `None`.
    pub claimed: Option<u32>,
}

pub fn member(name: &str, bytes: impl Into<Vec<u8>>) -> Member {
    Member { name: name.into(), bytes: bytes.into(), deflated: false, claimed: None }
}

/// A zip archive as PyTorch writes it.
pub fn zip_bytes(members: &[Member]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let packed = if member.deflated { deflate(&member.bytes) } else { member.bytes.clone() };
        let method: u16 = if member.deflated { 8 } else { 0 };
        let length = member.claimed.unwrap_or(member.bytes.len() as u32);
        let start = archive.len() as u32;
        let mut common = Vec::new();
        common.extend(20u16.to_le_bytes());
        common.extend(0u16.to_le_bytes());
        common.extend(method.to_le_bytes());
        common.extend([0; 8]);
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend(length.to_le_bytes());
        common.extend((member.name.len() as u16).to_le_bytes());
        common.extend(0u16.to_le_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&common);
        archive.extend(member.name.as_bytes());
        archive.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let start = archive.len() as u32;
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend((members.len() as u16).to_le_bytes());
    archive.extend((members.len() as u16).to_le_bytes());
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend(0u16.to_le_bytes());
    archive
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An archive of one pickle and its blocks of numbers `data/0`, `data/1`, ….
pub fn torch_bytes(pickle: &[u8], blocks: &[&[u8]]) -> Vec<u8> {
    let mut members = vec![member("archive/data.pkl", pickle)];
    for (index, block) in blocks.iter().enumerate() {
        members.push(member(&format!("archive/data/{index}"), *block));
    }
    members.push(member("archive/version", *b"3\n"));
    zip_bytes(&members)
}

// Pieces of pickles.

pub fn pickle(body: Vec<u8>) -> Vec<u8> {
    [b"\x80\x02".to_vec(), body, b".".to_vec()].concat()
}

pub fn text(text: &str) -> Vec<u8> {
    [b"X".to_vec(), (text.len() as u32).to_le_bytes().to_vec(), text.as_bytes().to_vec()].concat()
}

pub fn int(value: i32) -> Vec<u8> {
    [b"J".to_vec(), value.to_le_bytes().to_vec()].concat()
}

pub fn long(value: i64) -> Vec<u8> {
    [b"\x8a\x08".to_vec(), value.to_le_bytes().to_vec()].concat()
}

pub fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(".to_vec(), items.concat(), b"t".to_vec()].concat()
}

pub fn call(callable: Vec<u8>, arguments: &[Vec<u8>]) -> Vec<u8> {
    [callable, tuple(arguments), b"R".to_vec()].concat()
}

pub fn dict(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<u8> = pairs.iter().flat_map(|(k, v)| [text(k), v.clone()].concat()).collect();
    [b"}(".to_vec(), pairs, b"u".to_vec()].concat()
}

pub fn storage(class: &str, key: &str, count: i64) -> Vec<u8> {
    let fields = [text("storage"), global("torch", class), text(key), text("cpu"), long(count)];
    [tuple(&fields), b"Q".to_vec()].concat()
}

pub fn tensor(storage: Vec<u8>, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let longs = |values: &[i64]| tuple(&values.iter().map(|&v| long(v)).collect::<Vec<_>>());
    let hooks = call(global("collections", "OrderedDict"), &[]);
    let arguments = [storage, long(offset), longs(shape), longs(strides), b"\x89".to_vec(), hooks];
    call(global("torch._utils", "_rebuild_tensor_v2"), &arguments)
}

pub fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Writes `bytes` as `name` in `folder`.
pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}
