//! Files that lie, end early, want to run something or are of another kind: each gives an error that
//! says what to do and names the path, and none panics or reserves what it claims.

#[path = "../checkpoint_support/mod.rs"]
mod checkpoint_support;
#[cfg(unix)]
mod permissions;
mod pickles;
mod shards;

use checkpoint_support::*;
use pickles::refused_pickle;
use softcfg_studio::checkpoint::folder_config::FolderConfig;
use softcfg_studio::checkpoint::{CheckpointError, Container, LoadProgress};
use softcfg_studio::opening::identify::identify;
use softcfg_studio::opening::inspect::{InspectOptions, inspect};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The error of opening `bytes` as `name`, whose message has to end with the path and to advise.
fn refused(name: &str, bytes: &[u8]) -> CheckpointError {
    let folder = folder();
    let path = write(folder.path(), name, bytes);
    let error = Container::open(&path).expect_err(name);
    assert_advises(&error, &path);
    error
}

fn assert_advises(error: &CheckpointError, path: &Path) {
    let message = error.to_string();
    assert!(message.ends_with(&path.display().to_string()), "the path is not last: {message}");
    assert!(message.contains(';'), "it does not say what to do: {message}");
}

fn assert_says(error: &CheckpointError, part: &str) {
    let message = error.to_string();
    assert!(message.contains(part), "\"{part}\" is not in: {message}");
}

fn header(offsets: &str) -> String {
    format!("{{\"a\":{{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{offsets}}}}}")
}

#[test]
fn good_files_of_the_builders_open() {
    let folder = folder();
    let path = write(folder.path(), "a.safetensors", &safetensors_bytes(&header("[0,8]"), &[0; 8]));
    assert_eq!(Container::open(&path).unwrap().entries().len(), 1);
    let body = dict(&[("a", tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]))]);
    let path = write(folder.path(), "a.pt", &torch_bytes(&pickle(body), &[&floats(&[1.0, 2.0])]));
    let container = Container::open(&path).unwrap();
    assert_eq!(container.tensor("a").unwrap().to_vec1::<f32>().unwrap(), [1.0, 2.0]);
}

#[test]
fn empty_truncated_and_foreign_files() {
    assert_says(&refused("a.safetensors", b""), "empty");
    assert_says(&refused("a.safetensors", b"ab\xff"), "not a weight file");
    let whole = safetensors_bytes(&header("[0,8]"), &[0; 8]);
    for length in 1..whole.len() {
        refused("a.safetensors", &whole[..length]);
    }
    let body = dict(&[("a", tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]))]);
    let whole = torch_bytes(&pickle(body), &[&floats(&[1.0, 2.0])]);
    for length in (4..whole.len()).step_by(7) {
        assert_says(&refused("a.pt", &whole[..length]), "truncated");
    }
    assert_says(&refused("a.pt", b"<!doctype html><p>sign in</p>"), "web page");
    assert_says(&refused("a.bin", b"version https://git-lfs.github.com/spec/v1"), "Git LFS");
    assert_says(&refused("a.bin", b"GGUF\x03\0\0\0"), "GGUF");
    assert_says(&refused("a.pt", b"\x80\x02}."), "bare pickle");
    assert_says(&refused("a.pt", &zip_bytes(&[member("word/document.xml", *b"x")])), "data.pkl");
    assert_says(&refused("a.pt", b"just text"), "a text");
}

#[test]
fn lying_safetensors_headers() {
    let with_length = |length: u64| [&length.to_le_bytes()[..], b"{}      "].concat();
    for length in [u64::MAX, 1 << 40, 9] {
        assert_says(&refused("a.safetensors", &with_length(length)), "it claims");
    }
    let two = |first: &str, second: &str| {
        format!(
            "{{\"a\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{first}}},\
             \"b\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":{second}}}}}"
        )
    };
    let one = |fields: &str| format!("{{\"a\":{{{fields}}}}}");
    let cases = [
        (two("[0,4]", "[2,6]"), "overlap"),
        (two("[0,4]", "[6,10]"), "hole"),
        (header("[0,4]"), "does not take"),
        (header("[0,800]"), "truncated"),
        (header("[8,0]"), "hole"),
        (header("[0,18446744073709551615]"), "truncated"),
        (
            one("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]"),
            "larger",
        ),
        (
            one(
                "\"dtype\":\"F32\",\"shape\":[2000000000,2000000000,2000000000],\"data_offsets\":[0,0]",
            ),
            "multiply",
        ),
        (
            one("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"),
            "dimensions",
        ),
        (one("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]"), "invalid value"),
        (one("\"dtype\":\"F32\",\"shape\":[1]"), "missing field"),
        ("{\"a\":1}".into(), "invalid type"),
        ("[]".into(), "invalid type"),
        ("{\"a\":".into(), "EOF"),
        (format!("{{\"a\":{}", "[".repeat(100_000)), "invalid type"),
        (
            header("[0,8]").replacen(
                '}',
                "},\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,8]}",
                1,
            ),
            "twice",
        ),
    ];
    for (header, part) in cases {
        // The looks-like test wants a brace; files named .safetensors are read as such anyway.
        assert_says(&refused("a.safetensors", &safetensors_bytes(&header, &[0; 8])), part);
    }
    assert_says(
        &refused("a.safetensors", &safetensors_bytes(&header("[0,8]"), &[0; 9])),
        "belong to none",
    );
    let mut bytes = safetensors_bytes(&header("[0,8]"), &[0; 8]);
    bytes[10] = 0xff;
    assert_says(&refused("a.safetensors", &bytes), "UTF-8");
    assert!(matches!(
        refused("a.safetensors", &safetensors_bytes("{}", &[])),
        CheckpointError::NoTensors { .. }
    ));
}

