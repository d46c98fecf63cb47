//! Opening and decoding miniatures, and building those that `tests/golden` has only in parts.
#![allow(dead_code, reason = "each test binary uses its own part")]

use candle_core::{DType, Device, Tensor};
use image::RgbImage;
use softcfg_studio::engine::decode;
use softcfg_studio::engine::settings::{LaneSettings, RunSettings, RunSpec};
use softcfg_studio::engine::trace::{RunRecord, RunStatus};
use softcfg_studio::guidance::Preset;
use softcfg_studio::models::card::{Model, ModelCard};
use softcfg_studio::opening::error::OpenError;
use softcfg_studio::opening::open;
use softcfg_studio::opening::request::{OpenRequest, SystemResources};
use softcfg_studio::prompts::condition::Condition;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A path below `tests/golden`.
pub fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(path)
}

/// A decoder with a tokenizer of `tests/golden`.
pub fn request(decoder: &str, tokenizer: &str) -> OpenRequest {
    let mut request = OpenRequest::new([golden(decoder)]);
    request.tokenizer = Some(golden(tokenizer));
    request
}

/// Lumina's miniature with a tokenizer of its 96 codes, which is put into `folder`.
pub fn lumina_request(folder: &Path, grid: (usize, usize)) -> OpenRequest {
    let tokenizer = folder.join("movqgan.safetensors");
    let movq = golden("lumina/movq/decoder.safetensors");
    with_codes(&movq, &tokenizer, "quantize.embedding.weight", 96);
    let mut request = OpenRequest::new([golden("lumina/tiny")]);
    request.tokenizer = Some(tokenizer);
    request.grid = Some(grid);
    request
}

/// A decoder folder of SimpleAR with the tokenizer's miniature and 3 rows of 4 tokens.
pub fn simple_ar_request(decoder: impl Into<PathBuf>) -> OpenRequest {
    let mut request = OpenRequest::new([decoder.into()]);
    request.tokenizer = Some(golden("simplear/cosmos/tiny_decoder.safetensors"));
    request.grid = Some((3, 4));
    request
}

/// Opens with unlimited memory and no cache folders.
pub fn open_with(request: &OpenRequest) -> Result<Model, OpenError> {
    open::open(request, &SystemResources::default(), &Arc::default())
}

pub fn open_pair(decoder: &str, tokenizer: &str) -> Model {
    open_with(&request(decoder, tokenizer)).unwrap_or_else(|error| panic!("{decoder}: {error}"))
}

/// Why a request is refused.
pub fn message(request: &OpenRequest) -> String {
    open_with(request).err().expect("the request should be refused").to_string()
}

