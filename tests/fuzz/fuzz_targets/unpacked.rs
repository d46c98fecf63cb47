//! Any bytes as the data.pkl of an unpacked PyTorch archive with one block of numbers: opened, and every
//! tensor that is listed read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use softcfg_studio::checkpoint::Container;

fuzz_target!(|bytes: &[u8]| {
    let Ok(folder) = tempfile::tempdir() else { return };
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).is_ok();
    let made = std::fs::create_dir(folder.path().join("data")).is_ok();
    if !made || !write("data.pkl", bytes) || !write("data/0", &[0; 16]) {
        return;
    }
    let Ok(container) = Container::open(folder.path()) else { return };
    for entry in container.entries() {
        assert!(entry.bytes() <= 16);
        let _ = container.tensor(&entry.name);
    }
});