#[test]
fn bombs_and_damaged_archives() {
    let deflated = |bytes: Vec<u8>, claimed| Member {
        name: "archive/data.pkl".into(),
        bytes,
        deflated: true,
        claimed,
    };
    let bomb = zip_bytes(&[deflated(vec![0; 30 << 20], None)]);
    assert!(bomb.len() < 100_000);
    assert_says(&refused("a.pt", &bomb), "times its size");
    // A directory that understates what comes out, and one that overstates it.
    for claimed in [10, 100] {
        let archive = zip_bytes(&[deflated(pickle(dict(&[("abcdefgh", int(1))])), Some(claimed))]);
        assert_says(&refused("a.pt", &archive), "damaged");
    }
    let huge = Member { claimed: Some(u32::MAX - 1), ..member("archive/data.pkl", *b"x") };
    assert_says(&refused("a.pt", &zip_bytes(&[huge])), "two lengths");
    let twice = [member("archive/data.pkl", *b"N."), member("archive/data.pkl", *b"N.")];
    assert_says(&refused("a.pt", &zip_bytes(&twice)), "twice");
    let mut encrypted = zip_bytes(&[member("archive/data.pkl", *b"N.")]);
    let directory = encrypted.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    encrypted[directory + 8] = 1;
    assert_says(&refused("a.pt", &encrypted), "encrypted");
    let big = zip_bytes(&[
        member("archive/data.pkl", pickle(dict(&[]))),
        member("archive/byteorder", *b"big"),
    ]);
    assert_says(&refused("a.pt", &big), "big-endian");
}

#[test]
fn files_without_weights() {
    for body in [
        dict(&[]),
        dict(&[("epoch", int(3)), ("optimizer", dict(&[]))]),
        int(1),
        b"N".to_vec(),
        b"]".to_vec(),
    ] {
        assert!(matches!(refused_pickle(body), CheckpointError::NoTensors { .. }));
    }
    let folder = folder();
    let body = dict(&[("a", tensor(storage("FloatStorage", "0", 2), 0, &[2], &[1]))]);
    let path = write(folder.path(), "a.pt", &torch_bytes(&pickle(body), &[&floats(&[1.0, 2.0])]));
    let error = Container::open_weight_set(&path, Some("ema")).unwrap_err();
    assert_says(&error, "there is no entry \"ema\"");
}

#[test]
fn unsupported_number_types_are_named() {
    let folder = folder();
    let header = "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}";
    let path = write(folder.path(), "a.safetensors", &safetensors_bytes(header, &[0; 8]));
    let container = Container::open(&path).unwrap();
    let error = container.tensor("a").unwrap_err();
    assert!(matches!(error, CheckpointError::UnsupportedType { .. }));
    assert_says(&error, "F8_E4M3");
    assert_advises(&error, &path);
    let body = dict(&[(
        "tok_embeddings.weight",
        tensor(storage("ComplexFloatStorage", "0", 1), 0, &[1], &[1]),
    )]);
    let path = write(folder.path(), "a.pt", &torch_bytes(&pickle(body), &[&[0; 8]]));
    let error = Container::open(&path).unwrap().tensor("tok_embeddings.weight").unwrap_err();
    assert_says(&error, "ComplexFloat");
}

#[test]
fn not_a_number_names_the_tensor() {
    let folder = folder();
    for (bad, index) in [(f32::NAN, 1), (f32::INFINITY, 0), (f32::NEG_INFINITY, 1)] {
        let mut values = [1.0, 1.0];
        values[index] = bad;
        let bytes = safetensors_bytes(&header("[0,8]"), &floats(&values));
        let path = write(folder.path(), "a.safetensors", &bytes);
        match Container::open(&path).unwrap().tensor("a").unwrap_err() {
            CheckpointError::NotFinite { tensor, count, first, .. } => {
                assert_eq!((tensor.as_str(), count, first), ("a", 1, index as u64));
            }
            other => panic!("{other}"),
        }
    }
    // A double that is finite and too large for f32 becomes infinite on the way.
    let header = "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}";
    let path =
        write(folder.path(), "b.safetensors", &safetensors_bytes(header, &1e300f64.to_le_bytes()));
    let container = Container::open(&path).unwrap();
    assert!(container.tensor("a").is_ok());
    let widened = container.tensor_as("a", Some(candle_core::DType::F32), &LoadProgress::default());
    assert!(matches!(widened.unwrap_err(), CheckpointError::NotFinite { .. }));
}

