//! Damaged copies of real small files: whatever the damage, opening, identifying and reading end with
//! a value or an error, never with a panic, and never with more memory than the file's own size
//! explains.

mod checkpoint_support;

use checkpoint_support::{own_golden, pickle, zip_bytes};
use proptest::prelude::*;
use softcfg_studio::models::checkpoint::{Config, Container, guard_accepts, identify};
use std::sync::OnceLock;

/// Small files of every kind.
fn originals() -> &'static [Vec<u8>] {
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        [
            "llamagen/containers/flat.pt",
            "llamagen/containers/train_full.pt",
            "llamagen/containers/legacy_nonzip.pt",
            "llamagen/containers/protocol4.pt",
            "llamagen/containers/deflated.pt",
            "llamagen/containers/views_strided.pt",
            "llamagen/containers/weights.safetensors",
            "lumina/movq/container_nested.ckpt",
            "simplear/cosmos/jit_reader.jit",
            "rar/model/rar_tiny.bin",
        ]
        .map(|name| std::fs::read(own_golden().join(name)).unwrap())
        .to_vec()
    })
}

/// Opens, identifies and reads everything that the header promises.
fn exercise(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = checkpoint_support::write(folder.path(), "weights.bin", bytes);
    let Ok(container) = Container::open(&path) else { return };
    let config = Config::from_json(serde_json::json!({ "n_head": 2, "num_attention_heads": 3 }));
    for entry in container.entries() {
        // The guard's promise: nothing is larger than the file, but for what deflate may gain.
        assert!(entry.bytes() <= bytes.len() as u64 * 100);
        let _ = container.tensor(&entry.name);
    }
    if let Ok(identified) = identify(&container, &config) {
        assert!(!identified.summary().is_empty());
    }
}

/// The pickle inside an archive, found by its own markers.
fn inner_pickle(archive: &[u8]) -> Vec<u8> {
    let start = archive.windows(2).position(|window| window == b"\x80\x02").unwrap();
    let end = archive
        .windows(8)
        .skip(start)
        .position(|window| window.starts_with(b".PK"))
        .unwrap_or(2000);
    archive[start..(start + end + 1).min(archive.len())].to_vec()
}

#[test]
fn the_originals_are_read() {
    for bytes in originals() {
        let folder = tempfile::tempdir().unwrap();
        let path = checkpoint_support::write(folder.path(), "weights.bin", bytes);
        let container = Container::open(&path).unwrap();
        assert!(container.entries().iter().all(|entry| container.tensor(&entry.name).is_ok()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bytes(which in 0..10usize, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12)) {
        let mut bytes = originals()[which].clone();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        exercise(&bytes);
    }

    #[test]
    fn flipped_bytes_of_the_header(flips in prop::collection::vec((0..1200usize, any::<u8>()), 1..6), which in 0..10usize) {
        let mut bytes = originals()[which].clone();
        for (at, value) in flips {
            let at = at.min(bytes.len() - 1);
            bytes[at] = value;
        }
        exercise(&bytes);
    }

    #[test]
    fn truncated(which in 0..10usize, at in any::<prop::sample::Index>()) {
        let bytes = &originals()[which];
        exercise(&bytes[..at.index(bytes.len())]);
    }

    #[test]
    fn spliced(which in 0..10usize, from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), length in 1..200usize) {
        let mut bytes = originals()[which].clone();
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let piece = bytes[from..(from + length).min(bytes.len())].to_vec();
        bytes.splice(to..to, piece);
        exercise(&bytes);
    }

    #[test]
    fn mutated_pickles_in_sound_archives(which in 0..2usize, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut inner = inner_pickle(&originals()[which]);
        for (at, value) in flips {
            let at = at.index(inner.len());
            inner[at] = value;
        }
        let blocks = (0..11).map(|i| checkpoint_support::member(&format!("a/data/{i}"), vec![0; 768]));
        let members: Vec<_> = std::iter::once(checkpoint_support::member("a/data.pkl", inner)).chain(blocks).collect();
        exercise(&zip_bytes(&members));
    }

    #[test]
    fn programs_of_random_operations(body in prop::collection::vec(prop::sample::select(&b"(0N2K\x01tRQ}]us\x85\x86\x87q\x00h)ba\x93\x81e"[..]), 0..400)) {
        guard_accepts(&pickle(body));
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        guard_accepts(&bytes);
        exercise(&bytes);
    }

    #[test]
    fn random_safetensors_headers(header in "\\{(\"[ab]\":\\{\"dtype\":\"(F32|BF16|X)\",\"shape\":\\[[0-9]{1,20}(,[0-9]{1,9})?\\],\"data_offsets\":\\[[0-9]{1,2},[0-9]{1,20}\\]\\},?){1,3}\\}") {
        exercise(&checkpoint_support::safetensors_bytes(&header, &[0; 40]));
    }
}
