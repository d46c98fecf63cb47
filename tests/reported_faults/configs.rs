//! `config.json` in newer forms, and keys that change the numbers.

use crate::open_support::*;
use serde_json::{Value, json};
use softcfg_studio::models::card::Model;
use softcfg_studio::opening::offer;
use softcfg_studio::opening::request::{OpenRequest, SystemResources};
use softcfg_studio::prompts::condition::Condition;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut json);
    fs::write(file, serde_json::to_vec_pretty(&json).unwrap()).unwrap();
}

/// A SimpleAR miniature with its `config.json` changed.
fn simple_ar(change: impl FnOnce(&mut Value)) -> (TempDir, OpenRequest) {
    let folder = tempfile::tempdir().unwrap();
    let request = simple_ar_request(simple_ar_with_cosmos_codes(folder.path()));
    edit(&folder.path().join("config.json"), change);
    (folder, request)
}

/// Lumina's miniature with its `config.json` changed.
fn lumina(change: impl FnOnce(&mut Value)) -> (TempDir, OpenRequest) {
    let folder = tempfile::tempdir().unwrap();
    let mut request = lumina_request(folder.path(), (4, 8));
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(golden("lumina/tiny")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), model.join(file.file_name())).unwrap();
        }
    }
    edit(&model.join("config.json"), change);
    request.paths = vec![model];
    (folder, request)
}

fn to_version_5(config: &mut Value, theta: f64) {
    let keys = config.as_object_mut().unwrap();
    keys.remove("rope_theta");
    keys.remove("rope_scaling");
    let dtype = keys.remove("torch_dtype").unwrap();
    keys.insert("dtype".into(), dtype);
    keys.insert("rope_parameters".into(), json!({ "rope_type": "default", "rope_theta": theta }));
}

/// Every number of the trace of both lanes.
fn trace(model: &Model) -> Value {
    let record = decode(model, &Condition::Prompt { text: "a red cat".into(), negative: None });
    json!([record.lane(0), record.lane(1)])
}

fn opened(request: &OpenRequest) -> Model {
    open_with(request).unwrap_or_else(|error| panic!("{error}"))
}

fn notes(request: &OpenRequest) -> Vec<String> {
    offer::survey_headers(request, &SystemResources::default()).unwrap().notes
}

// Source: vllm#42624, MarinFold#184.
#[test]
fn a_person_opens_a_folder_whose_config_was_rewritten_by_transformers_5() {
    let (_old, old) = simple_ar(|_| ());
    let (_new, new) = simple_ar(|config| to_version_5(config, 1e6));
    let (_other, other) = simple_ar(|config| to_version_5(config, 1e4));
    let expected = trace(&opened(&old));
    assert_eq!(trace(&opened(&new)), expected);
    assert_ne!(trace(&opened(&other)), expected, "the base of the angles tells in the trace");
    assert_eq!(notes(&new), Vec::<String>::new());
}

// Source: vllm#42624.
#[test]
fn a_person_opens_a_lumina_folder_that_was_rewritten_by_transformers_5() {
    let (_old, old) = lumina(|_| ());
    let (_new, new) = lumina(|config| to_version_5(config, 1e4));
    let (_other, other) = lumina(|config| to_version_5(config, 1e6));
    let expected = trace(&opened(&old));
    assert_eq!(trace(&opened(&new)), expected);
    assert_ne!(trace(&opened(&other)), expected);
}

