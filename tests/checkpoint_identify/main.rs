//! What files are said to be: the published sizes by files with their true names and shapes (and no
//! data), the miniatures by the golden data, pairs, companions, folders and the memory estimate.

#[path = "../checkpoint_support/mod.rs"]
mod checkpoint_support;
mod companions;

use checkpoint_support::published::{
    Tensors, alitok, flan_t5_xl, gpt_tensors, lumina, manifests, qwen2, rar, tensors_of,
};
use checkpoint_support::{
    dict, int, own_golden, pickle, sparse_safetensors, storage, tensor, torch_bytes, write,
};
use softcfg_studio::checkpoint::CheckpointError;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::models::families::Family;
use softcfg_studio::models::family::{Conditioning, DecoderGeometry, GridSource};
use softcfg_studio::opening::identify::{Geometry, Identified};
use softcfg_studio::opening::inspect::{InspectOptions, Inspection, inspect};
use softcfg_studio::opening::memory;
use softcfg_studio::opening::memory::{Footprint, MemoryPlan, RunSize};
use softcfg_studio::opening::opened::Opened;
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A file of these tensors without data, identified.
fn identified(file_name: &str, dtype: &str, size: u64, tensors: &Tensors) -> Identified {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file_name);
    sparse_safetensors(&path, dtype, size, tensors);
    Opened::open(&path, None).unwrap().identified
}

fn decoder(identified: &Identified) -> &DecoderGeometry {
    match &identified.geometry {
        Geometry::Decoder(geometry) => geometry,
        other => panic!("{other:?} is no decoder"),
    }
}

#[test]
fn published_class_models_have_their_published_counts() {
    let cases = [
        (
            "alitok_b",
            alitok(768, 24, 48, 2048),
            177_048_064,
            "AliTok-B decoder, 177 M, f32, 708 MB",
        ),
        (
            "alitok_l",
            alitok(1024, 24, 64, 2816),
            317_851_648,
            "AliTok-L decoder, 318 M, f32, 1.27 GB",
        ),
        (
            "alitok_xl",
            alitok(1280, 32, 80, 3584),
            662_141_696,
            "AliTok-XL decoder, 662 M, f32, 2.65 GB",
        ),
        ("rar_b", rar(768, 24, 48, 3072, 1024), 260_923_648, "RAR-B decoder, 261 M, f32, 1.04 GB"),
        ("rar_l", rar(1024, 24, 64, 4096, 1024), 461_668_352, "RAR-L decoder, 462 M, f32, 1.85 GB"),
        (
            "rar_xl",
            rar(1280, 32, 80, 5120, 1024),
            955_425_024,
            "RAR-XL decoder, 955 M, f32, 3.82 GB",
        ),
        (
            "rar_xxl",
            rar(1408, 40, 88, 6144, 1024),
            1_498_520_704,
            "RAR-XXL decoder, 1.50 B, f32, 5.99 GB",
        ),
    ];
    for (name, tensors, parameters, summary) in cases {
        let found = identified(&format!("{name}.safetensors"), "F32", 4, &tensors);
        assert_eq!(found.parameters, parameters, "{name}");
        assert_eq!(found.summary(), summary);
        let geometry = decoder(&found);
        assert_eq!(geometry.heads, 16);
        assert_eq!(geometry.conditioning, Conditioning::Classes(1000));
        assert_eq!(found.ignored, 0);
        assert_eq!(
            found.grid.map(|grid| (grid.rows, grid.source)),
            Some((16, GridSource::Weights))
        );
    }
    // RobusTok's files have the same names and other shapes.
    let found = identified("rar_l.safetensors", "F32", 4, &rar(1024, 24, 64, 4096, 4096));
    assert_eq!(found.name, "RobusTok RAR-L");
}

