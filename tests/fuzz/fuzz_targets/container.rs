//! Any bytes as a weight file: opened, and every tensor that is listed read. Seed the corpus with
//! tests/golden/llamagen/containers and tests/golden/simplear/cosmos/jit_reader.jit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use softcfg_studio::checkpoint::Container;

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let path = folder.path().join("weights.pt");
    if std::fs::write(&path, bytes).is_err() {
        return;
    }
    let Ok(container) = Container::open(&path) else { return };
    for entry in container.entries() {
        assert!(entry.bytes() <= bytes.len() as u64 * 100);
        let _ = container.tensor(&entry.name);
    }
});
