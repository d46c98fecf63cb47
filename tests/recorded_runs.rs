//! Ten calls of `generate`, recorded with version 0.1.0 (commit 7dbc1c0): whatever is rebuilt, the same
//! call draws the same tokens and measures the same numbers, byte for byte.
//!
//! `tests/recorded/NAME/` holds the trace, the images and `run.json`. Traces are compared byte for byte with
//! AVX2, which AVX-512 agrees with to the bit; other instruction sets add in another order, and the tokens
//! are compared there. Pixels may differ by one level, because the matrix library behind some image tokenizers
//! chooses its own instructions. `SOFTCFG_RECORD=1` writes the files anew; that is right only where the
//! numbers are meant to change.

mod open_support;

use flate2::read::GzDecoder;
use flate2::{Compression, write::GzEncoder};
use open_support::{caption_model, golden, lumina_request, simple_ar_with_cosmos_codes};
use softcfg_studio::export::png::DESCRIPTION_KEYWORD;
use softcfg_studio::export::run_json::{FORMAT, RunDescription};
use softcfg_studio::opening::request::OpenRequest;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::tempdir;

/// Where a call's model comes from.
type Files = fn(&Path) -> Option<OpenRequest>;

/// Name, model, settings.
const CALLS: [(&str, Files, &str); 10] = [
    (
        "builtin_pair_delta_context",
        |_| None,
        "--prompt|a cat left of a red car on blue|--seed|7|--delta-context|--guidance-scale|4\
         |--cosine-power|1.4|--temperature|1",
    ),
    (
        "builtin_four_lanes",
        |_| None,
        "--prompt|two stars on black|--seed|3|--lanes|none,cfg,softcfg,softcfg-no-step-norm|--guidance-scale|6\
         |--cosine-power|0.8|--top-k|500|--temperature|0.9",
    ),
    (
        "builtin_exact_key_value",
        |_| None,
        "--prompt|a fox above a pizza on green|--seed|3|--cache|exact|--perturb|key-value|--confidence|one-minus-entropy|--top-p|0.95\
         |--delta-context|--repetition-penalty|1.1|--guidance-scale|4|--cosine-power|1.4|--temperature|1",
    ),
    (
        "alitok_released_code",
        |_| pair("alitok/model/alitok_tiny.bin", "alitok_tokenizer/AliTok_tiny.pth"),
        "--class|3|--precision|f32|--variant|released-code|--strength|0.5|--schedule|authors",
    ),
    (
        "rar_key_no_step_norm",
        |_| pair("rar/model/rar_tiny.bin", "rar_tokenizer/maskgit_vqgan_tiny.bin"),
        "--class|7|--seed|3|--precision|bf16|--perturb|key|--no-step-norm|--lanes|softcfg,cfg",
    ),
    (
        "llamagen_interval",
        |_| pair("llamagen/c2i_tiny/c2i_tiny.pt", "llamagen/vq16_tiny/vq16_tiny.pt"),
        "--class|3|--precision|f32|--schedule|authors|--guidance-interval|2|--confidence|sampled-probability|--delta-context",
    ),
    (
        "llamagen_caption",
        |folder| Some(caption_model(folder)),
        "--prompt|a red cat|--precision|f32|--negative-prompt|a blue dog|--cache|exact",
    ),
    (
        "simple_ar_cosmos",
        |folder| {
            let mut request = OpenRequest::new([simple_ar_with_cosmos_codes(folder)]);
            request.tokenizer = Some(golden("simplear/cosmos/tiny_decoder.safetensors"));
            request.grid = Some((3, 4));
            Some(request)
        },
        "--prompt|a red cat|--precision|int8|--unconditional|training|--schedule|authors|--delta-context",
    ),
    (
        "lumina_row_ends",
        |folder| Some(lumina_request(folder, (4, 8))),
        "--prompt|a red cat|--precision|f32|--schedule|authors|--guidance-scale|10|--delta-context",
    ),
    (
        "lumina_exact_guided_confidence",
        |folder| Some(lumina_request(folder, (4, 8))),
        "--prompt|a blue dog|--precision|bf16|--cache|exact|--confidence|guided-max|--guidance-scale|3|--lanes|cfg,softcfg-no-step-norm,none",
    ),
];

fn pair(decoder: &str, tokenizer: &str) -> Option<OpenRequest> {
    let mut request = OpenRequest::new([golden(decoder)]);
    request.tokenizer = Some(golden(tokenizer));
    Some(request)
}

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded").join(name)
}