#[test]
fn llamagen_manifests_are_identified() {
    let manifests = manifests();
    let sizes = manifests["gpt"].as_object().unwrap();
    assert_eq!(sizes.len(), 9);
    for (name, facts) in sizes {
        let tensors = gpt_tensors(facts);
        let found = identified(&format!("{name}.safetensors"), "F32", 4, &tensors);
        assert_eq!(found.family, Family::LlamaGen);
        assert_eq!(found.parameters, facts["n_elements"].as_u64().unwrap());
        let number = |key: &str| facts[key].as_u64().unwrap() as usize;
        let geometry = decoder(&found);
        let read = [
            geometry.hidden,
            geometry.layers,
            geometry.heads,
            geometry.kv_heads,
            geometry.head_dim,
            geometry.inner,
        ];
        let heads = number("n_head");
        assert_eq!(
            read,
            [
                number("dim"),
                number("n_layer"),
                heads,
                heads,
                number("head_dim"),
                number("ffn_hidden")
            ]
        );
        let grid = found.grid.unwrap();
        assert_eq!((grid.rows, grid.source), (number("grid"), GridSource::FileName), "{name}");
        assert_eq!(
            matches!(geometry.conditioning, Conditioning::Classes(1000)),
            facts["model_type"] == "c2i"
        );
        let size = facts["gpt_model"].as_str().unwrap().strip_prefix("GPT-").unwrap();
        assert!(found.name.starts_with(&format!("LlamaGen-{size} (")), "{}", found.name);
    }
    let counts = [
        ("c2i_B_256", 110_888_448),
        ("c2i_3B_384", 3_096_659_200),
        ("t2i_XL_stage1_256", 777_923_840),
    ];
    for (name, parameters) in counts {
        let tensors = gpt_tensors(&sizes[name]);
        assert_eq!(
            identified("x.safetensors", "F32", 4, &tensors).parameters,
            parameters,
            "{name}"
        );
    }
    for (name, parameters, side) in [("VQ-16", 71_883_403, 16), ("VQ-8", 70_109_835, 8)] {
        let found = identified("vq.safetensors", "F32", 4, &tensors_of(&manifests["vq"][name]));
        assert_eq!(
            (found.name.as_str(), found.parameters),
            (format!("LlamaGen {name}").as_str(), parameters)
        );
        assert_eq!(found.codebook_size(), Some(16_384));
        // quantize.codebook_used is no part of the model.
        assert_eq!(found.ignored, 1);
        let Geometry::ImageTokenizer(geometry) = found.geometry else { panic!() };
        assert_eq!(geometry.pixels_per_token, side);
    }
}

#[test]
fn text_models_are_identified() {
    let found = identified("model.safetensors", "BF16", 2, &qwen2(215_672, 896, 24, 128, 4864));
    assert_eq!(found.name, "SimpleAR-0.5B");
    assert_eq!((found.parameters as f64 / 1e5).round(), 5511.0);
    assert_eq!(
        (decoder(&found).heads, decoder(&found).kv_heads, decoder(&found).head_dim),
        (14, 2, 64)
    );
    assert!(decoder(&found).tied);
    let found = identified("model.safetensors", "BF16", 2, &qwen2(215_672, 1536, 28, 256, 8960));
    assert_eq!(found.name, "SimpleAR-1.5B");
    assert_eq!(found.codebook_size(), Some(64_000));
    let found = identified("model.safetensors", "BF16", 2, &lumina());
    assert_eq!(found.summary(), "Lumina-mGPT 2.0 decoder, 7.88 B, bf16, 15.76 GB");
    assert_eq!(found.tensors.len(), 419);
    let found = identified("model.safetensors", "F32", 4, &flan_t5_xl());
    assert_eq!(found.name, "flan-t5-xl");
    assert_eq!((found.parameters as f64 / 1e7).round(), 122.0);
    assert_eq!(found.ignored, 1);
}

