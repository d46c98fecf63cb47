//! Pairs of decoders and tokenizers, companions beside the model and in the cache, folders.

use super::*;

fn golden_paths(names: &[&str]) -> Vec<PathBuf> {
    names.iter().map(|name| own_golden().join(name)).collect()
}

fn inspected(names: &[&str]) -> Result<Inspection, CheckpointError> {
    inspect(&golden_paths(names), &InspectOptions::default())
}

#[test]
fn chosen_pairs_are_checked() {
    for pair in [
        ["alitok/model/alitok_tiny.bin", "alitok_tokenizer/AliTok_tiny.pth"],
        ["rar_tokenizer/maskgit_vqgan_tiny.bin", "rar/model/rar_tiny.bin"],
        ["llamagen/c2i_tiny/c2i_tiny.pt", "llamagen/vq16_tiny/vq16_tiny.pt"],
        ["llamagen/c2i_gqa_tiny/weights.safetensors", "llamagen/vq8_tiny/vq8_tiny.pt"],
    ] {
        let found = inspected(&pair).unwrap();
        assert!(found.complete().is_ok(), "{pair:?}");
        assert_eq!(found.summary().len(), 2);
    }
    for (pair, part) in [
        (
            ["alitok/model/alitok_tiny.bin", "rar_tokenizer/maskgit_vqgan_tiny.bin"],
            "draws 96 codes and MaskGIT-VQGAN knows 64",
        ),
        // Equal code counts do not make a pair.
        (["alitok/model/alitok_tiny.bin", "llamagen/vq16_tiny/vq16_tiny.pt"], "does not belong to"),
        (
            ["simplear/tiny_tied", "simplear/cosmos/tiny_decoder.safetensors"],
            "draws 160 codes and Cosmos DV knows 64000",
        ),
        (["alitok/model/alitok_tiny.bin", "rar/model/rar_tiny.bin"], "two models of one kind"),
    ] {
        let error = inspected(&pair).unwrap_err();
        assert!(matches!(error, CheckpointError::Mismatch { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
    let t2i = inspected(&["llamagen/t2i_tiny/t2i_tiny.pt", "llamagen/t5_tiny/weights.safetensors"])
        .unwrap();
    assert!(t2i.text_encoder.is_some());
    assert_eq!(t2i.missing.len(), 1);
    let only = inspected(&["alitok_tokenizer/AliTok_tiny.pth"]).unwrap();
    assert!(only.complete().unwrap_err().to_string().contains("choose a decoder"));
}

fn copy(from: &str, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(own_golden().join(from), to).unwrap();
}

/// RAR's miniature alone in a folder.
fn rar_alone() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model/rar_tiny.bin");
    copy("rar/model/rar_tiny.bin", &path);
    (folder, path)
}

#[test]
fn companions_are_found_or_named() {
    let (_folder, path) = rar_alone();
    let found = inspect(&[path], &InspectOptions::default()).unwrap();
    let message = found.complete().unwrap_err().to_string();
    assert!(message.contains("maskgit-vqgan-imagenet-f16-256.bin"), "{message}");
    assert!(message.contains("fun-research/TiTok"), "{message}");

    const TOKENIZER: &str = "rar_tokenizer/maskgit_vqgan_tiny.bin";
    for place in [
        "model/maskgit-vqgan-imagenet-f16-256.bin",
        "model/weights/maskgit-vqgan-imagenet-f16-256.bin",
        "maskgit-vqgan-imagenet-f16-256.bin",
        // Under another name it is known by its contents.
        "model/renamed.bin",
        "model/weights/renamed.bin",
    ] {
        let (folder, path) = rar_alone();
        copy(TOKENIZER, &folder.path().join(place));
        let found = inspect(&[path], &InspectOptions::default()).unwrap();
        assert!(found.complete().is_ok(), "{place}");
    }
    // Another family's tokenizer beside it is left out, with the reason.
    let (folder, path) = rar_alone();
    copy("alitok_tokenizer/AliTok_tiny.pth", &folder.path().join("model/AliTok.pth"));
    let found = inspect(&[path], &InspectOptions::default()).unwrap();
    assert!(found.complete().is_err());
    assert!(found.notes[0].contains("AliTok.pth was left out"), "{:?}", found.notes);
}

#[cfg(unix)]
#[test]
fn the_cache_of_hugging_face_is_searched() {
    let (folder, path) = rar_alone();
    let cache = folder.path().join("hub");
    let model = cache.join("models--fun-research--TiTok");
    copy("rar_tokenizer/maskgit_vqgan_tiny.bin", &model.join("blobs/abc"));
    let snapshot = model.join("snapshots/0123");
    fs::create_dir_all(&snapshot).unwrap();
    std::os::unix::fs::symlink(
        "../../blobs/abc",
        snapshot.join("maskgit-vqgan-imagenet-f16-256.bin"),
    )
    .unwrap();
    for with_reference in [false, true] {
        if with_reference {
            fs::create_dir(model.join("refs")).unwrap();
            fs::write(model.join("refs/main"), "0123").unwrap();
            fs::create_dir(model.join("snapshots/9999")).unwrap();
        }
        let options = InspectOptions { caches: vec![cache.clone()], ..InspectOptions::default() };
        let found = inspect(std::slice::from_ref(&path), &options).unwrap();
        assert!(found.complete().is_ok());
    }
    // A sharded model behind links, chosen as the cache's folder.
    let model = cache.join("models--someone--lumina");
    let snapshot = model.join("snapshots/77");
    fs::create_dir_all(&snapshot).unwrap();
    for entry in fs::read_dir(own_golden().join("lumina/tiny")).unwrap() {
        let from = entry.unwrap().path();
        let name = from.file_name().unwrap().to_str().unwrap();
        copy(&format!("lumina/tiny/{name}"), &model.join("blobs").join(name));
        std::os::unix::fs::symlink(format!("../../blobs/{name}"), snapshot.join(name)).unwrap();
    }
    for chosen in [&model, &snapshot, &snapshot.join("model-00002-of-00002.safetensors")] {
        let found = inspect(std::slice::from_ref(chosen), &InspectOptions::default()).unwrap();
        let decoder = found.decoder.unwrap();
        assert_eq!(decoder.identified.family, Family::Lumina);
        assert!(decoder.config.text_tokens().is_some());
        assert!(decoder.container.tensor("model.norm.weight").is_ok());
    }
}

#[test]
fn folders_are_recognised_whole() {
    let folder = tempfile::tempdir().unwrap();
    copy("alitok/model/alitok_tiny.bin", &folder.path().join("alitok_x.bin"));
    copy("alitok_tokenizer/AliTok_tiny.pth", &folder.path().join("AliTok.pth"));
    let choose = || inspect(&[folder.path().to_path_buf()], &InspectOptions::default());
    assert!(choose().unwrap().complete().is_ok());
    // The same weights in another container, and files that are no weights, do no harm.
    copy("alitok/model/weights.safetensors", &folder.path().join("weights.safetensors"));
    copy("alitok_tokenizer/expected.safetensors", &folder.path().join("expected.safetensors"));
    assert!(choose().unwrap().complete().is_ok());
    copy("rar/model/rar_tiny.bin", &folder.path().join("rar_x.bin"));
    let error = choose().unwrap_err();
    assert!(error.to_string().contains("two models of one kind"), "{error}");
    // The layout of the built-in model.
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/emoji-scenes");
    let found = inspect(&[assets], &InspectOptions::default()).unwrap();
    assert!(found.complete().is_ok());
    assert_eq!(found.decoder.unwrap().identified.codebook_size(), Some(2560));
    assert_eq!(found.tokenizer.unwrap().identified.family, Family::FsqConv);
}

#[test]
fn a_foreign_text_tokenizer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["model.safetensors", "config.json"] {
        copy(&format!("simplear/tiny_tied/{name}"), &folder.path().join(name));
    }
    let choose = || inspect(&[folder.path().to_path_buf()], &InspectOptions::default());
    let message = choose().unwrap().complete().unwrap_err().to_string();
    assert!(message.contains("tokenizer.json"), "{message}");
    let tokenizer = r#"{"model":{"vocab":{"a":0,"b":999}},"added_tokens":[{"id":3}]}"#;
    fs::write(folder.path().join("tokenizer.json"), tokenizer).unwrap();
    let error = choose().unwrap_err();
    assert!(error.to_string().contains("has 1000 ids and"), "{error}");
    // Fewer ids than the model's leave another number of codes, which the image tokenizer refuses.
    fs::write(folder.path().join("tokenizer.json"), tokenizer.replace("999", "90")).unwrap();
    assert_eq!(choose().unwrap().decoder.unwrap().identified.codebook_size(), Some(117));
}

/// The MoVQGAN miniature as its authors publish the model: a pickle with the encoder beside it, flat or
/// under `state_dict`.
fn movqgan_ckpt(folder: &Path, nested: bool) -> PathBuf {
    let bytes = fs::read(own_golden().join("lumina/movq/decoder.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let encoder = [0; 2 * 32 * 3 * 9];
    let encoder = ("encoder.conv_in.weight".to_owned(), vec![32, 3, 3, 3], &encoder[..]);
    let tensors = file.tensors();
    let tensors = tensors.iter().map(|(name, view)| {
        assert_eq!(view.dtype(), safetensors::Dtype::F16);
        (name.clone(), view.shape().to_vec(), view.data())
    });
    let (mut entries, mut blocks) = (Vec::new(), Vec::new());
    for (index, (name, shape, data)) in tensors.chain([encoder]).enumerate() {
        let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
        let strides: Vec<i64> =
            (1..=shape.len()).map(|axis| shape[axis..].iter().product()).collect();
        let stored = storage("HalfStorage", &index.to_string(), shape.iter().product());
        entries.push((name, tensor(stored, 0, &shape, &strides)));
        blocks.push(data);
    }
    let entries: Vec<(&str, Vec<u8>)> =
        entries.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect();
    let state = dict(&entries);
    let state = if nested { dict(&[("epoch", int(3)), ("state_dict", state)]) } else { state };
    write(folder, "movqgan_270M.ckpt", &torch_bytes(&pickle(state), &blocks))
}

#[test]
fn the_ckpt_of_movqgan_is_recognised_and_paired() {
    for nested in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let ckpt = movqgan_ckpt(folder.path(), nested);
        let found = inspect(std::slice::from_ref(&ckpt), &InspectOptions::default()).unwrap();
        let tokenizer = found.tokenizer.unwrap().identified;
        assert_eq!((tokenizer.family, tokenizer.codebook_size()), (Family::MoVqgan, Some(512)));
        // The miniature of Lumina has fewer words than this one has codes.
        let lumina = own_golden().join("lumina/tiny");
        let error = inspect(&[lumina, ckpt], &InspectOptions::default()).unwrap_err();
        assert!(error.to_string().contains("without room for the 512 codes"), "{error}");
        // Alone in its folder it is what was chosen.
        let alone = inspect(&[folder.path().to_path_buf()], &InspectOptions::default()).unwrap();
        assert_eq!(alone.tokenizer.unwrap().identified.family, Family::MoVqgan, "{nested}");
    }
    // The eight tensors of the golden containers are no whole model: they say what is missing.
    let error = inspected(&["lumina/movq/container_flat.ckpt"]).unwrap_err().to_string();
    assert!(error.contains("most like MoVQGAN") && error.contains("is missing"), "{error}");
}

#[test]
fn another_decoder_beside_the_chosen_one_is_told_apart() {
    let (folder, path) = rar_alone();
    copy("alitok/model/alitok_tiny.bin", &folder.path().join("model/alitok_tiny.bin"));
    let found = inspect(&[path], &InspectOptions::default()).unwrap();
    assert!(found.notes[0].contains("holds a decoder too"), "{:?}", found.notes);
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
}