#[test]
fn a_file_that_changes_or_disappears() {
    let folder = folder();
    let bytes = safetensors_bytes(&header("[0,8]"), &floats(&[1.0, 2.0]));
    let path = write(folder.path(), "a.safetensors", &bytes);
    let container = Container::open(&path).unwrap();
    assert!(container.tensor("a").is_ok());
    // Another program writes; the clock may be too coarse to tell, so the time is set.
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let error = container.tensor("a").unwrap_err();
    assert!(matches!(error, CheckpointError::Changed { .. }), "{error}");
    assert_advises(&error, &path);

    let container = Container::open(&path).unwrap();
    file.set_len(bytes.len() as u64 - 4).unwrap();
    assert!(matches!(container.tensor("a").unwrap_err(), CheckpointError::Changed { .. }));

    let path = write(folder.path(), "b.safetensors", &bytes);
    let container = Container::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    // An open file outlives its name on Unix; elsewhere an error is as good. Neither is a crash.
    match container.tensor("a") {
        Ok(tensor) => assert_eq!(tensor.to_vec1::<f32>().unwrap(), [1.0, 2.0]),
        Err(error) => {
            assert!(matches!(error, CheckpointError::Read { .. } | CheckpointError::Changed { .. }))
        }
    }
    let error = Container::open(&path).unwrap_err();
    assert!(
        matches!(&error, CheckpointError::Read { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
    );
    assert_advises_read(&error, &path);
}

fn assert_advises_read(error: &CheckpointError, path: &Path) {
    assert_says(error, "check that it exists and that you may read it");
    assert_advises(error, path);
}

#[test]
fn folders_without_weights() {
    let folder = folder();
    let error = Container::open(folder.path()).unwrap_err();
    assert_says(&error, "holds no weight files");
    assert_advises(&error, folder.path());
    assert_says(&Container::open(&folder.path().join("nothing")).unwrap_err(), "cannot read");
}

#[cfg(unix)]
#[test]
fn paths_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    let strange = folder.path().join(std::ffi::OsStr::from_bytes(b"gewichte-\xff\xfe"));
    fs::create_dir(&strange).unwrap();
    let path = strange.join(std::ffi::OsStr::from_bytes(b"\xe4.safetensors"));
    fs::write(&path, safetensors_bytes(&header("[0,8]"), &floats(&[1.0, 2.0]))).unwrap();
    for chosen in [&path, &strange] {
        assert!(Container::open(chosen).unwrap().tensor("a").is_ok());
    }
    let error = inspect(&[path], &InspectOptions::default()).unwrap_err();
    assert!(matches!(error, CheckpointError::Unknown { .. }), "{error}");
}

#[test]
fn almost_a_model_names_the_family_and_three_mismatches() {
    let folder = folder();
    let tensors: Vec<(String, Vec<usize>)> = [
        ("embeddings.weight", vec![108, 64]),
        ("output.weight", vec![96, 64]),
        ("output.bias", vec![96]),
        ("norm.weight", vec![63]),
        ("blocks.0.norm1.weight", vec![64]),
        ("blocks.0.norm2.weight", vec![64]),
        ("blocks.0.attn.q_norm.weight", vec![16]),
        ("blocks.0.attn.qkv.weight", vec![192, 64]),
        ("blocks.0.mlp.w1.weight", vec![256, 64]),
        ("blocks.0.mlp.w2.weight", vec![64, 256]),
        ("blocks.0.mlp.w3.weight", vec![256, 63]),
    ]
    .map(|(name, shape)| (name.to_owned(), shape))
    .to_vec();
    let path = folder.path().join("a.safetensors");
    sparse_safetensors(&path, "F32", 4, &tensors);
    let error = identify(&Container::open(&path).unwrap(), &FolderConfig::default()).unwrap_err();
    assert_says(&error, "most like AliTok");
    assert_says(&error, "blocks.0.attn.qkv.bias is missing");
    assert_says(&error, "and 3 more");
    assert_advises(&error, &path);
    sparse_safetensors(&path, "F32", 4, &[("fc.weight".into(), vec![4, 4])]);
    let error = identify(&Container::open(&path).unwrap(), &FolderConfig::default()).unwrap_err();
    assert_says(&error, "none of the models");
    // Zero, tiny and huge dimensions in the tensors that sizes are read off.
    for dimension in [0, 1, i32::MAX as usize] {
        let strange: Vec<_> = tensors
            .iter()
            .map(|(name, shape)| {
                let mut shape = shape.clone();
                shape[0] = dimension;
                if let Some(last) = shape.get_mut(1) {
                    *last = 0;
                }
                (name.clone(), if shape.len() == 1 && dimension > 1 { vec![0] } else { shape })
            })
            .collect();
        sparse_safetensors(&path, "F32", 4, &strange);
        assert!(identify(&Container::open(&path).unwrap(), &FolderConfig::default()).is_err());
    }
}
