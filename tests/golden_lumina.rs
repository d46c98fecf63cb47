//! Lumina-mGPT 2.0 miniatures in the public layout: prefixes, logits of both branches
//! under every mode, with row ends left alone and taken literally, weights, caches, scales.

mod cache_contents;
mod golden_folder;
mod golden_models;
mod open_folder;
mod test_device;

use golden_folder::{Others, assert_kind, folders_with};
use golden_models::*;
use open_folder::{LuminaFolder, WholeHead};
use softcfg_studio::compute::layout::StepKind;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::rows::Prefix;
use softcfg_studio::compute::transformer::CodeRange;
use softcfg_studio::models::decoder::Decoder;
use softcfg_studio::models::lumina::decoder::Lumina;
use softcfg_studio::models::lumina::image_size::ImageSize;
use softcfg_studio::prompts::condition::Condition;
use std::path::{Path, PathBuf};
use test_device::assert_same;

const MODES: [Mode; 5] = [
    Mode::new("cfg", None),
    Mode::new("soft", Some(false)),
    Mode::new("softnorm", Some(true)),
    Mode { name: "soft_newline", step_norm: Some(false), confidence: 0, forced_too: true },
    Mode { name: "softnorm_newline", step_norm: Some(true), confidence: 0, forced_too: true },
];

struct Case {
    name: String,
    json: serde_json::Value,
    golden: Golden,
    folder: PathBuf,
}

impl Case {
    fn read(folder: &Path) -> Self {
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            golden: Golden::read(&folder.join("golden.safetensors")),
            json: json(&folder.join("case.json")),
            folder: folder.into(),
        }
    }

    fn condition(&self) -> Condition {
        let text = self.json["prompt"].as_str().unwrap().into();
        Condition::Prompt { text, negative: None }
    }

    fn codes(&self) -> CodeRange {
        CodeRange {
            offset: size(&self.json, "image_token_offset"),
            count: size(&self.json, "codebook_size"),
        }
    }

    fn size(&self) -> ImageSize {
        ImageSize { width: size(&self.json, "image_w_px"), height: size(&self.json, "image_h_px") }
    }

    fn files<'a>(&self, folder: &'a Path) -> LuminaFolder<'a> {
        LuminaFolder { folder, codes: self.codes(), size: self.size() }
    }

    fn load_from(&self, folder: &Path) -> Result<Lumina, String> {
        self.files(folder).load(Precision::F32).map_err(|error| error.to_string())
    }

    fn load(&self) -> Lumina {
        self.load_from(&self.folder).unwrap()
    }

    fn load_whole(&self) -> WholeHead {
        self.files(&self.folder).load_whole(Precision::F32)
    }

    fn forced(&self) -> Vec<bool> {
        self.golden.values("is_image_token").iter().map(|&image| image == 0.0).collect()
    }

    /// Codes, or the id of the row end where it is forced.
    fn tokens(&self) -> Vec<u32> {
        let offset = self.codes().offset as u32;
        let ids = self.golden.ids("image_tokens").into_iter();
        ids.zip(self.forced()).map(|(id, forced)| if forced { id } else { id - offset }).collect()
    }
}

fn all_cases() -> Vec<Case> {
    folders_with("lumina", "case.json").iter().map(|folder| Case::read(folder)).collect()
}

#[test]
fn prefixes_and_layout_are_the_golden_ones() {
    for case in all_cases() {
        let decoder = case.load();
        let prefixes = decoder.prefixes(&case.condition()).unwrap();
        let ids = |prefix: &Prefix| match prefix {
            Prefix::Tokens(ids) => ids.clone(),
            _ => panic!("not tokens"),
        };
        let both =
            [("prefix_cond", prefixes.conditional), ("prefix_uncond", prefixes.unconditional)];
        for (name, prefix) in both.iter().filter(|(name, _)| case.golden.records(name)) {
            assert_eq!(ids(prefix), case.golden.ids(name), "{}", case.name);
        }
        let layout = decoder.layout();
        let grid = (size(&case.json, "latent_h"), size(&case.json, "latent_w"));
        assert_eq!((layout.rows(), layout.columns()), grid);
        assert_eq!(layout.len(), case.size().tokens());
        let newline = size(&case.json, "newline_id") as u32;
        for (step, forced) in layout.steps().iter().zip(case.forced()) {
            assert_eq!(forced, matches!(step, StepKind::RowEnd { token, .. } if *token == newline));
        }
    }
}

