//! What is offered before a model is loaded: its costs at another grid, what rounding does to it, other
//! weights of a training file, and a tokenizer out of a folder.

mod open_support;

use candle_core::{DType, Device, Tensor};
use open_support::*;
use softcfg_studio::checkpoint::Container;
use softcfg_studio::compute::device_kind::DeviceKind;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::opening::offer::{self, ModelOffer};
use softcfg_studio::opening::request::{OpenRequest, SystemResources};
use std::fs;
use std::path::Path;
use std::time::Instant;

fn offer(request: &OpenRequest) -> ModelOffer {
    offer::survey(request, &SystemResources::default()).unwrap()
}

#[test]
fn costs_follow_the_grid() {
    let request =
        request("llamagen/c2i_tiny/c2i_tiny.pt", "llamagen/vq16_tiny/weights.safetensors");
    let offer = offer(&request);
    let peak = |side| offer.precisions_at((side, side))[0].peak;
    // Keys and values in f32: five rows, three layers of width 64, one position more a row of tokens.
    let positions = |side: u64| side * (side + 1);
    let caches = 5 * (positions(256) - positions(128)) * 3 * 64 * 2 * 4;
    assert_eq!(peak(256) - peak(128), caches);
    let resources = SystemResources { free_memory: Some(peak(128)), ..SystemResources::default() };
    let offer = offer::survey(&request, &resources).unwrap();
    let fits = |side| offer.precisions_at((side, side))[0].fits;
    assert_eq!((fits(128), fits(256)), (Some(true), Some(false)));
    // Weights that fix the grid fix the cost.
    let fixed =
        self::offer(&self::request("rar/model/rar_tiny.bin", "rar_tokenizer/weights.safetensors"));
    assert_eq!(fixed.precisions_at((8, 8)), fixed.precisions_at((99, 99)));
}

#[test]
fn of_another_device_no_more_is_said_than_is_known() {
    let request = OpenRequest {
        device: DeviceKind::Cuda,
        ..request("rar/model/rar_tiny.bin", "rar_tokenizer/weights.safetensors")
    };
    let resources = SystemResources { free_memory: Some(1), ..SystemResources::default() };
    let offer = offer::survey(&request, &resources).unwrap();
    let precisions: Vec<_> = offer.precisions.iter().map(|offer| offer.precision).collect();
    assert_eq!(precisions, [Precision::F32, Precision::Bf16], "8-bit weights run on the CPU only");
    // Its memory, and what bf16 changes where inputs are rounded as well.
    assert!(offer.precisions.iter().all(|offer| offer.fits.is_none()));
    assert!(offer.precisions.iter().all(|offer| offer.difference.is_none()));
    assert_eq!(offer.free_memory, None);
}

/// To the nearest number of 8 significant bits, ties to even.
fn to_bf16(x: f32) -> f64 {
    let unit = 2f64.powi((x.abs() as f64).log2().floor() as i32 - 7);
    if x == 0.0 { 0.0 } else { (f64::from(x) / unit).round_ties_even() * unit }
}

/// To 127 steps of the largest of the row.
fn to_int8(x: f32, row: &[f32]) -> f64 {
    let largest = row.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let step = f64::from(largest) / 127.0;
    if step == 0.0 { 0.0 } else { (f64::from(x) / step).round() * step }
}

/// What rounding changes of a matrix, relative to the matrix, both as Frobenius norms.
fn changed(matrix: &[Vec<f32>], precision: Precision) -> f64 {
    let (mut apart, mut whole) = (0.0, 0.0);
    for row in matrix {
        for &x in row {
            let rounded = match precision {
                Precision::F32 => f64::from(x),
                Precision::Bf16 => to_bf16(x),
                Precision::Int8 => to_int8(x, row),
            };
            apart += (rounded - f64::from(x)).powi(2);
            whole += f64::from(x).powi(2);
        }
    }
    (apart / whole).sqrt()
}