// Source: vllm#42624: other rotations were decoded as the default one.
#[test]
fn a_person_opens_a_model_with_other_rotary_positions() {
    let forms: [fn(&mut Value); 5] = [
        |config| config["rope_scaling"] = json!({ "type": "yarn", "factor": 4.0 }),
        |config| config["rope_scaling"] = json!({ "rope_type": "yarn", "factor": 4.0 }),
        |config| {
            to_version_5(config, 1e6);
            config["rope_parameters"] =
                json!({ "rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0 });
        },
        |config| {
            to_version_5(config, 1e6);
            config["rope_parameters"] = json!({
                "full_attention": { "rope_type": "default", "rope_theta": 1e6 },
                "sliding_attention": { "rope_type": "yarn", "rope_theta": 1e4 },
            });
        },
        |config| config["rope_parameters"] = json!({ "rope_theta": 5e5, "note": "yarn" }),
    ];
    for form in forms {
        for (_folder, request) in [simple_ar(form), lumina(form)] {
            let message = message(&request);
            assert!(message.contains("yarn"), "{message}");
            assert!(message.ends_with("config.json") && message.contains(';'), "{message}");
        }
    }
}

// Source: found in use; the keys are those of configurations in the transformers library.
#[test]
fn a_person_opens_a_model_whose_config_asks_for_what_is_not_computed() {
    let both = [
        ("sliding_window_pattern", json!(6)),
        ("layer_types", json!(["full_attention", "sliding_attention", "full_attention"])),
        ("attention_bias", json!(true)),
        ("mlp_bias", json!(true)),
        ("hidden_act", json!("gelu")),
        ("norm_type", json!("layernorm")),
        ("partial_rotary_factor", json!(0.5)),
        ("final_logit_softcapping", json!(30.0)),
        ("attn_logit_softcapping", json!(50.0)),
        ("embedding_multiplier", json!(12.0)),
        ("logits_scaling", json!(8)),
        ("use_qk_norm", json!(true)),
        ("quantization_config", json!({ "quant_method": "gptq", "bits": 4 })),
        ("num_experts", json!(64)),
        ("swin_norm", json!(true)),
        ("is_causal", json!(false)),
        // Tensors of the same names, other norms.
        ("model_type", json!("gemma")),
    ];
    for (key, value) in both {
        let change = |config: &mut Value| config[key] = value.clone();
        for (_folder, request) in [simple_ar(change), lumina(change)] {
            let message = message(&request);
            assert!(message.contains(key), "{key} is not in: {message}");
            assert!(message.ends_with("config.json") && message.contains(';'), "{message}");
        }
    }
    let (_folder, request) = simple_ar(|config| {
        config["use_sliding_window"] = true.into();
        config["sliding_window"] = 128.into();
    });
    assert!(message(&request).contains("sliding_window"));
}

// Source: found in use: what the library writes without asking for anything opens as before.
#[test]
fn a_person_opens_a_model_whose_config_switches_everything_off() {
    let (_folder, request) = simple_ar(|config| {
        let off = json!({
            "layer_types": ["full_attention", "full_attention", "full_attention"], "attention_bias": false,
            "sliding_window": null, "quantization_config": null, "pruned_heads": {}, "logits_scaling": 1.0,
            "_name_or_path": "a/b", "transformers_version": "5.1.0", "auto_map": { "AutoConfig": "c.C" },
        });
        config.as_object_mut().unwrap().extend(off.as_object().unwrap().clone());
    });
    assert_eq!(notes(&request), Vec::<String>::new());
    opened(&request);
}

// Source: found in use: an unknown key was passed over without a word.
#[test]
fn a_person_inspects_a_model_whose_config_has_a_key_that_nobody_knows() {
    let (_folder, request) = simple_ar(|config| config["flux_capacity"] = 88.into());
    let notes = notes(&request);
    assert!(notes.iter().any(|note| note.contains("flux_capacity")), "{notes:?}");
    let card = opened(&request).card;
    assert!(card.notes.iter().any(|note| note.contains("flux_capacity")), "{:?}", card.notes);
}

// Source: vllm#42624: a missing key became a default.
#[test]
fn a_person_opens_a_model_whose_config_lacks_a_key() {
    let needed = ["rope_theta", "rms_norm_eps", "num_attention_heads", "max_position_embeddings"];
    for key in needed {
        let change = |config: &mut Value| drop(config.as_object_mut().unwrap().remove(key));
        for (_folder, request) in [simple_ar(change), lumina(change)] {
            let message = message(&request);
            assert!(message.contains(key), "{key} is not in: {message}");
            assert!(message.ends_with("config.json"), "{message}");
        }
    }
}

// Source: found in use: layers beyond those of config.json were left out.
#[test]
fn a_person_opens_a_model_with_more_layers_than_its_config_names() {
    for (_folder, request) in [
        simple_ar(|config| config["num_hidden_layers"] = 2.into()),
        lumina(|config| config["num_hidden_layers"] = 2.into()),
    ] {
        let message = message(&request);
        assert!(message.contains("model.layers.2."), "{message}");
    }
}

// Source: found in use.
#[test]
fn a_person_opens_a_caption_model_whose_text_encoder_is_of_another_kind() {
    let changes = [
        ("feed_forward_proj", "feed_forward_proj", json!("relu")),
        ("dense_act_fn", "dense_act_fn", json!("relu")),
        ("layers", "num_layers", json!(1)),
        ("null", "d_kv", Value::Null),
    ];
    for (part, key, value) in changes {
        let folder = tempfile::tempdir().unwrap();
        let request = caption_model(folder.path());
        edit(&folder.path().join("flan-t5-xl/config.json"), |config| config[key] = value);
        let message = message(&request);
        assert!(message.contains(part) && message.contains("flan-t5-xl"), "{message}");
    }
}

// Source: found in use: a key of the built-in format that is not read.
#[test]
fn a_person_changes_a_key_of_the_built_in_models_image_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/emoji-scenes");
    for name in [
        "config.json",
        "tokenizer.json",
        "image_tokenizer.json",
        "grammar.json",
        "model.safetensors",
        "image_tokenizer.safetensors",
    ] {
        fs::copy(assets.join(name), folder.path().join(name)).unwrap();
    }
    let request = OpenRequest::new([folder.path().to_path_buf()]);
    opened(&request);
    edit(&folder.path().join("image_tokenizer.json"), |config| {
        config["norm_kind"] = "layer".into()
    });
    let message = message(&request);
    assert!(
        message.contains("norm_kind") && message.ends_with("image_tokenizer.json"),
        "{message}"
    );
}
