//! Damaged copies of real small files: whatever the damage, opening, identifying and reading end with
//! a value or an error, never with a panic, and never with more memory than the file's own size
//! explains.

mod checkpoint_support;

use checkpoint_support::{own_golden, pickle, torch_bytes, zip_bytes};
use proptest::prelude::*;
use softcfg_studio::checkpoint::Container;
use softcfg_studio::checkpoint::folder::ModelFolder;
use softcfg_studio::checkpoint::folder_config::FolderConfig;
use softcfg_studio::opening::identify::identify;
use softcfg_studio::opening::memory;
use softcfg_studio::opening::memory::RunSize;
use std::path::Path;
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
    let config = serde_json::json!({ "n_head": 2, "num_attention_heads": 3 });
    let config = written_config(folder.path(), &config);
    for entry in container.entries() {
        // The guard's promise: nothing is larger than the file, but for what deflate may gain.
        assert!(entry.bytes() <= bytes.len() as u64 * 100);
        let _ = container.tensor(&entry.name);
    }
    if let Ok(identified) = identify(&container, &config) {
        assert!(!identified.summary().is_empty());
    }
}

/// A `config.json` in a folder, read back.
fn written_config(folder: &Path, config: &serde_json::Value) -> FolderConfig {
    checkpoint_support::write(folder, "config.json", config.to_string().as_bytes());
    FolderConfig::of(&ModelFolder::Disk(folder.into())).unwrap_or_default()
}

type Manifest = Vec<(String, Vec<usize>)>;

/// Names and shapes of the miniatures of every family.
fn manifests() -> &'static [Manifest] {
    static MANIFESTS: OnceLock<Vec<Manifest>> = OnceLock::new();
    MANIFESTS.get_or_init(|| {
        [
            "alitok/model/weights.safetensors",
            "alitok_tokenizer/weights.safetensors",
            "rar/model/weights.safetensors",
            "rar_tokenizer/weights.safetensors",
            "llamagen/c2i_tiny/weights.safetensors",
            "llamagen/t2i_tiny/weights.safetensors",
            "llamagen/vq16_tiny/weights.safetensors",
            "llamagen/t5_tiny/weights.safetensors",
            "simplear/tiny_untied",
            "simplear/cosmos/tiny_decoder.safetensors",
            "lumina/tiny",
            "lumina/movq/decoder.safetensors",
        ]
        .map(|name| {
            let container = Container::open(&own_golden().join(name)).unwrap();
            let entries = container.entries().iter();
            entries.map(|entry| (entry.name.clone(), entry.shape.clone())).collect()
        })
        .to_vec()
    })
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

/// What people really had: the fault classes of checkpoint files.
#[test]
fn every_seed_of_the_fuzz_targets_ends_with_a_value() {
    let seeds = |target: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>()
    };
    seeds("container").iter().for_each(|bytes| exercise(bytes));
    let (mut accepted, mut refused) = (0, 0);
    for bytes in seeds("identification") {
        let mut parts = bytes.splitn(2, |&byte| byte == 0);
        let (header, config) = (parts.next().unwrap(), parts.next().unwrap());
        let header: serde_json::Value = serde_json::from_slice(header).unwrap();
        let ends = header.as_object().unwrap().values();
        let ends = ends.filter_map(|tensor| tensor.get("data_offsets")?.get(1)?.as_u64());
        let data = vec![1; ends.max().unwrap_or_default() as usize];
        let file = checkpoint_support::safetensors_bytes(&header.to_string(), &data);
        let folder = tempfile::tempdir().unwrap();
        let path = checkpoint_support::write(folder.path(), "weights.safetensors", &file);
        checkpoint_support::write(folder.path(), "config.json", config);
        let container = Container::open(&path).unwrap();
        let config = FolderConfig::of(&ModelFolder::Disk(folder.path().into()));
        match config.and_then(|config| identify(&container, &config)) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > 2 && refused > 2, "{accepted} accepted, {refused} refused");
}

/// A few seconds by default; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

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
        exercise(&torch_bytes(&pickle(body), &[]));
    }

    #[test]
    fn identification_of_strange_shapes(
        which in 0..12usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4usize, prop::sample::select(&[0usize, 1, 2, 3, 7, 64, 96, 1 << 20, i32::MAX as usize][..])), 0..6),
        removed in prop::option::of(any::<prop::sample::Index>()),
        heads in prop::option::of(prop::sample::select(&[0u64, 1, 2, 3, 5, 64, 1 << 31, u64::MAX][..])),
    ) {
        let mut tensors = manifests()[which].clone();
        for (at, axis, dimension) in edits {
            let at = at.index(tensors.len());
            if let Some(entry) = tensors[at].1.get_mut(axis) {
                *entry = dimension;
            }
        }
        if let Some(removed) = removed {
            let removed = removed.index(tensors.len());
            tensors.remove(removed);
        }
        // Beyond this no file system holds the sparse file.
        let total: u128 = tensors.iter().map(|(_, s)| s.iter().map(|&n| n as u128).product::<u128>()).sum();
        prop_assume!(total < 1 << 40);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        checkpoint_support::sparse_safetensors(&path, "F32", 4, &tensors);
        let container = Container::open(&path).unwrap();
        let config = serde_json::json!({
            "n_head": heads, "num_attention_heads": heads, "head_dim": heads, "hidden_size": 64,
            "intermediate_size": 96, "num_hidden_layers": 3, "vocab_size": 208, "rope_theta": 1e4,
            "max_position_embeddings": 320, "rms_norm_eps": 1e-6, "hidden_act": "silu",
        });
        let config = written_config(folder.path(), &config);
        if let Ok(found) = identify(&container, &config) {
            let plan = memory::plan(&found, None, None, RunSize { rows: 8, positions: 9000 }, Some(1 << 30));
            prop_assert_eq!(plan.choices.len(), 3);
            prop_assert!(found.needed_bytes <= std::fs::metadata(&path).unwrap().len());
        }
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        exercise(&torch_bytes(&bytes, &[]));
        exercise(&bytes);
    }

    #[test]
    fn random_safetensors_headers(header in "\\{(\"[ab]\":\\{\"dtype\":\"(F32|BF16|X)\",\"shape\":\\[[0-9]{1,20}(,[0-9]{1,9})?\\],\"data_offsets\":\\[[0-9]{1,2},[0-9]{1,20}\\]\\},?){1,3}\\}") {
        exercise(&checkpoint_support::safetensors_bytes(&header, &[0; 40]));
    }
}