/// Whether the recorded instruction set is here.
fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Runs a call in `folder` and returns the folder of its results.
fn generate(folder: &Path, model: Option<OpenRequest>, settings: &str) -> PathBuf {
    let mut command = Command::new(env!("CARGO_BIN_EXE_softcfg-studio"));
    command.arg("generate").args(["--threads", "1"]);
    if has_avx2() {
        command.env("SOFTCFG_KERNEL", "avx2");
    }
    if let Some(request) = model {
        command.arg("--model").args(&request.paths);
        if let Some(tokenizer) = &request.tokenizer {
            command.arg("--tokenizer").arg(tokenizer);
        }
        if let Some((rows, columns)) = request.grid {
            command.arg("--grid").arg(format!("{rows}x{columns}"));
        }
    }
    let out = folder.join("out");
    let output = command.args(settings.split('|')).arg("--out").arg(&out).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{settings}: {error}");
    out
}

/// Keeps the results of a call: the trace compressed, images and description as they are.
fn record(name: &str, out: &Path) {
    let folder = recorded(name);
    fs::create_dir_all(&folder).unwrap();
    for entry in fs::read_dir(out).unwrap() {
        let path = entry.unwrap().path();
        let file_name = path.file_name().unwrap();
        if file_name != "trace.csv" {
            fs::copy(&path, folder.join(file_name)).unwrap();
            continue;
        }
        let file = fs::File::create(folder.join("trace.csv.gz")).unwrap();
        let mut encoder = GzEncoder::new(file, Compression::best());
        encoder.write_all(&fs::read(&path).unwrap()).unwrap();
        encoder.finish().unwrap();
    }
}

fn recorded_trace(name: &str) -> String {
    let mut text = String::new();
    let file = fs::File::open(recorded(name).join("trace.csv.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text
}

/// The columns that say what was drawn: lane, step and token.
fn drawn(trace: &str) -> String {
    let columns = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        format!("{},{},{}\n", fields[0], fields[1], fields[5])
    };
    trace.lines().map(columns).collect()
}

/// The largest difference between an image and its record, in levels of 255.
fn pixel_difference(recorded: &Path, now: &Path) -> u8 {
    let open = |path: &Path| image::open(path).unwrap().to_rgb8();
    let (before, now) = (open(recorded), open(now));
    assert_eq!(before.dimensions(), now.dimensions());
    before.iter().zip(now.iter()).map(|(&a, &b)| a.abs_diff(b)).max().unwrap_or(0)
}

fn description(json: &str) -> RunDescription {
    serde_json::from_str(json).unwrap()
}

/// The description of the run that travels in an image.
fn text_of(image: &Path) -> String {
    let file = std::io::BufReader::new(fs::File::open(image).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    reader.finish().unwrap();
    let texts = &reader.info().utf8_text;
    let text = texts.iter().find(|text| text.keyword == DESCRIPTION_KEYWORD).unwrap();
    text.get_text().unwrap()
}

/// The first line that differs, to look at.
fn first_difference(before: &str, now: &str) -> Option<String> {
    let mut lines = before.lines().zip(now.lines());
    match lines.find(|(before, now)| before != now) {
        Some((before, now)) => Some(format!("recorded {before}\n     now {now}")),
        None if before != now => {
            Some(format!("{} lines, now {}", before.lines().count(), now.lines().count()))
        }
        None => None,
    }
}

#[test]
fn ten_calls_draw_and_measure_what_they_always_did() {
    for (name, files, settings) in CALLS {
        let folder = tempdir().unwrap();
        let out = generate(folder.path(), files(folder.path()), settings);
        if std::env::var_os("SOFTCFG_RECORD").is_some() {
            record(name, &out);
            continue;
        }
        let (before, now) =
            (recorded_trace(name), fs::read_to_string(out.join("trace.csv")).unwrap());
        let (before, now) = if has_avx2() { (before, now) } else { (drawn(&before), drawn(&now)) };
        if let Some(difference) = first_difference(&before, &now) {
            panic!("the trace of {name} changed:\n{difference}");
        }
        // Version 0.1.0 described all lanes by one set of settings; the run is the same.
        let now = description(&fs::read_to_string(out.join("run.json")).unwrap());
        assert_eq!(now.format, FORMAT, "{name}");
        let before = description(&fs::read_to_string(recorded(name).join("run.json")).unwrap());
        assert_eq!((before.format, &before.run), (1, &now.run), "{name}");
        let images = fs::read_dir(recorded(name)).unwrap().map(|entry| entry.unwrap().path());
        for image in images.filter(|path| path.extension().is_some_and(|kind| kind == "png")) {
            let difference = pixel_difference(&image, &out.join(image.file_name().unwrap()));
            for folder in [&recorded(name), &out] {
                let file = folder.join(image.file_name().unwrap());
                assert_eq!(description(&text_of(&file)).run, now.run, "{}", file.display());
            }
            println!("{}: pixels differ by {difference} of 255 at most", image.display());
            assert!(difference <= 1, "{} changed by {difference}", image.display());
        }
    }
}
