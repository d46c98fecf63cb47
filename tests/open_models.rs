//! From files to a decoded image through [`softcfg_studio::opening::open`]: every family by its
//! miniature, and what is refused before weights are read.

mod open_support;

use open_support::*;
use softcfg_studio::checkpoint::LoadProgress;
use softcfg_studio::compute::layout::StepKind;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::engine::Event;
use softcfg_studio::engine::worker::{Engine, EngineOptions};
use softcfg_studio::guidance::Preset;
use softcfg_studio::models::card::Conditions;
use softcfg_studio::opening::builtin;
use softcfg_studio::opening::request::{OpenRequest, SystemResources};
use softcfg_studio::opening::{offer, open};
use softcfg_studio::prompts::condition::Condition;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[test]
fn alitok_draws_its_prefix_and_its_grid() {
    for (decoder, tokenizer) in [
        ("alitok/model/alitok_tiny.bin", "alitok_tokenizer/AliTok_tiny.pth"),
        ("alitok/model/weights.safetensors", "alitok_tokenizer/weights.safetensors"),
    ] {
        let model = open_pair(decoder, tokenizer);
        assert_eq!(model.card.layout.len(), 273);
        assert_eq!(model.card.layout.prefix_len(), 17);
        assert!(matches!(&model.card.conditions, Conditions::Classes(all) if all.len() == 10));
        let image = decodes_deterministically(&model, &Condition::Class(3));
        assert_eq!(image.dimensions(), (256, 256));
    }
}

#[test]
fn the_container_does_not_change_the_tokens() {
    let tokens = |decoder: &str| {
        let model = open_pair(decoder, "alitok_tokenizer/AliTok_tiny.pth");
        (decode(&model, &Condition::Class(1)).tokens(0, 273), model.card.identity.sha256.clone())
    };
    let (archive, safetensors) =
        (tokens("alitok/model/alitok_tiny.bin"), tokens("alitok/model/weights.safetensors"));
    assert_eq!(archive.0, safetensors.0);
    assert_ne!(archive.1, safetensors.1, "other files have another identity");
    assert_eq!(archive.1.len(), 64);
}

#[test]
fn rar_draws_classes() {
    for (decoder, tokenizer) in [
        ("rar/model/rar_tiny.bin", "rar_tokenizer/maskgit_vqgan_tiny.bin"),
        ("rar/model/weights.safetensors", "rar_tokenizer/weights.safetensors"),
    ] {
        let model = open_pair(decoder, tokenizer);
        assert_eq!((model.card.layout.len(), model.card.layout.prefix_len()), (64, 0));
        let image = decodes_deterministically(&model, &Condition::Class(9));
        assert_eq!(image.dimensions(), (128, 128));
        assert_eq!(model.card.identity.family, "RAR");
        assert!(!model.card.live);
    }
}

#[test]
fn llamagen_draws_classes_from_every_container() {
    for (decoder, tokenizer) in [
        ("llamagen/c2i_tiny/c2i_tiny.pt", "llamagen/vq16_tiny/vq16_tiny.pt"),
        ("llamagen/c2i_tiny/weights.safetensors", "llamagen/vq16_tiny/weights.safetensors"),
        ("llamagen/c2i_gqa_tiny/weights.safetensors", "llamagen/vq8_tiny/vq8_tiny.pt"),
    ] {
        let model = open_pair(decoder, tokenizer);
        let image = decodes_deterministically(&model, &Condition::Class(2));
        let (grid, side) =
            (model.card.layout.rows() as u32, model.card.tokenizer.pixels_per_token as u32);
        assert_eq!(image.dimensions(), (grid * side, grid * side));
        // The authors' top-k keeps every code of so small a model.
        assert_eq!(model.card.defaults.sampling.top_k, None);
        assert!(!model.card.defaults.source.is_empty());
    }
}

#[test]
fn another_grid_is_another_model() {
    let pair = ("llamagen/c2i_tiny/c2i_tiny.pt", "llamagen/vq16_tiny/vq16_tiny.pt");
    let mut request = request(pair.0, pair.1);
    request.grid = Some((4, 4));
    let small = open_with(&request).unwrap();
    assert_eq!(small.card.layout.len(), 16);
    assert_ne!(small.card.identity, open_pair(pair.0, pair.1).card.identity);
    request.grid = Some((4, 6));
    assert!(message(&request).contains("square"));
    request.grid = Some((0, 4));
    assert!(message(&request).contains("1 to 256"));
    let mut fixed = self::request("rar/model/rar_tiny.bin", "rar_tokenizer/weights.safetensors");
    fixed.grid = Some((16, 16));
    assert!(message(&fixed).contains("8 × 8"), "{}", message(&fixed));
}

