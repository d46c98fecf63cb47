//! SimpleAR miniatures in the public layout: prefixes, logits of both branches under
//! every mode, guided logits, weights, caches.

mod cache_contents;
mod golden_folder;
mod golden_models;
mod open_folder;
mod test_device;

use golden_folder::{Others, folders_with};
use golden_models::*;
use open_folder::{Qwen2Folder, WholeHead};
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::rows::Prefix;
use softcfg_studio::models::decoder::Decoder;
use softcfg_studio::models::simple_ar::decoder::Qwen2;
use softcfg_studio::models::simple_ar::description;
use softcfg_studio::prompts::condition::Condition;
use softcfg_studio::prompts::template::PromptTemplate;
use std::path::{Path, PathBuf};
use test_device::assert_same;

const MODES: [Mode; 4] = [
    Mode::new("cfg", None),
    Mode::new("soft", Some(false)),
    Mode::new("softnorm", Some(true)),
    Mode { name: "softnorm_visual", step_norm: Some(true), confidence: 1, forced_too: false },
];

struct Case {
    name: String,
    json: serde_json::Value,
    golden: Golden,
    folder: PathBuf,
    condition: Condition,
}

impl Case {
    fn read(folder: &Path) -> Self {
        let json = json(&folder.join("case.json"));
        let text = json["cond_text"].as_str().unwrap();
        let text = text.strip_prefix("<|t2i|>").unwrap().strip_suffix("<|soi|>").unwrap();
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            condition: Condition::Prompt { text: text.into(), negative: None },
            golden: Golden::read(&folder.join("golden.safetensors")),
            folder: folder.into(),
            json,
        }
    }

    fn template(&self) -> PromptTemplate {
        PromptTemplate {
            unconditional: self.json["uncond_text"].as_str().unwrap().into(),
            ..PromptTemplate::markers("<|t2i|>", "<|soi|>")
        }
    }

    fn files(&self, template: PromptTemplate) -> Qwen2Folder<'_> {
        Qwen2Folder {
            folder: &self.folder,
            codes: size(&self.json, "codebook_size"),
            image_tokens: size(&self.json, "grid_h") * size(&self.json, "grid_w"),
            template,
        }
    }

    fn load(&self, template: PromptTemplate) -> Qwen2 {
        self.files(template).load(Precision::F32).unwrap()
    }

    fn load_whole(&self) -> WholeHead {
        self.files(self.template()).load_whole(Precision::F32)
    }

    fn codes(&self) -> Vec<u32> {
        let offset = size(&self.json, "visual_offset") as u32;
        self.golden.ids("image_tokens").iter().map(|id| id - offset).collect()
    }
}

fn all_cases() -> Vec<Case> {
    folders_with("simplear", "case.json").iter().map(|folder| Case::read(folder)).collect()
}

fn ids(prefix: &Prefix) -> Vec<u32> {
    match prefix {
        Prefix::Tokens(ids) => ids.clone(),
        _ => panic!("not tokens"),
    }
}

#[test]
fn prefixes_are_the_golden_ids() {
    for case in all_cases() {
        let decoder = case.load(case.template());
        let prefixes = decoder.prefixes(&case.condition).unwrap();
        let both =
            [("prefix_cond", prefixes.conditional), ("prefix_uncond", prefixes.unconditional)];
        for (name, prefix) in both.iter().filter(|(name, _)| case.golden.records(name)) {
            assert_eq!(ids(prefix), case.golden.ids(name), "{}", case.name);
        }
    }
}

#[test]
fn the_template_of_the_generator_gives_the_golden_conditional_ids() {
    for case in all_cases() {
        let template = description::template();
        let text = case.json["cond_text"].as_str().unwrap();
        let Some(prompt) = text.strip_prefix(&template.before) else { continue };
        if !case.golden.records("prefix_cond") {
            continue;
        }
        let prompt = prompt.strip_suffix(&template.after).unwrap();
        let condition = Condition::Prompt { text: prompt.into(), negative: None };
        let prefixes = case.load(template).prefixes(&condition).unwrap();
        assert_eq!(ids(&prefixes.conditional), case.golden.ids("prefix_cond"), "{}", case.name);
    }
}

