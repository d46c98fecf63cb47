//! Every container of the golden data against the same weights as safetensors, bit for bit. The truth
//! is read by candle's own safetensors reader.

mod checkpoint_support;

use candle_core::{DType, Device, Tensor};
use checkpoint_support::golden;
use softcfg_studio::checkpoint::{Container, ContainerKind};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

type Truth = HashMap<String, Tensor>;

fn truth(path: &Path) -> Truth {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

/// The values' bits, so that NaN payloads and signed zeros count too.
fn bits(tensor: &Tensor) -> Vec<u64> {
    let flat = tensor.flatten_all().unwrap();
    match tensor.dtype() {
        DType::F32 => flat.to_vec1::<f32>().unwrap().iter().map(|x| x.to_bits().into()).collect(),
        DType::F16 => {
            flat.to_vec1::<half::f16>().unwrap().iter().map(|x| x.to_bits().into()).collect()
        }
        DType::BF16 => {
            flat.to_vec1::<half::bf16>().unwrap().iter().map(|x| x.to_bits().into()).collect()
        }
        DType::F64 => flat.to_vec1::<f64>().unwrap().iter().map(|x| x.to_bits()).collect(),
        other => panic!("no weight is of type {other:?}"),
    }
}

/// Compares every tensor of the truth, rounded to the container's number type.
fn assert_equal(container: &Container, truth: &Truth, what: &Path) {
    assert!(!truth.is_empty(), "the truth of {} is empty", what.display());
    let prefix = container
        .entries()
        .iter()
        .filter_map(|entry| {
            let prefix = entry.name.strip_suffix(truth.keys().min()?.as_str())?;
            truth
                .keys()
                .all(|name| container.entry(&format!("{prefix}{name}")).is_some())
                .then_some(prefix)
        })
        .next()
        .unwrap_or_else(|| panic!("{} lacks names of its truth", what.display()));
    for (name, expected) in truth {
        let found = container.tensor(&format!("{prefix}{name}")).unwrap();
        assert_eq!(found.dims(), expected.dims(), "{name} of {}", what.display());
        let expected = expected.to_dtype(found.dtype()).unwrap();
        assert!(bits(&found) == bits(&expected), "{name} of {} differs", what.display());
    }
}

fn folders(root: &Path, folders_found: &mut Vec<PathBuf>) {
    folders_found.push(root.to_path_buf());
    let mut entries: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for entry in entries.into_iter().filter(|entry| entry.is_dir()) {
        folders(&entry, folders_found);
    }
}

/// The folders of the kinds of cases that the project has; others may stand beside them.
fn all_folders() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for kind in std::fs::read_dir(checkpoint_support::own_golden()).unwrap() {
        let kind = golden().join(kind.unwrap().file_name());
        if kind.is_dir() {
            folders(&kind, &mut found);
        }
    }
    found
}

fn files_ending(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)))
        .collect();
    files.sort();
    files
}

/// In a folder of other cases some kinds may be absent, not all; in the repository's own, none.
fn assert_complete(found: &[PathBuf], known: &[&str]) {
    if std::env::var_os("SOFTCFG_GOLDEN").is_some() {
        let any = all_folders().iter().any(|f| !files_ending(f, &[".safetensors"]).is_empty());
        assert!(any, "{} holds no golden data", golden().display());
        return;
    }
    for name in known {
        let path = golden().join(name);
        assert!(found.contains(&path), "{name} was not compared");
    }
}

#[test]
fn every_container_of_the_index_equals_its_truth() {
    let mut compared = Vec::new();
    for folder in all_folders().iter().filter(|folder| folder.join("index.json").is_file()) {
        let index: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
        let weights = truth(&folder.join(index["truth"].as_str().unwrap()));
        let averages = truth(&folder.join(index["truth_ema"].as_str().unwrap()));
        let files = index["files"].as_object().unwrap();
        assert!(!files.is_empty());
        for (name, facts) in files {
            let path = folder.join(name);
            let container = Container::open(&path).unwrap();
            assert_eq!(container.weight_set(), facts["key"].as_str(), "{name}");
            assert_equal(&container, &weights, &path);
            let note = facts["note"].as_str().unwrap();
            if note.contains("key 'ema'") {
                assert_eq!(container.alternatives(), ["ema"]);
                let container = Container::open_weight_set(&path, Some("ema")).unwrap();
                assert_equal(&container, &averages, &path);
            }
            if note.contains("the same dict object") {
                let container = Container::open_weight_set(&path, Some("ema")).unwrap();
                assert_equal(&container, &weights, &path);
            }
            compared.push(path);
        }
    }
    assert_complete(
        &compared,
        &[
            "llamagen/containers/legacy_nonzip.pt",
            "llamagen/containers/protocol4.pt",
            "llamagen/containers/deflated.pt",
            "llamagen/containers/views_strided.pt",
            "llamagen/containers/train_full.pt",
            "llamagen/containers/model_bf16.pt",
        ],
    );
}

