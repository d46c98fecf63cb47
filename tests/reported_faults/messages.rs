//! What messages say: no call stacks, no raw texts of libraries, the file that it is about.

use crate::open_support::*;
use crate::program::program;
use softcfg_studio::opening::opened::Opened;
use softcfg_studio::opening::request::OpenRequest;
use std::fs;

// Source: found in use: candle's call stack stood inside a message.
#[test]
fn a_person_who_asks_for_backtraces_reads_a_message_of_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let request = caption_model(folder.path());
    let encoder = folder.path().join("flan-t5-xl/model.safetensors");
    let source = golden("llamagen/t5_tiny/weights.safetensors");
    with_not_a_number(&source, &encoder, "encoder.block.0.layer.0.SelfAttention.q.weight");
    let tokenizer = request.tokenizer.unwrap();
    let arguments =
        ["generate", "--model", "t2i.safetensors", "--prompt", "a red cat", "--out", "out"];
    let mut command = program(folder.path(), &arguments);
    command.arg("--tokenizer").arg(tokenizer).env("RUST_BACKTRACE", "1");
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(message.contains("NaN") && message.contains("model.safetensors"), "{message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    assert!(!message.contains("candle"), "{message}");
}

// Source: found in use: "GroupNorm: num_groups (32) must divide num_channels (…)".
#[test]
fn a_person_opens_an_image_tokenizer_whose_sizes_do_not_fit_its_norms() {
    let folder = tempfile::tempdir().unwrap();
    let vq = folder.path().join("vq_ds16_c2i.pt");
    // Without its config.json the groups of its norms are the published 32.
    fs::copy(golden("llamagen/vq16_tiny/vq16_tiny.pt"), &vq).unwrap();
    let mut request = OpenRequest::new([golden("llamagen/c2i_tiny/c2i_tiny.pt")]);
    request.tokenizer = Some(vq);
    let message = message(&request);
    assert!(message.contains("32") && message.contains("groups"), "{message}");
    assert!(message.contains(';') && message.ends_with("vq_ds16_c2i.pt"), "{message}");
    assert!(!message.contains("num_groups"), "{message}");
}

// Source: found in use: a copy in 8-bit floats was "none of the models that the program draws with".
#[test]
fn a_person_opens_a_copy_in_8_bit_floats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensors = [("model.embed_tokens.weight".to_owned(), vec![96, 64])];
    for dtype in ["F8_E4M3", "I8"] {
        crate::checkpoint_support::sparse_safetensors(&path, dtype, 1, &tensors);
        let message = Opened::open(&path, None).unwrap_err().to_string();
        let says = message.contains(dtype) && message.contains("convert it to f32, f16 or bf16");
        assert!(says, "{message}");
    }
}