/// The names that a family's likeness is judged by are names of tensors that it loads.
fn assert_typical(identified: &Identified) {
    let numbers = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let pattern = |name: &str| {
        let parts = name.split('.').map(|part| if numbers(part) { "#" } else { part });
        parts.collect::<Vec<_>>().join(".")
    };
    let names: HashSet<String> =
        identified.tensors.iter().map(|tensor| pattern(&tensor.name)).collect();
    for typical in identified.family.signature().typical {
        assert!(names.contains(*typical), "{}: {typical}", identified.family);
    }
}

#[test]
fn miniatures_are_identified() {
    let cases = [
        ("alitok/model/alitok_tiny.bin", Family::AliTok, Some(96)),
        ("alitok/model/weights.safetensors", Family::AliTok, Some(96)),
        ("alitok_tokenizer/AliTok_tiny.pth", Family::AliTokTokenizer, Some(96)),
        ("rar/model/rar_tiny.bin", Family::Rar, Some(64)),
        ("rar_tokenizer/maskgit_vqgan_tiny.bin", Family::MaskGitVqgan, Some(64)),
        ("llamagen/c2i_tiny/c2i_tiny.pt", Family::LlamaGen, Some(96)),
        ("llamagen/c2i_gqa_tiny/weights.safetensors", Family::LlamaGen, Some(64)),
        ("llamagen/t2i_tiny/t2i_tiny.pt", Family::LlamaGen, Some(80)),
        ("llamagen/vq16_tiny/vq16_tiny.pt", Family::LlamaGenVq, Some(96)),
        ("llamagen/vq8_tiny/vq8_tiny.pt", Family::LlamaGenVq, Some(64)),
        ("llamagen/t5_tiny/weights.safetensors", Family::T5Encoder, None),
        ("simplear/tiny_tied", Family::SimpleAr, Some(160)),
        ("simplear/tiny_untied", Family::SimpleAr, Some(160)),
        ("simplear/cosmos/tiny_decoder.safetensors", Family::Cosmos, Some(64_000)),
        // Three numbers a code: not the published levels, whose count no tensor tells.
        ("simplear/cosmos/jit_reader.jit", Family::Cosmos, None),
        ("lumina/tiny", Family::Lumina, None),
        ("lumina/tiny_wide", Family::Lumina, None),
        ("lumina/movq/decoder.safetensors", Family::MoVqgan, Some(512)),
    ];
    for (name, family, codes) in cases {
        let opened = Opened::open(&own_golden().join(name), None).unwrap();
        assert_eq!(opened.identified.family, family, "{name}");
        assert_eq!(opened.identified.codebook_size(), codes, "{name}");
        assert_typical(&opened.identified);
    }
    let gqa = Opened::open(&own_golden().join("llamagen/c2i_gqa_tiny/weights.safetensors"), None)
        .unwrap();
    assert_eq!((decoder(&gqa.identified).heads, decoder(&gqa.identified).kv_heads), (4, 2));
    assert_eq!(
        gqa.identified.grid.map(|grid| (grid.rows, grid.source)),
        Some((6, GridSource::Config))
    );
    let untied = Opened::open(&own_golden().join("simplear/tiny_untied"), None).unwrap();
    assert!(!decoder(&untied.identified).tied);
    // Without a config.json nothing tells the heads of an unknown size.
    let error = Opened::open(&own_golden().join("llamagen/containers/model.pt"), None).unwrap_err();
    assert!(error.to_string().contains("config.json with n_head"), "{error}");
}

#[test]
fn key_prefixes_are_found_and_taken_off() {
    let tensors: Tensors = alitok(768, 24, 48, 2048)
        .into_iter()
        .map(|(name, shape)| (format!("generator.{name}"), shape))
        .chain([("step".to_owned(), vec![1])])
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    sparse_safetensors(&path, "F32", 4, &tensors);
    let opened = Opened::open(&path, None).unwrap();
    assert_eq!((opened.identified.prefix.as_str(), opened.identified.ignored), ("generator.", 1));
    assert!(opened.container.entry("norm.weight").is_some());
    for wrapper in ["module.", "module._orig_mod.", "_orig_mod.module."] {
        let wrapped: Tensors = alitok(768, 24, 48, 2048)
            .into_iter()
            .map(|(name, shape)| {
                (format!("{wrapper}{}", name.replace(".mlp.", ".mlp._fsdp_wrapped_module.")), shape)
            })
            .collect();
        sparse_safetensors(&path, "F32", 4, &wrapped);
        assert_eq!(Opened::open(&path, None).unwrap().identified.name, "AliTok-B", "{wrapper}");
    }
}