#[test]
fn files_of_every_family_equal_their_safetensors() {
    let mut compared = Vec::new();
    for folder in all_folders() {
        let weights = folder.join("weights.safetensors");
        if folder.join("index.json").is_file() || !weights.is_file() {
            continue;
        }
        for path in files_ending(&folder, &[".bin", ".pt", ".pth", ".ckpt"]) {
            let container = Container::open(&path).unwrap();
            assert_equal(&container, &truth(&weights), &path);
            compared.push(path);
        }
        let container = Container::open(&weights).unwrap();
        assert_eq!(container.kind(), ContainerKind::Safetensors);
        assert_equal(&container, &truth(&weights), &weights);
    }
    assert_complete(
        &compared,
        &[
            "alitok/model/alitok_tiny.bin",
            "alitok_tokenizer/AliTok_tiny.pth",
            "rar/model/rar_tiny.bin",
            "rar_tokenizer/maskgit_vqgan_tiny.bin",
            "llamagen/c2i_tiny/c2i_tiny.pt",
            "llamagen/t2i_tiny/t2i_tiny.pt",
            "llamagen/vq16_tiny/vq16_tiny.pt",
            "llamagen/vq8_tiny/vq8_tiny.pt",
        ],
    );
}

#[test]
fn flat_and_nested_ckpt_equal_their_truth() {
    let mut compared = Vec::new();
    for folder in
        all_folders().iter().filter(|f| f.join("container_expected.safetensors").is_file())
    {
        let weights = truth(&folder.join("container_expected.safetensors"));
        for path in files_ending(folder, &[".ckpt"]) {
            assert_equal(&Container::open(&path).unwrap(), &weights, &path);
            compared.push(path);
        }
    }
    assert_complete(
        &compared,
        &["lumina/movq/container_flat.ckpt", "lumina/movq/container_nested.ckpt"],
    );
}

#[test]
fn scripted_modules_give_every_parameter_and_no_integer_buffer() {
    let mut compared = Vec::new();
    for folder in all_folders() {
        for path in files_ending(&folder, &[".jit"]) {
            let container = Container::open(&path).unwrap();
            assert_eq!(container.kind(), ContainerKind::TorchScript);
            assert_equal(&container, &truth(&path.with_extension("expected.safetensors")), &path);
            assert!(container.entries().iter().all(|entry| entry.dtype.is_float()));
            compared.push(path);
        }
    }
    assert_complete(&compared, &["simplear/cosmos/jit_reader.jit"]);
}

#[test]
fn shards_with_an_index_are_one_container() {
    let mut compared = Vec::new();
    for folder in all_folders() {
        for index in files_ending(&folder, &[".index.json"]) {
            let mut all = Truth::new();
            let shards = files_ending(&folder, &[".safetensors"]);
            for shard in shards.iter().filter(|path| path.to_string_lossy().contains("-of-")) {
                all.extend(truth(shard));
                // Any of the shards opens the whole.
                assert_eq!(Container::open(shard).unwrap().kind(), ContainerKind::Sharded);
            }
            for path in [&index, &folder] {
                let container = Container::open(path).unwrap();
                assert_eq!(container.entries().len(), all.len());
                assert_equal(&container, &all, path);
            }
            compared.push(folder.clone());
        }
    }
    assert_complete(&compared, &["lumina/tiny", "lumina/tiny_wide"]);
}

#[test]
fn builder_widens_to_f32_and_refuses_other_shapes() {
    let path = golden().join("llamagen/containers/model_bf16.pt");
    let path = if path.is_file() {
        path
    } else {
        checkpoint_support::own_golden().join("llamagen/containers/model_bf16.pt")
    };
    let expected = Container::open(&path).unwrap().tensor("norm.weight").unwrap();
    let progress = std::sync::Arc::default();
    let builder =
        Container::open(&path).unwrap().into_var_builder(std::sync::Arc::clone(&progress));
    let found = builder.get(8, "norm.weight").unwrap();
    assert_eq!(found.dtype(), DType::F32);
    assert_eq!(bits(&found), bits(&expected.to_dtype(DType::F32).unwrap()));
    assert_eq!(progress.done(), 16);
    let error = builder.get(9, "norm.weight").unwrap_err().to_string();
    assert!(error.contains("norm.weight is [8], not [9]"), "{error}");
    let error = builder.get(8, "nothing").unwrap_err().to_string();
    assert!(error.contains("nothing is missing"), "{error}");
    progress.cancel();
    assert!(builder.get(8, "norm.weight").unwrap_err().to_string().contains("cancelled"));
}
