//! The text side of LlamaGen's text-to-image models: caption cleaning and the T5 encoder.

mod cache_contents;
mod golden_folder;
mod golden_models;
mod test_device;

use golden_folder::{assert_kind, folders_with, root};
use golden_models::*;
use softcfg_studio::checkpoint::{Container, LoadProgress};
use softcfg_studio::prompts::caption::{clean, clean_once};
use softcfg_studio::prompts::t5::{EncoderConfig, TextEncoder};
use std::sync::Arc;

#[test]
fn captions_are_cleaned_alike() {
    let file = root().join("llamagen/captions.json");
    assert_kind(file.is_file(), "captions");
    if !file.is_file() {
        return;
    }
    let pairs = json(&file);
    let pairs = pairs.as_array().unwrap();
    assert!(!pairs.is_empty());
    let mut wrong = Vec::new();
    for pair in pairs {
        let text = |name: &str| pair[name].as_str().unwrap().to_owned();
        let input = text("input");
        let found = [("once", clean_once(&input)), ("output", clean(&input))];
        for (name, found) in found {
            if found != text(name) {
                wrong.push(format!("{input:?} {name}: {found:?}, expected {:?}", text(name)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} captions differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_encoder_matches_at_all_lengths() {
    let mut encoders = 0;
    for folder in folders_with("llamagen", "weights.safetensors") {
        let config = folder.join("config.json");
        if !config.is_file() || json(&config).get("relative_attention_num_buckets").is_none() {
            continue;
        }
        encoders += 1;
        let golden = Golden::read(&folder.join("expected.safetensors"));
        let config: EncoderConfig = serde_json::from_value(json(&config)).unwrap();
        let file = Container::open(&folder.join("weights.safetensors")).unwrap();
        let weights = file.into_var_builder(Arc::new(LoadProgress::default()));
        let mut encoder = TextEncoder::from_var_builder(&config, weights).unwrap();
        let width = encoder.width();
        for kind in ["", "long_"] {
            let name = |name: &str| format!("{kind}{name}");
            if !golden.records(&name("last_hidden_state")) {
                continue;
            }
            let positions = golden.shape(&name("input_ids"))[1];
            let masks = golden.values(&name("attention_mask")).chunks(positions);
            for (index, mask) in masks.enumerate() {
                let valid = mask.iter().filter(|&&m| m == 1.0).count();
                assert!(mask[..valid].iter().all(|&m| m == 1.0), "valid rows come first");
                let ids: Vec<u32> = golden.row(&name("input_ids"), index)[..valid]
                    .iter()
                    .map(|&id| id as u32)
                    .collect();
                let rows = encoder.encode(&ids).unwrap();
                assert_eq!(rows.dims(), [valid, width]);
                let rows = rows.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let start = index * positions * width;
                let expected = &golden.values(&name("last_hidden_state"))[start..][..valid * width];
                assert_close(&name("last_hidden_state"), rows, expected, 1e-5);
            }
        }
    }
    assert_kind(encoders > 0, "a T5 encoder");
}