/// A validated run with the model's own defaults.
pub fn settings(card: &ModelCard, condition: &Condition, lanes: Vec<Preset>) -> RunSpec {
    let mut shared = LaneSettings { condition: condition.clone(), ..LaneSettings::default() };
    shared.adopt(&card.defaults);
    let settings = RunSettings { shared, lanes };
    settings.validate(card).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// Decodes CFG beside SoftCFG, whatever comes of it.
pub fn decode_any(model: &Model, condition: &Condition) -> RunRecord {
    let lanes = vec![Preset::Cfg, Preset::SoftCfg];
    let spec = settings(&model.card, condition, lanes);
    let record = RunRecord::new(1, spec, model.card.layout.clone());
    decode::run(model, &record, &mut || ());
    record
}

/// [`decode_any`] that has to finish.
pub fn decode(model: &Model, condition: &Condition) -> RunRecord {
    let record = decode_any(model, condition);
    assert_eq!(record.status(), RunStatus::Finished);
    record
}

/// Decodes twice, compares, checks that every step is in the trace, and gives the image.
pub fn decodes_deterministically(model: &Model, condition: &Condition) -> RgbImage {
    let (first, second) = (decode(model, condition), decode(model, condition));
    let steps = model.card.layout.len();
    for lane in 0..2 {
        let tokens = first.tokens(lane, steps);
        assert_eq!(tokens, second.tokens(lane, steps));
        let records = first.lane(lane);
        assert_eq!(records.len(), steps, "every step has its row");
        for (step, record) in records.iter().enumerate() {
            assert_eq!(record.step, step);
            assert!(record.forced || (record.token as usize) < model.card.decoder.codebook_size);
        }
    }
    model.tokenizer.decode(&first.tokens(1, steps), &model.card.layout).unwrap()
}

fn read(path: &Path) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn write(tensors: &HashMap<String, Tensor>, path: &Path) {
    candle_core::safetensors::save(tensors, path).unwrap();
}

/// The same tokenizer with only the first `codes` of its codes.
pub fn with_codes(source: &Path, target: &Path, name: &str, codes: usize) {
    let mut tensors = read(source);
    let table = tensors[name].narrow(0, 0, codes).unwrap().contiguous().unwrap();
    tensors.insert(name.into(), table);
    write(&tensors, target);
}

/// The same weights with one number of one tensor spoilt.
pub fn with_not_a_number(source: &Path, target: &Path, name: &str) {
    let mut tensors = read(source);
    let tensor = &tensors[name];
    let mut numbers: Vec<f32> = tensor.flatten_all().unwrap().to_vec1().unwrap();
    numbers[3] = f32::NAN;
    let spoilt = Tensor::from_vec(numbers, tensor.dims(), &Device::Cpu).unwrap();
    tensors.insert(name.into(), spoilt);
    write(&tensors, target);
}

fn copy_config(source: &Path, target: &Path, change: impl Fn(&mut serde_json::Value)) {
    let mut json = serde_json::from_slice(&fs::read(source).unwrap()).unwrap();
    change(&mut json);
    fs::write(target, serde_json::to_vec(&json).unwrap()).unwrap();
}

/// A SimpleAR miniature whose code rows are repeated to the 64 000 codes that Cosmos has.
pub fn simple_ar_with_cosmos_codes(folder: &Path) -> PathBuf {
    let source = golden("simplear/tiny_tied");
    let text = 48;
    let mut tensors = read(&source.join("model.safetensors"));
    let name = "model.embed_tokens.weight";
    let table = tensors[name].to_dtype(DType::F32).unwrap();
    let codes = table.narrow(0, text, table.dim(0).unwrap() - text).unwrap();
    let repeated = codes.repeat((64_000 / codes.dim(0).unwrap(), 1)).unwrap();
    let rows = [table.narrow(0, 0, text).unwrap(), repeated];
    let table = Tensor::cat(&rows, 0).unwrap();
    assert_eq!(table.dim(0).unwrap(), text + 64_000);
    tensors.insert(name.into(), table);
    write(&tensors, &folder.join("model.safetensors"));
    fs::copy(source.join("tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    copy_config(&source.join("config.json"), &folder.join("config.json"), |json| {
        json["vocab_size"] = (text + 64_000).into();
    });
    folder.to_path_buf()
}

/// LlamaGen's text miniature with a tokenizer of its 80 codes and T5 with a vocabulary of words, laid
/// out as their authors publish them.
pub fn caption_model(folder: &Path) -> OpenRequest {
    let decoder = golden("llamagen/t2i_tiny");
    fs::copy(decoder.join("weights.safetensors"), folder.join("t2i.safetensors")).unwrap();
    fs::copy(decoder.join("config.json"), folder.join("config.json")).unwrap();
    let vq = folder.join("vq");
    fs::create_dir(&vq).unwrap();
    let source = golden("llamagen/vq16_tiny");
    let (from, to) = (source.join("weights.safetensors"), vq.join("vq.safetensors"));
    with_codes(&from, &to, "quantize.embedding.weight", 80);
    copy_config(&source.join("config.json"), &vq.join("config.json"), |json| {
        json["codebook_size"] = 80.into();
    });
    let t5 = folder.join("flan-t5-xl");
    fs::create_dir(&t5).unwrap();
    let source = golden("llamagen/t5_tiny");
    fs::copy(source.join("weights.safetensors"), t5.join("model.safetensors")).unwrap();
    fs::copy(source.join("config.json"), t5.join("config.json")).unwrap();
    let words = ["<pad>", "</s>", "<unk>", "a", "red", "blue", "cat", "dog", "car"];
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        words.iter().zip(0..).map(|(word, id)| (word.to_string(), id.into())).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "unk_token": "<unk>", "vocab": vocabulary }
    });
    fs::write(t5.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let mut request = OpenRequest::new([folder.join("t2i.safetensors")]);
    request.tokenizer = Some(vq.join("vq.safetensors"));
    request
}