fn matrices(file: &Path, named: &[&str]) -> Vec<Vec<Vec<f32>>> {
    let tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let linear = |name: &str| named.iter().any(|part| name.ends_with(part));
    let matrix = |tensor: &Tensor| tensor.to_dtype(DType::F32).unwrap().to_vec2().unwrap();
    let found: Vec<_> = tensors.iter().filter(|(name, _)| linear(name)).collect();
    assert!(found.len() >= 9, "{}", found.len());
    found.into_iter().map(|(_, tensor)| matrix(tensor)).collect()
}

#[test]
fn the_difference_is_what_rounding_changes_of_the_products() {
    let cases: [(&str, &str, &[&str]); 2] = [
        (
            "llamagen/c2i_tiny/c2i_tiny.pt",
            "llamagen/c2i_tiny/weights.safetensors",
            &["wqkv.weight", "wo.weight", "w1.weight", "w2.weight", "w3.weight"],
        ),
        (
            "rar/model/rar_tiny.bin",
            "rar/model/weights.safetensors",
            &["qkv.weight", "proj.weight", "fc1.weight", "fc2.weight"],
        ),
    ];
    for (model, weights, linear) in cases {
        let begun = Instant::now();
        let offer = offer(&OpenRequest::new([golden(model)]));
        assert!(begun.elapsed().as_secs_f32() < 1.0, "{:?}", begun.elapsed());
        let matrices = matrices(&golden(weights), linear);
        for one in &offer.precisions {
            let squares = matrices.iter().map(|matrix| changed(matrix, one.precision).powi(2));
            let weights = squares.sum::<f64>() / matrices.len() as f64;
            // bf16 weights of an f32 file multiply inputs that are rounded to bf16 as well.
            let inputs = if one.precision == Precision::Bf16 {
                changed(&[(1..=1000).map(|i| i as f32 / 1000.0).collect()], one.precision)
            } else {
                0.0
            };
            let expected = (weights + inputs.powi(2)).sqrt();
            let measured = one.difference.unwrap();
            // A sample of the matrices and of inputs.
            let bound = 0.12 * expected + 1e-12;
            let (precision, apart) = (one.precision, (measured - expected).abs());
            assert!(apart <= bound, "{model} {precision}: {measured} beside {expected}");
            assert!(one.cost().contains("f32"), "{}", one.cost());
        }
        assert_eq!(offer.precisions[0].difference, Some(0.0));
    }
}

#[test]
fn files_of_16_bit_lose_nothing_in_16_bit() {
    let offer = offer(&OpenRequest::new([golden("lumina/tiny")]));
    let of = |precision| {
        offer.precisions.iter().find(|one| one.precision == precision).unwrap().difference.unwrap()
    };
    assert_eq!(of(Precision::Bf16), 0.0);
    assert!(of(Precision::Int8) > 1e-3);
    assert!(offer.precisions[0].reads_less == 1.0 && offer.precisions[1].reads_less == 2.0);
}

