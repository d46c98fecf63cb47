//! RAR's decoder against runs of the authors' programs and of the paper's algorithm, on miniatures with
//! random weights.

mod cache_contents;
mod golden_folder;
mod golden_models_class;
mod test_device;

use golden_folder::Others;
use golden_models_class::replay::{Observed, Replay, check_rows, class_prefixes};
use golden_models_class::softcfg::{
    Program, check_caches, check_paper, check_released, model_folder, paper_cases, released_cases,
};
use golden_models_class::{Comparison, json, weights};
use softcfg_studio::checkpoint::folder_config::FolderConfig;
use softcfg_studio::models::decoder::Decoder;
use softcfg_studio::models::rar::config::RarConfig;
use softcfg_studio::models::rar::decoder::RarDecoder;
use std::path::Path;

fn decoder(folder: &Path) -> RarDecoder {
    let (weights, shapes) = weights(folder);
    let decoder = RarDecoder::load(&weights, json(&folder.join("config.json"))).unwrap();
    assert_eq!(decoder.info().parameters, shapes.elements(|_| true));
    decoder
}

#[test]
fn sizes_are_the_same_from_shapes_and_from_the_configuration() {
    for (folder, case, _) in released_cases("rar") {
        let folder = model_folder(&folder, &case);
        let config: RarConfig = json(&folder.join("config.json"));
        assert_eq!(
            RarConfig::from_shapes(&weights(&folder).1, &FolderConfig::default()).unwrap(),
            config
        );
        assert_eq!(config.layout().len(), config.image_seq_len);
    }
}

#[test]
fn released_program_runs_are_reproduced_step_by_step() {
    for (folder, case, expected) in released_cases("rar") {
        let decoder = decoder(&model_folder(&folder, &case));
        let observed = Observed::new(&decoder, RarDecoder::forward_observed);
        let debug = expected.find("dbg_steps").map(|steps| steps.indices()).unwrap_or_default();
        let mut blocks = expected.optional("dbg_block_out", 3e-4);
        let mut inputs = expected.optional("dbg_block0_input", 1e-5);
        let mut conditioning = expected.optional("dbg_adaln_cond", 1e-5);
        let mut check = |step: usize, weights: &[f32], replay: &Replay<'_>| {
            // Step 0 shows the prefixes: two rows of the conditional branch, then two of the other.
            let shown = observed.take();
            for branch in 0..2 {
                let length = shown.len() / 2;
                let rows = &shown[branch * length..(branch + 1) * length];
                let first = if step == 0 { 0 } else { step + 1 };
                for (row, position) in rows.iter().zip(first..) {
                    conditioning.at(&[branch, position], &row[0]);
                    inputs.at(&[branch, position], &row[1]);
                }
                let Some(at) = debug.iter().position(|&s| s == step) else { continue };
                for (layer, hidden) in rows[length - 1].iter().skip(2).enumerate() {
                    blocks.at(&[at, layer, branch], hidden);
                }
            }
            if step == 20 {
                check_caches(&expected, replay, weights);
            }
        };
        check_released(&observed, Program::Rar, &case, &expected, &mut check);
        [blocks, inputs, conditioning].into_iter().for_each(Comparison::finish);
    }
}

#[test]
fn paper_runs_are_reproduced_under_both_cache_rules() {
    for (model, case, expected) in paper_cases("rar") {
        check_paper(&decoder(&model), &case, &expected);
    }
}

#[test]
fn rows_are_independent_and_limits_hold() {
    for (folder, case, expected) in released_cases("rar") {
        let folder = model_folder(&folder, &case);
        let decoder = decoder(&folder);
        let prefixes = class_prefixes(&decoder, case.class_id);
        let most = json::<RarConfig>(&folder.join("config.json")).layout().len();
        check_rows(&decoder, prefixes, &expected.get("tokens").ids(), most);
    }
}

#[test]
fn cases_of_others_may_record_less() {
    let case = "paper/rar_k_condmax_stepnorm";
    Others::with(&["rar/model", case])
        .keep(
            &format!("{case}/expected.safetensors"),
            &["tokens", "logit_steps", "z_cond", "two_pass.z_pert"],
        )
        .check("cases_of_others_may_record_less");
}
