//! Archives that somebody unpacked, names that a browser changed, and the folders that the authors'
//! instructions name.

use crate::checkpoint_support::{dict, member, pickle, write, zip_bytes};
use crate::open_support::{caption_model, decode, golden, open_with};
use crate::program;
use crate::training_files::state_dict;
use softcfg_studio::checkpoint::Container;
use softcfg_studio::models::card::Model;
use softcfg_studio::opening::inspect::{InspectOptions, Inspection, inspect};
use softcfg_studio::opening::request::OpenRequest;
use softcfg_studio::prompts::condition::Condition;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const CLASS_MODEL: &str = "llamagen/c2i_tiny";
const IMAGE_TOKENIZER: &str = "llamagen/vq16_tiny";

/// A miniature as an archive of PyTorch that was unpacked to `folder`.
fn unpacked(miniature: &str, folder: &Path) {
    let (weights, blocks) = state_dict(&golden(miniature).join("weights.safetensors"));
    fs::create_dir_all(folder.join("data")).unwrap();
    write(folder, "data.pkl", &pickle(dict(&[("model", weights)])));
    write(folder, "version", b"3\n");
    write(folder, "byteorder", b"little");
    for (index, block) in blocks.iter().enumerate() {
        fs::write(folder.join("data").join(index.to_string()), block).unwrap();
    }
}

/// An empty folder with the configuration that the class model's file needs beside it.
fn folder_for_class_model() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(CLASS_MODEL).join("config.json"), folder.path().join("config.json")).unwrap();
    folder
}

fn opened(decoder: PathBuf, tokenizer: Option<PathBuf>) -> Model {
    let request = OpenRequest { tokenizer, ..OpenRequest::new([decoder]) };
    open_with(&request).unwrap_or_else(|error| panic!("{error}"))
}

fn drawn(model: &Model) -> Vec<Option<u32>> {
    decode(model, &Condition::Class(3)).tokens(1, model.card.layout.len())
}