#[test]
fn the_built_in_folder_opens_as_the_built_in_model() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/emoji-scenes");
    let opened = open_with(&OpenRequest::new([folder.join("model.safetensors")])).unwrap();
    let inside = builtin::load().unwrap();
    let prompt =
        Condition::Prompt { text: "a cat left of a red car on blue".into(), negative: None };
    assert_eq!(opened.card.identity.precision, Precision::Bf16, "as in the file");
    assert_eq!(opened.card.identity.sha256, inside.card.identity.sha256);
    let steps = inside.card.layout.len();
    let (a, b) = (decode(&opened, &prompt), decode(&inside, &prompt));
    for lane in 0..2 {
        assert_eq!(a.tokens(lane, steps), b.tokens(lane, steps));
    }
}

#[test]
fn lumina_draws_rows_with_forced_ends() {
    let folder = tempfile::tempdir().unwrap();
    let model = open_with(&lumina_request(folder.path(), (4, 8))).unwrap();
    assert_eq!((model.card.layout.rows(), model.card.layout.columns()), (4, 8));
    assert_eq!(model.card.layout.len(), 4 * 9);
    let prompt = Condition::Prompt { text: "a red cat".into(), negative: None };
    let image = decodes_deterministically(&model, &prompt);
    assert_eq!(image.dimensions(), (64, 32));
    let record = decode(&model, &prompt);
    for (step, kind) in model.card.layout.steps().iter().enumerate() {
        assert_eq!(record.lane(0)[step].forced, matches!(kind, StepKind::RowEnd { .. }));
    }
}

#[test]
fn simple_ar_draws_with_cosmos() {
    let folder = tempfile::tempdir().unwrap();
    let decoder = simple_ar_with_cosmos_codes(folder.path());
    let model = open_with(&simple_ar_request(decoder)).unwrap();
    assert_eq!(model.card.decoder.codebook_size, 64_000);
    let prompt = Condition::Prompt { text: "a red cat".into(), negative: None };
    let image = decodes_deterministically(&model, &prompt);
    assert_eq!(image.width() * 3, image.height() * 4);
}

#[test]
fn llamagen_draws_captions_with_t5() {
    let folder = tempfile::tempdir().unwrap();
    let request = caption_model(folder.path());
    let model = open_with(&request).unwrap();
    assert!(matches!(&model.card.conditions, Conditions::Prompts(_)));
    let prompt = |text: &str| Condition::Prompt { text: text.into(), negative: None };
    let image = decodes_deterministically(&model, &prompt("a red cat"));
    assert_eq!(image.width(), image.height());
    // The prompt matters, and an encoded prompt is remembered: its encoder may be gone.
    let steps = model.card.layout.len();
    let cat = decode(&model, &prompt("a red cat")).lane(0);
    let dog = decode(&model, &prompt("a blue dog")).lane(0);
    assert!((0..steps).any(|s| cat[s].top_conditional != dog[s].top_conditional));
    std::fs::remove_file(folder.path().join("flan-t5-xl/model.safetensors")).unwrap();
    assert_eq!(decode(&model, &prompt("a red cat")).lane(0)[5].token, cat[5].token);
    let new = decode_any(&model, &prompt("a dog"));
    // A new one needs the file again: the encoder was freed after the prompt before.
    assert!(format!("{:?}", new.status()).contains("model.safetensors"), "{:?}", new.status());
}

#[test]
fn a_tokenizer_of_another_family_or_size_is_refused() {
    for (decoder, tokenizer, says) in [
        ("alitok/model/alitok_tiny.bin", "rar_tokenizer/weights.safetensors", "64"),
        ("rar/model/rar_tiny.bin", "alitok_tokenizer/AliTok_tiny.pth", "96"),
        ("llamagen/c2i_tiny/c2i_tiny.pt", "alitok_tokenizer/AliTok_tiny.pth", "belong"),
        ("llamagen/c2i_tiny/c2i_tiny.pt", "llamagen/vq8_tiny/vq8_tiny.pt", "64"),
    ] {
        let message = message(&request(decoder, tokenizer));
        assert!(message.contains(says) && message.contains("tokenizer"), "{decoder}: {message}");
    }
    // Lumina's files do not tell their number of codes: the pair is compared once both are there.
    let mut lumina = request("lumina/tiny", "lumina/movq/decoder.safetensors");
    lumina.grid = Some((4, 8));
    assert!(message(&lumina).contains("512 codes"), "{}", message(&lumina));
}

