//! The pickle machine and the search for weights on any bytes: no panic, no run-away memory. The input
//! stands where a file of PyTorch's format of before version 1.6 has its weights.
#![no_main]

use libfuzzer_sys::fuzz_target;
use softcfg_studio::checkpoint::Container;

/// Pickles of the magic number, the protocol's version and an empty description of the machine.
const START: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.";
/// The pickle of an empty list of blocks.
const ORDER: &[u8] = b"\x80\x02].";

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("weights.pt");
    if std::fs::write(&path, [START, bytes, ORDER].concat()).is_ok() {
        let _ = Container::open(&path);
    }
});