fn looked_at(path: PathBuf) -> Inspection {
    inspect(&[path], &InspectOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

// Source: Transformer-M#5
#[test]
fn a_person_opens_a_model_whose_archive_the_system_unpacked() {
    let plain = opened(
        golden("llamagen/c2i_tiny/c2i_tiny.pt"),
        Some(golden("llamagen/vq16_tiny/vq16_tiny.pt")),
    );
    let plain = drawn(&plain);
    let folder = folder_for_class_model();
    let archive = folder.path().join("c2i_tiny");
    unpacked(CLASS_MODEL, &archive);
    // The image tokenizer, too, with the folder that an archive keeps its files in.
    let tokenizer = folder.path().join("vq16_tiny");
    unpacked(IMAGE_TOKENIZER, &tokenizer.join("archive"));
    fs::copy(golden(IMAGE_TOKENIZER).join("config.json"), tokenizer.join("config.json")).unwrap();
    for chosen in [archive.clone(), archive.join("data.pkl")] {
        let model = opened(chosen, Some(tokenizer.clone()));
        assert_eq!(drawn(&model), plain);
        assert_eq!(model.card.identity.sha256.len(), 64);
    }
    // Found beside the model by its contents, with its configuration inside it.
    let beside = folder.path().join("vq");
    unpacked(IMAGE_TOKENIZER, &beside);
    fs::copy(golden(IMAGE_TOKENIZER).join("config.json"), beside.join("config.json")).unwrap();
    fs::remove_dir_all(tokenizer).unwrap();
    assert_eq!(drawn(&opened(archive, None)), plain);
}

// Source: Transformer-M#5
#[test]
fn an_unpacked_archive_that_lost_or_changed_files_is_refused() {
    let folder = folder_for_class_model();
    let archive = folder.path().join("c2i_tiny");
    unpacked(CLASS_MODEL, &archive);
    let container = Container::open(&archive).unwrap();
    let name = container.entries()[0].name.clone();
    assert!(container.tensor(&name).is_ok());
    let blocks: Vec<PathBuf> =
        fs::read_dir(archive.join("data")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let spoil = |change: &dyn Fn(&Path)| {
        blocks.iter().for_each(|block| change(block));
        Container::open(&archive).err().map(|error| error.to_string())
    };
    let message = spoil(&|block| fs::write(block, [0; 3]).unwrap()).unwrap();
    assert!(
        message.contains("where 3 bytes are stored") && message.ends_with("c2i_tiny"),
        "{message}"
    );
    let error = container.tensor(&name).unwrap_err().to_string();
    assert!(error.contains("changed while it was being read"), "{error}");
    let message = spoil(&|block| fs::remove_file(block).unwrap()).unwrap();
    assert!(message.contains("the numbers of") && message.contains("missing"), "{message}");
    write(&archive, "byteorder", b"big");
    assert!(Container::open(&archive).unwrap_err().to_string().contains("big-endian"));
}

// Source: found in use; the folder that LlamaGen's own instructions name
#[test]
fn a_person_keeps_t5_where_llamagen_says() {
    for (model, encoder) in [
        ("pretrained_models", "pretrained_models/t5-ckpt/flan-t5-xl"),
        ("pretrained_models", "pretrained_models/flan-t5-xl"),
        ("results", "pretrained_models/t5-ckpt/flan-t5-xl"),
        ("results", "t5-ckpt/flan-t5-xl"),
        ("results", "results/pretrained_models/t5-ckpt/flan-t5-xl"),
        ("results", "results/t5-ckpt/flan-t5-xl (1)"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made");
        fs::create_dir_all(&made).unwrap();
        let _ = caption_model(&made);
        let (model, encoder) = (folder.path().join(model), folder.path().join(encoder));
        fs::create_dir_all(&model).unwrap();
        fs::create_dir_all(encoder.parent().unwrap()).unwrap();
        fs::rename(made.join("t2i.safetensors"), model.join("t2i.safetensors")).unwrap();
        fs::rename(made.join("config.json"), model.join("config.json")).unwrap();
        fs::rename(made.join("flan-t5-xl"), &encoder).unwrap();
        let opened = opened(model.join("t2i.safetensors"), Some(made.join("vq/vq.safetensors")));
        let prompt = Condition::Prompt { text: "a red cat".into(), negative: None };
        decode(&opened, &prompt);
        // From within the folder, by a path without one.
        let said = program::succeeds(&model, &["inspect", "t2i.safetensors"]);
        assert!(said.contains("T5") && !said.contains("its text encoder,"), "{said}");
        assert!(!said.contains("t2i.safetensors was left out"), "{said}");
    }
}

// Source: found in use
#[test]
fn a_person_opens_files_under_the_names_that_a_browser_gave_them() {
    for (decoder, tokenizer) in [
        ("c2i_tiny (1).pt", "vq (2).pt"),
        ("c2i_tiny(1).pt", "vq - Copy.pt"),
        ("c2i_tiny.bin.zip", "vq.pt.zip"),
        ("c2i_tiny.bin (1).zip", "vq copy.pt"),
    ] {
        let folder = folder_for_class_model();
        let copy = |from: &str, to: &str| fs::copy(golden(from), folder.path().join(to)).unwrap();
        copy("llamagen/c2i_tiny/c2i_tiny.pt", decoder);
        copy("llamagen/vq16_tiny/vq16_tiny.pt", tokenizer);
        for chosen in [folder.path().join(decoder), folder.path().to_path_buf()] {
            let found = looked_at(chosen);
            assert!(found.complete().is_ok(), "{decoder}, {tokenizer}: {:?}", found.notes);
        }
    }
    // In the folder around the model, where only published names are looked for.
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    fs::copy(golden("llamagen/c2i_tiny/c2i_tiny.pt"), model.join("c2i.pt")).unwrap();
    fs::copy(golden(CLASS_MODEL).join("config.json"), model.join("config.json")).unwrap();
    let tokenizer = folder.path().join("vq_ds16_c2i (3).pt");
    fs::copy(golden("llamagen/vq16_tiny/vq16_tiny.pt"), tokenizer).unwrap();
    assert!(looked_at(model.join("c2i.pt")).complete().is_ok());
}

// Source: found in use
#[test]
fn shards_and_their_index_are_found_under_changed_names() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden("lumina/tiny")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let changed = match name {
            "model-00001-of-00002.safetensors" => "model-00001-of-00002 (1).safetensors",
            "model.safetensors.index.json" => "model.safetensors.index (1).json",
            same => same,
        };
        fs::copy(&path, folder.path().join(changed)).unwrap();
    }
    for chosen in ["", "model-00001-of-00002 (1).safetensors", "model-00002-of-00002.safetensors"] {
        let container = Container::open(&folder.path().join(chosen)).unwrap();
        assert_eq!(container.paths().count(), 2);
        assert!(container.tensor("model.norm.weight").is_ok());
    }
}

// Source: found in use
#[test]
fn a_packed_weight_file_is_named_inside_its_archive() {
    let folder = tempfile::tempdir().unwrap();
    let archive = zip_bytes(&[member("pytorch_model.bin", *b"x"), member("readme.txt", *b"y")]);
    let path = write(folder.path(), "pytorch_model.bin.zip", &archive);
    let message = Container::open(&path).unwrap_err().to_string();
    let says = "an archive with weight files inside (pytorch_model.bin); unpack it";
    assert!(message.contains(says), "{message}");
}

// Source: found in use
#[test]
fn an_image_tokenizer_is_found_behind_many_other_files() {
    let folder = folder_for_class_model();
    let model = folder.path().join("model.pt");
    fs::copy(golden("llamagen/c2i_tiny/c2i_tiny.pt"), &model).unwrap();
    for index in 0..70 {
        let other = folder.path().join(format!("a{index:02}.pth"));
        fs::copy(golden("alitok_tokenizer/AliTok_tiny.pth"), other).unwrap();
    }
    let found = looked_at(model.clone());
    assert_eq!(found.missing.len(), 1);
    assert_eq!(found.notes.len(), 33, "each of the first files, and the number of the others");
    assert!(found.notes[32].contains("38 more weight files"), "{}", found.notes[32]);
    fs::copy(golden("llamagen/vq16_tiny/vq16_tiny.pt"), folder.path().join("z.pt")).unwrap();
    assert!(looked_at(model).complete().is_ok());
}