#[test]
fn every_weight_set_of_a_training_file_is_offered_and_loaded() {
    let set = |name: &str| Some(name.to_owned());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("train_full.pt");
    fs::copy(golden("llamagen/containers/train_full.pt"), &file).unwrap();
    let sizes = serde_json::json!({
        "model_type": "c2i", "dim": 8, "n_layer": 1, "n_head": 2, "n_kv_head": null,
        "multiple_of": 8, "vocab_size": 10, "block_size": 16, "num_classes": 3,
        "cls_token_num": 1, "norm_eps": 1e-5, "rope_base": 10000
    });
    fs::write(folder.path().join("config.json"), sizes.to_string()).unwrap();
    let mut request = OpenRequest::new([file.clone()]);
    assert_eq!(offer(&request).weight_sets, [set("model"), set("ema")]);
    request.weight_set = set("ema");
    assert_eq!(offer(&request).weight_sets, [set("ema"), set("model")]);
    // One set is no choice.
    let plain = OpenRequest::new([golden("llamagen/c2i_tiny/c2i_tiny.pt")]);
    assert!(offer(&plain).weight_sets.is_empty());

    let beside = folder.path().join("vq");
    fs::create_dir(&beside).unwrap();
    let tokenizer = beside.join("vq.safetensors");
    let source = golden("llamagen/vq16_tiny");
    let weights = source.join("weights.safetensors");
    with_codes(&weights, &tokenizer, "quantize.embedding.weight", 10);
    let config = fs::read_to_string(source.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["codebook_size"] = 10.into();
    fs::write(beside.join("config.json"), config.to_string()).unwrap();
    request.tokenizer = Some(tokenizer);
    let ema = open_with(&request).unwrap().card.identity.clone();
    request.weight_set = None;
    let model = open_with(&request).unwrap().card.identity.clone();
    assert!(ema.name.ends_with("ema weights"), "{}", ema.name);
    assert_ne!(ema, model);
    request.weight_set = set("average");
    assert!(message(&request).contains("there is no entry \"average\""), "{}", message(&request));
    let weights =
        |set| Container::open_weight_set(&file, set).unwrap().tensor("norm.weight").unwrap();
    let numbers = |set| weights(set).to_vec1::<f32>().unwrap();
    assert_ne!(numbers(None), numbers(Some("ema")));
}

#[test]
fn of_a_folder_the_tokenizer_that_fits_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let put = |from: &str, name: &str| fs::copy(golden(from), folder.path().join(name)).unwrap();
    put("rar_tokenizer/config.json", "config.json");
    put("rar_tokenizer/maskgit_vqgan_tiny.bin", "a.bin");
    put("alitok_tokenizer/AliTok_tiny.pth", "b.pth");
    put("rar/model/weights.safetensors", "c.safetensors");
    let mut request = OpenRequest::new([golden("rar/model/rar_tiny.bin")]);
    request.tokenizer = Some(folder.path().to_path_buf());
    let found = offer(&request).found;
    assert!(found[1].path.ends_with("a.bin"), "{found:?}");
    open_with(&request).unwrap();

    // Two that fit: named, unless one bears the name under which it is published.
    put("rar_tokenizer/weights.safetensors", "d.safetensors");
    let said = message(&request);
    assert!(said.contains("(a.bin, d.safetensors)") && said.contains("choose one"), "{said}");
    assert!(said.ends_with(&folder.path().display().to_string()), "{said}");
    put("rar_tokenizer/weights.safetensors", "maskgit-vqgan-imagenet-f16-256.bin");
    let found = offer(&request).found;
    assert!(found[1].path.ends_with("maskgit-vqgan-imagenet-f16-256.bin"), "{found:?}");

    // None that fits.
    let folder = tempfile::tempdir().unwrap();
    for name in ["e.pth", "f.pth"] {
        fs::copy(golden("alitok_tokenizer/AliTok_tiny.pth"), folder.path().join(name)).unwrap();
    }
    request.tokenizer = Some(folder.path().to_path_buf());
    let said = message(&request);
    assert!(said.contains("none of the weight files") && said.contains("e.pth, f.pth"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_model_opens_from_a_path_that_is_not_utf8() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let strange = folder.path().join(std::ffi::OsStr::from_bytes(b"modelle-\xff"));
    fs::create_dir(&strange).unwrap();
    let put = |from: &str, name: &str| fs::copy(golden(from), strange.join(name)).unwrap();
    put("rar/model/rar_tiny.bin", "rar.bin");
    put("rar/model/config.json", "config.json");
    fs::create_dir(strange.join("weights")).unwrap();
    put("rar_tokenizer/weights.safetensors", "weights/maskgit-vqgan-imagenet-f16-256.bin");
    put("rar_tokenizer/config.json", "weights/config.json");
    let model = open_with(&OpenRequest::new([strange.join("rar.bin")])).unwrap();
    assert_eq!(model.card.identity.family, "RAR");
}

#[test]
fn files_that_go_between_looking_and_loading_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rar.bin");
    fs::copy(golden("rar/model/rar_tiny.bin"), &path).unwrap();
    fs::copy(golden("rar/model/config.json"), folder.path().join("config.json")).unwrap();
    let mut request = OpenRequest::new([path.clone()]);
    request.tokenizer = Some(golden("rar_tokenizer/weights.safetensors"));
    assert!(offer(&request).is_complete());
    fs::write(&path, b"PK").unwrap();
    let said = message(&request);
    assert!(said.ends_with("rar.bin"), "{said}");
    fs::remove_file(&path).unwrap();
    let said = message(&request);
    assert!(said.contains("cannot read") && said.ends_with("rar.bin"), "{said}");
}