#[test]
fn every_mode_matches() {
    for case in all_cases() {
        let decoder = case.load_whole();
        let CodeRange { offset, count } = case.codes();
        let prefixes = decoder.prefixes(&case.condition()).unwrap();
        let epsilon = case.json["step_norm_eps"].as_f64().unwrap();
        let (tokens, forced) = (case.tokens(), case.forced());
        let modes: Vec<Mode> = MODES
            .into_iter()
            .filter(|mode| case.golden.has(&format!("{}.logits_uncond", mode.name)))
            .collect();
        assert_kind(modes.len() >= 3, &format!("three modes of {}", case.name));
        let run =
            decode_forced(&decoder, &prefixes, &tokens, &forced, &modes, epsilon, |step, z| {
                vec![if forced[step] { 1.0 } else { max_softmax(&z[offset..offset + count]) }]
            });
        if case.golden.records("p_max") {
            let p_max = run.confidences.iter().map(|c| c[0]);
            assert_close("p_max", p_max, case.golden.values("p_max"), P_MAX);
        }
        compare(&case.name, &run, &modes, &case.golden, case.json["cfg_scale"].as_f64().unwrap());
    }
}

#[test]
fn a_head_of_codes_is_a_part_of_the_whole_head() {
    for case in all_cases() {
        let (all, codes) = (case.load_whole(), case.load());
        let tokens = &case.tokens()[..4];
        let logits = |decoder: &dyn Decoder| {
            let prefixes = decoder.prefixes(&case.condition()).unwrap();
            let forced = [false; 4];
            decode_forced(decoder, &prefixes, tokens, &forced, &MODES[..1], 1e-6, |_, _| vec![0.5])
                .conditional
        };
        let CodeRange { offset, count } = case.codes();
        for (all, codes) in logits(&all).iter().zip(&logits(&codes)) {
            assert_eq!(codes.len(), count);
            assert_same(&all[offset..offset + count], codes, "codes");
        }
    }
}

#[test]
fn rows_do_not_depend_on_each_other() {
    for case in all_cases() {
        let decoder = case.load();
        let prefixes = decoder.prefixes(&case.condition()).unwrap();
        assert_rows_are_independent(&decoder, &prefixes, &case.tokens()[..6]);
    }
}

#[test]
fn the_original_scales_match() {
    for case in all_cases().iter().filter(|case| case.golden.records("scale_schedule.cfg")) {
        for (row, &start) in case.golden.values("scale_schedule.cfg").iter().enumerate() {
            let expected = case.golden.row("scale_schedule.value", row);
            let (rule, steps) = (case.size().scale_rule(), expected.len());
            let found = (0..steps).map(|step| rule.scale_at(step, steps, start as f32, 1.4));
            assert_close("scale_schedule", found, expected, 1e-6);
        }
    }
}

#[test]
fn shards_and_index_are_checked() {
    let Some(case) = &all_cases().into_iter().next() else { return };
    let copy = tempfile::tempdir().unwrap();
    let mut shards = Vec::new();
    for entry in std::fs::read_dir(&case.folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "golden.safetensors" {
            continue;
        }
        std::fs::copy(&path, copy.path().join(&name)).unwrap();
        if name.ends_with(".safetensors") {
            shards.push(name);
        }
    }
    assert!(shards.len() > 1);
    let open = || case.load_from(copy.path()).map(|_| ());
    assert_eq!(open(), Ok(()));

    let index = copy.path().join("model.safetensors.index.json");
    let text = std::fs::read_to_string(&index).unwrap();
    for (shard, reason) in [
        ("../elsewhere.safetensors", "outside its folder"),
        ("/etc/passwd", "outside its folder"),
        ("..", "outside its folder"),
        ("folder/shard.safetensors", "is missing"),
    ] {
        std::fs::write(&index, text.replace(&shards[0], shard)).unwrap();
        let message = open().unwrap_err();
        assert!(message.contains(shard) && message.contains(reason), "{message}");
    }
    // A tensor that the index looks for in the wrong shard.
    let swapped = text.replace(&shards[0], "\u{1}").replace(&shards[1], &shards[0]);
    std::fs::write(&index, swapped.replace('\u{1}', &shards[1])).unwrap();
    let message = open().unwrap_err();
    assert!(message.contains("the index places"), "{message}");
    std::fs::write(&index, &text[..text.len() / 2]).unwrap();
    let message = open().unwrap_err();
    assert!(message.contains("index.json cannot be read at line"), "{message}");

    std::fs::write(&index, &text).unwrap();
    std::fs::remove_file(copy.path().join(&shards[0])).unwrap();
    let message = open().unwrap_err();
    assert!(message.contains(&shards[0]) && message.contains("missing"), "{message}");
}

#[test]
fn sizes_the_model_does_not_have_are_refused() {
    let Some(case) = &all_cases().into_iter().next() else { return };
    for (width, height) in [(64, 63), (0, 64), (64, 3200)] {
        let files = LuminaFolder { size: ImageSize { width, height }, ..case.files(&case.folder) };
        assert!(files.load(Precision::F32).is_err(), "{width} × {height}");
    }
}

#[test]
fn cases_of_others_may_record_less() {
    Others::with(&["lumina/tiny"])
        .keep(
            "lumina/tiny/golden.safetensors",
            &["image_tokens", "is_image_token", "logits_cond", "soft.logits_uncond"],
        )
        .check("cases_of_others_may_record_less");
}