/// The first precision of a plan that is not known not to fit.
fn largest_that_fits(plan: &MemoryPlan) -> Option<Precision> {
    let fitting = plan.choices.iter().find(|choice| choice.fits != Some(false));
    fitting.map(|choice| choice.precision)
}

#[test]
fn memory_is_estimated_and_refused_with_choices() {
    const GB: u64 = 1_000_000_000;
    let manifests = manifests();
    let model = identified(
        "c2i_3B_384.safetensors",
        "F32",
        4,
        &gpt_tensors(&manifests["gpt"]["c2i_3B_384"]),
    );
    let run = RunSize { rows: 4, positions: 577 };
    let need = |precision| Footprint::of(&model, None, None, precision).need(run);
    // Every weight of this model is a matrix, a table or a norm: 4, 2 and about 1 byte.
    assert_eq!(need(Precision::F32).weights, 3_096_659_200 * 4);
    let norms = 49 * 3200;
    assert_eq!(need(Precision::Bf16).weights, (3_096_659_200 - norms) * 2 + norms * 4);
    assert!((3.1e9..3.3e9).contains(&(need(Precision::Int8).weights as f64)));
    assert_eq!(need(Precision::F32).caches, 4 * 577 * 24 * 2 * 3200 * 4);
    let plan = memory::plan(&model, None, None, run, Some(10 * GB));
    assert_eq!(largest_that_fits(&plan), Some(Precision::Bf16));
    assert!(plan.check(&model.name, Precision::Bf16).is_ok());
    let message = plan.check(&model.name, Precision::F32).unwrap_err().to_string();
    assert!(message.contains("10.00 GB are free; choose bf16 ("), "{message}");
    assert!(message.contains("or int8 ("), "{message}");
    let plan = memory::plan(&model, None, None, run, Some(GB));
    assert_eq!(largest_that_fits(&plan), None);
    let message = plan.check(&model.name, Precision::Int8).unwrap_err().to_string();
    assert!(message.contains("even the smallest precision needs"), "{message}");
    let plan = memory::plan(&model, None, None, run, None);
    assert!(plan.check(&model.name, Precision::F32).is_ok());
    // The text encoder counts against the peak alone; a tied model keeps its head a second time.
    let t2i = identified(
        "t2i_XL.safetensors",
        "F32",
        4,
        &gpt_tensors(&manifests["gpt"]["t2i_XL_stage1_256"]),
    );
    let t5 = identified("model.safetensors", "F32", 4, &flan_t5_xl());
    for (precision, bytes_each) in [(Precision::F32, 4), (Precision::Bf16, 2), (Precision::Int8, 2)]
    {
        let with = Footprint::of(&t2i, None, Some(&t5), precision).need(run);
        let without = Footprint::of(&t2i, None, None, precision).need(run);
        assert_eq!(with.weights, without.weights);
        assert_eq!(with.text_encoder, bytes_each * t5.parameters);
        assert!(with.peak > without.peak + GB);
    }
    let tied = identified("model.safetensors", "BF16", 2, &qwen2(215_672, 896, 24, 128, 4864));
    let weights = Footprint::of(&tied, None, None, Precision::F32).need(run).weights;
    assert_eq!(weights, (tied.parameters + 64_000 * 896) * 4);
    #[cfg(target_os = "linux")]
    assert!(memory::free_memory().is_some_and(|bytes| bytes > 0));
}
