//! `bench --model` without what it does not time.

use crate::open_support::golden;
use crate::program::{refused, succeeds};
use std::fs;
use tempfile::tempdir;

// Source: found in use: the image tokenizer was asked for and never timed.
#[test]
fn a_person_measures_a_decoder_without_its_image_tokenizer() {
    let folder = tempdir().expect("a folder");
    let weights = folder.path().join("rar.bin");
    fs::copy(golden("rar/model/rar_tiny.bin"), &weights).expect("copied");
    let call = ["bench", "--quick", "--rounds", "1", "--model", "rar.bin"];
    let table = succeeds(folder.path(), &call);
    assert!(table.contains("CFG and SoftCFG") && table.contains("RAR"), "{table}");
    // Drawing needs it.
    let call = ["generate", "--model", "rar.bin", "--class", "1", "--out", "result"];
    let message = refused(folder.path(), &call, 2);
    assert!(message.contains("image tokenizer"), "{message}");
}