#[test]
fn what_is_missing_is_named_with_its_source() {
    for (path, names) in [
        ("alitok/model/alitok_tiny.bin", &["AliTok.pth", "Google Drive"][..]),
        ("rar/model", &["maskgit-vqgan-imagenet-f16-256.bin", "fun-research/TiTok"]),
        ("llamagen/c2i_tiny/c2i_tiny.pt", &["vq_ds16_c2i.pt", "LlamaGen README"]),
        ("llamagen/t2i_tiny/t2i_tiny.pt", &["vq_ds16_t2i.pt", "flan-t5-xl"]),
        ("lumina/tiny", &["movqgan_270M.ckpt"]),
    ] {
        let request = OpenRequest::new([golden(path)]);
        let message = message(&request);
        let offer = offer::survey(&request, &SystemResources::default()).unwrap();
        assert!(!offer.is_complete() && !offer.missing.is_empty());
        for part in &offer.missing {
            assert!(message.contains(&part.to_string()), "{part} is not in: {message}");
        }
        for name in names {
            assert!(message.contains(name), "{path}: {message}");
        }
    }
    let tokenizer = OpenRequest::new([golden("rar_tokenizer/weights.safetensors")]);
    let offer = offer::survey(&tokenizer, &SystemResources::default()).unwrap();
    assert!(offer.without_decoder && !offer.is_complete());
    let alone = message(&tokenizer);
    assert!(alone.contains("choose a decoder"), "{alone}");
}

#[test]
fn too_little_memory_is_refused_with_what_would_fit() {
    let mut request = request("alitok/model/alitok_tiny.bin", "alitok_tokenizer/AliTok_tiny.pth");
    let offer = offer::survey(&request, &SystemResources::default()).unwrap();
    let peak = |precision| offer.peak(precision).unwrap();
    assert!(peak(Precision::F32) > peak(Precision::Bf16));
    assert!(offer.precisions.iter().all(|choice| choice.fits.is_none()));
    let with = |request: &OpenRequest, free: u64| {
        let resources = SystemResources { free_memory: Some(free), ..SystemResources::default() };
        open::open(request, &resources, &Arc::default())
    };
    let refusal = with(&request, peak(Precision::Bf16)).err().unwrap().to_string();
    assert!(refusal.contains("choose bf16") && refusal.contains("f32"), "{refusal}");
    request.precision = Some(Precision::Bf16);
    let model = with(&request, peak(Precision::Bf16)).unwrap();
    assert_eq!(model.card.identity.precision, Precision::Bf16);
    let refusal = with(&request, 1_000_000).err().unwrap().to_string();
    assert!(refusal.contains("even the smallest"), "{refusal}");
}

#[test]
fn where_eight_bit_weights_do_not_fit_a_smaller_grid_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = folder.path().join("movqgan.safetensors");
    let movq = golden("lumina/movq/decoder.safetensors");
    with_codes(&movq, &tokenizer, "quantize.embedding.weight", 96);
    let mut request = OpenRequest::new([golden("lumina/tiny")]);
    request.tokenizer = Some(tokenizer);
    request.precision = Some(Precision::Int8);
    let peak = |grid: (usize, usize)| {
        let request = OpenRequest { grid: Some(grid), ..request.clone() };
        let offer = offer::survey(&request, &SystemResources::default()).unwrap();
        offer.peak(Precision::Int8).unwrap()
    };
    // Room for 16 × 16 tokens at 8 bits and not for the 64 × 64 that are asked for.
    let resources =
        SystemResources { free_memory: Some(peak((16, 16)) + 1000), ..SystemResources::default() };
    assert!(peak((64, 64)) > peak((16, 16)) + 1_000_000);
    request.grid = Some((64, 64));
    let refusal = open::open(&request, &resources, &Arc::default()).err().unwrap().to_string();
    assert!(refusal.contains("even the smallest precision needs"), "{refusal}");
    assert!(refusal.contains("a grid of 16 × 16 would fit at int8"), "{refusal}");
    // What it names is accepted: nothing but the model's positions may be in the way.
    request.grid = Some((16, 16));
    let outcome = open::open(&request, &resources, &Arc::default());
    let message = outcome.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(!message.contains("are free"), "{message}");
}

