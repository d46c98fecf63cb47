//! Weights that are zeros, as a download leaves them that reserves its file before it fills it.

use crate::open_support::*;
use candle_core::{DType, Device, Tensor};
use softcfg_studio::engine::trace::RunStatus;
use softcfg_studio::opening::request::OpenRequest;
use softcfg_studio::prompts::condition::Condition;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// LlamaGen's miniature as one safetensors file in `folder`, changed.
fn llamagen(folder: &Path, change: impl FnOnce(&mut HashMap<String, Tensor>)) -> OpenRequest {
    let source = golden("llamagen/c2i_tiny");
    let weights = source.join("weights.safetensors");
    let mut tensors = candle_core::safetensors::load(weights, &Device::Cpu).unwrap();
    change(&mut tensors);
    let file = folder.join("c2i.safetensors");
    candle_core::safetensors::save(&tensors, &file).unwrap();
    fs::copy(source.join("config.json"), folder.join("config.json")).unwrap();
    let mut request = OpenRequest::new([file]);
    request.tokenizer = Some(golden("llamagen/vq16_tiny/vq16_tiny.pt"));
    request
}

fn clear(tensors: &mut HashMap<String, Tensor>, name: &str) {
    let zeros = tensors[name].zeros_like().unwrap();
    tensors.insert(name.into(), zeros);
}

// Source: found in use: a preallocated download that never began.
#[test]
fn a_person_opens_a_file_whose_weights_are_all_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let request = llamagen(folder.path(), |tensors| {
        let names: Vec<String> = tensors.keys().cloned().collect();
        names.iter().for_each(|name| clear(tensors, name));
    });
    let message = message(&request);
    assert!(message.contains("all ") && message.contains("only zeros"), "{message}");
    assert!(message.contains("download") && message.ends_with("c2i.safetensors"), "{message}");
}

// Source: found in use: a preallocated download that stopped in its middle.
#[test]
fn a_person_opens_a_file_whose_second_half_is_zeros() {
    let folder = tempfile::tempdir().unwrap();
    let request = llamagen(folder.path(), |_| ());
    open_with(&request).unwrap_or_else(|error| panic!("the sound file: {error}"));
    let file = &request.paths[0];
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0);
    fs::write(file, bytes).unwrap();
    let message = message(&request);
    assert!(message.contains("matrices") && message.contains("only zeros"), "{message}");
    assert!(!message.contains("all "), "half of the file is sound: {message}");
}

// Source: found in use: one tensor of zeros is named, whatever part of the model it is.
#[test]
fn a_person_opens_a_file_with_one_tensor_of_zeros() {
    for name in [
        "tok_embeddings.weight",
        "layers.1.attention.wqkv.weight",
        "layers.0.ffn_norm.weight",
        "norm.weight",
        "output.weight",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let message = message(&llamagen(folder.path(), |tensors| clear(tensors, name)));
        assert!(message.contains(&format!("tensor {name} holds only zeros")), "{message}");
    }
}

// Source: found in use: the image tokenizer and the text encoder are read by the same step.
#[test]
fn a_person_opens_parts_of_zeros_beside_a_sound_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let request = caption_model(folder.path());
    let zero = |path: &Path, name: &str| {
        let mut tensors = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
        clear(&mut tensors, name);
        candle_core::safetensors::save(&tensors, path).unwrap();
    };
    let encoder = folder.path().join("flan-t5-xl/model.safetensors");
    let sound = fs::read(&encoder).unwrap();
    zero(&encoder, "encoder.final_layer_norm.weight");
    let model = open_with(&request).unwrap_or_else(|error| panic!("{error}"));
    let condition = Condition::Prompt { text: "a red cat".into(), negative: None };
    let record = decode_any(&model, &condition);
    let RunStatus::Failed(message) = record.status() else { panic!("{:?}", record.status()) };
    assert!(message.contains("final_layer_norm") && message.contains("only zeros"), "{message}");
    fs::write(&encoder, sound).unwrap();
    let tokenizer = folder.path().join("vq/vq.safetensors");
    zero(&tokenizer, "decoder.conv_out.weight");
    let message = self::message(&request);
    assert!(message.contains("conv_out") && message.ends_with("vq.safetensors"), "{message}");
}

// Source: found in use: zeros that are right are no fault.
#[test]
fn a_person_opens_a_file_whose_biases_are_zeros() {
    let source = golden("rar/model/weights.safetensors");
    let mut tensors = candle_core::safetensors::load(source, &Device::Cpu).unwrap();
    let biases: Vec<String> =
        tensors.keys().filter(|name| name.ends_with(".bias")).cloned().collect();
    let modulation: Vec<String> =
        tensors.keys().filter(|name| name.contains("adaLN")).cloned().collect();
    assert!(biases.len() > 3 && !modulation.is_empty());
    biases.iter().chain(&modulation).for_each(|name| clear(&mut tensors, name));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rar.safetensors");
    candle_core::safetensors::save(&tensors, &file).unwrap();
    fs::copy(golden("rar/model/config.json"), folder.path().join("config.json")).unwrap();
    let mut request = OpenRequest::new([file]);
    request.tokenizer = Some(golden("rar_tokenizer/maskgit_vqgan_tiny.bin"));
    open_with(&request).unwrap_or_else(|error| panic!("{error}"));
}

// Source: found in use: logits that say nothing were drawn from.
#[test]
fn a_person_draws_with_weights_that_give_every_code_the_same_logit() {
    let folder = tempfile::tempdir().unwrap();
    let request = llamagen(folder.path(), |tensors| {
        let head = &tensors["output.weight"];
        let row = head.narrow(0, 0, 1).unwrap().to_dtype(DType::F32).unwrap();
        let same = row.repeat((head.dim(0).unwrap(), 1)).unwrap();
        tensors.insert("output.weight".into(), same);
    });
    let model = open_with(&request).unwrap_or_else(|error| panic!("{error}"));
    let record = decode_any(&model, &Condition::Class(1));
    let RunStatus::Failed(message) = record.status() else { panic!("{:?}", record.status()) };
    assert!(message.contains("the same for every code") && message.contains("zeros"), "{message}");
    assert!(message.contains("step 0"), "{message}");
}