#[test]
fn every_mode_matches() {
    for case in all_cases() {
        let decoder = case.load_whole();
        let offset = size(&case.json, "visual_offset");
        assert_eq!(decoder.codes.offset, offset);
        let codes = case.codes();
        let prefixes = decoder.prefixes(&case.condition).unwrap();
        let epsilon = case.json["step_norm_eps"].as_f64().unwrap();
        let forced = vec![false; codes.len()];
        let run = decode_forced(&decoder, &prefixes, &codes, &forced, &MODES, epsilon, |_, z| {
            vec![max_softmax(z), max_softmax(&z[offset..])]
        });
        for (kind, name) in ["p_max", "p_max_visual"].into_iter().enumerate() {
            if case.golden.records(name) {
                let found = run.confidences.iter().map(|c| c[kind]);
                assert_close(name, found, case.golden.values(name), P_MAX);
            }
        }
        let scale = case.json["cfg_scale"].as_f64().unwrap();
        compare(&case.name, &run, &MODES, &case.golden, scale);
        let steps = if case.golden.records("cfg.guided_logsoftmax") { codes.len() } else { 0 };
        for step in 0..steps {
            let conditional = log_softmax(&run.conditional[step]);
            let unconditional = log_softmax(&run.unconditional[0][step]);
            let guided = unconditional.iter().zip(&conditional).map(|(u, c)| u + scale * (c - u));
            let expected = case.golden.row("cfg.guided_logsoftmax", step);
            assert_close("cfg.guided_logsoftmax", guided, expected, GUIDED);
        }
    }
}

#[test]
fn a_head_of_codes_gives_the_end_of_the_whole_head() {
    for case in all_cases() {
        let (all, codes) = (case.load_whole(), case.load(case.template()));
        let tokens = &case.codes()[..4];
        let logits = |decoder: &dyn Decoder| {
            let prefixes = decoder.prefixes(&case.condition).unwrap();
            decode_forced(decoder, &prefixes, tokens, &[false; 4], &MODES, 1e-6, |_, z| {
                let codes = decoder.info().codebook_size;
                vec![max_softmax(&z[z.len() - codes..]); 2]
            })
            .unconditional
        };
        for (all, codes) in logits(&all).iter().flatten().zip(logits(&codes).iter().flatten()) {
            assert_eq!(codes.len(), size(&case.json, "codebook_size"));
            assert_same(&all[all.len() - codes.len()..], codes, "codes");
        }
    }
}

#[test]
fn rows_do_not_depend_on_each_other() {
    for case in all_cases() {
        let decoder = case.load_whole();
        let prefixes = decoder.prefixes(&case.condition).unwrap();
        assert_rows_are_independent(&decoder, &prefixes, &case.codes()[..6]);
    }
}

#[test]
fn files_that_are_damaged_are_named() {
    let Some(case) = &all_cases().into_iter().next() else { return };
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(case.folder.join(file), copy.path().join(file)).unwrap();
    }
    let options = Qwen2Folder {
        folder: copy.path(),
        codes: size(&case.json, "codebook_size"),
        image_tokens: 64,
        template: case.template(),
    };
    let message = |options: &Qwen2Folder<'_>| {
        options.load(Precision::F32).err().expect("must be refused").to_string()
    };
    assert!(options.load(Precision::F32).is_ok());
    let other = Qwen2Folder { codes: options.codes - 1, ..options.clone() };
    assert!(message(&other).contains("tokenizer"), "{}", message(&other));

    let weights = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    for damaged in [&bytes[..bytes.len() - 1], &bytes[..100], &bytes[..4], &[0xFF; 64]] {
        std::fs::write(&weights, damaged).unwrap();
        let message = message(&options);
        assert!(
            (message.contains("safetensors header is not usable")
                || message.contains("not a weight file"))
                && message.ends_with("model.safetensors"),
            "{message}"
        );
    }
    std::fs::remove_file(&weights).unwrap();
    assert!(message(&options).contains("no weight files"), "{}", message(&options));
    std::fs::write(&weights, bytes).unwrap();
    std::fs::write(copy.path().join("config.json"), "{}").unwrap();
    assert!(message(&options).contains("config.json"));
}

#[test]
fn cases_of_others_may_record_less() {
    Others::with(&["simplear/tiny_tied"])
        .keep("simplear/tiny_tied/golden.safetensors", &["image_tokens", "logits_cond"])
        .check("cases_of_others_may_record_less");
}