#[test]
fn eight_bit_weights_draw_too() {
    let mut request = request("rar/model/rar_tiny.bin", "rar_tokenizer/weights.safetensors");
    request.precision = Some(Precision::Int8);
    let model = open_with(&request).unwrap();
    decodes_deterministically(&model, &Condition::Class(4));
}

#[test]
fn progress_counts_bytes_and_cancels() {
    let request = request("alitok/model/alitok_tiny.bin", "alitok_tokenizer/AliTok_tiny.pth");
    let progress = Arc::new(LoadProgress::default());
    open::open(&request, &SystemResources::default(), &progress).unwrap();
    assert!(progress.done() >= progress.total() && progress.total() > 500_000);
    let cancelled = Arc::new(LoadProgress::default());
    cancelled.cancel();
    let error = open::open(&request, &SystemResources::default(), &cancelled).err().unwrap();
    assert!(error.to_string().contains("cancelled"), "{error}");
}

#[test]
fn damaged_weights_are_named_with_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("rar_damaged.safetensors");
    std::fs::copy(golden("rar/model/config.json"), folder.path().join("config.json")).unwrap();
    let name = "blocks.1.attn.proj.weight";
    with_not_a_number(&golden("rar/model/weights.safetensors"), &damaged, name);
    let mut request = OpenRequest::new([damaged]);
    request.tokenizer = Some(golden("rar_tokenizer/weights.safetensors"));
    let message = message(&request);
    assert!(message.starts_with("tensor blocks.1.attn.proj.weight holds 1 value"), "{message}");
    assert!(message.ends_with("rar_damaged.safetensors"), "{message}");
}

fn engine() -> Engine {
    Engine::start(EngineOptions { decoder_threads: Some(1), waker: Arc::new(|| ()) }).unwrap()
}

/// Events up to the one that ends a request.
fn until_end(engine: &Engine) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = engine.wait(Duration::from_secs(60)).expect("the loader answers");
        let progress = matches!(event, Event::LoadProgress { .. });
        events.push(event);
        if !progress {
            return events;
        }
    }
}

#[test]
fn the_engine_opens_and_keeps_the_old_model_when_it_cannot() {
    let engine = engine();
    engine.open_model(request("rar/model/rar_tiny.bin", "rar_tokenizer/weights.safetensors"));
    let events = until_end(&engine);
    assert!(matches!(&events[0], Event::LoadProgress { fraction, .. } if *fraction == 0.0));
    let Some(Event::ModelReady(card)) = events.last() else { panic!("no model") };

    engine.survey_model(OpenRequest::new([golden("alitok/model/alitok_tiny.bin")]));
    let found = until_end(&engine);
    let Some(Event::ModelFound(offer)) = found.last() else { panic!("nothing found") };
    assert!(offer.found[0].summary.contains("AliTok") && !offer.missing.is_empty());
    assert!(offer.reclaimable > 100_000, "closing the model in use frees {}", offer.reclaimable);

    engine.open_model(OpenRequest::new([golden("alitok/model/nothing.bin")]));
    let failed = until_end(&engine);
    let Some(Event::ModelFailed { message }) = failed.last() else { panic!("it opened") };
    assert!(message.contains("nothing.bin"), "{message}");

    // The model of before still draws.
    let spec = settings(card, &Condition::Class(1), vec![Preset::Cfg]);
    let record = engine.generate(spec);
    while !record.status().is_over() {
        engine.wait(Duration::from_secs(60)).expect("the run goes on");
    }
    assert_eq!(record.steps_done(), 64);
}

#[test]
fn a_load_that_is_cancelled_says_so_and_loads_nothing() {
    let engine = engine();
    // The second waits for the first: it is cancelled before it begins.
    engine.load(|| {
        std::thread::sleep(Duration::from_millis(200));
        Ok(builtin::load()?)
    });
    engine.open_model(request("rar/model/rar_tiny.bin", "rar_tokenizer/weights.safetensors"));
    engine.cancel_load();
    assert!(matches!(until_end(&engine).last(), Some(Event::ModelReady(_))));
    assert!(matches!(until_end(&engine).last(), Some(Event::LoadCancelled)));
    // The one that is open draws on; nothing else is reported.
    assert!(engine.wait(Duration::from_millis(100)).is_none());
}
