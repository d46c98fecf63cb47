//! AliTok's decoder against runs of the authors' programs and of the paper's algorithm, on miniatures
//! with random weights.

mod cache_contents;
mod golden_folder;
mod golden_models_class;
mod test_device;

use golden_folder::Others;
use golden_models_class::replay::{Observed, Replay, check_rows, class_prefixes};
use golden_models_class::softcfg::{
    Program, check_caches, check_paper, check_released, model_folder, paper_cases, released_cases,
};
use golden_models_class::{json, weights};
use softcfg_studio::checkpoint::folder_config::FolderConfig;
use softcfg_studio::models::alitok::config::AlitokConfig;
use softcfg_studio::models::alitok::decoder::AlitokDecoder;
use softcfg_studio::models::decoder::Decoder;
use std::path::Path;

fn decoder(folder: &Path) -> AlitokDecoder {
    let (weights, shapes) = weights(folder);
    let config: AlitokConfig = json(&folder.join("config.json"));
    let decoder = AlitokDecoder::load(&weights, config).unwrap();
    assert_eq!(decoder.info().parameters, shapes.elements(|_| true));
    decoder
}

#[test]
fn sizes_are_the_same_from_shapes_and_from_the_configuration() {
    for (folder, case, _) in released_cases("alitok") {
        let folder = model_folder(&folder, &case);
        let config: AlitokConfig = json(&folder.join("config.json"));
        let mut inferred =
            AlitokConfig::from_shapes(&weights(&folder).1, &FolderConfig::default()).unwrap();
        // No tensor tells these.
        inferred.grid = config.grid;
        inferred.num_prefix_tokens = config.num_prefix_tokens;
        assert_eq!(inferred, config);
        assert_eq!(config.layout().len(), config.num_prefix_tokens + config.grid.pow(2));
    }
}

#[test]
fn released_program_runs_are_reproduced_step_by_step() {
    for (folder, case, expected) in released_cases("alitok") {
        let decoder = decoder(&model_folder(&folder, &case));
        let observed = Observed::new(&decoder, AlitokDecoder::forward_observed);
        let debug = expected.find("dbg_steps").map(|steps| steps.indices()).unwrap_or_default();
        let mut blocks = expected.optional("dbg_block_out", 3e-4);
        let mut check = |step: usize, weights: &[f32], replay: &Replay<'_>| {
            // The last two rows fed are those of the conditional and the unconditional branch.
            let shown = observed.take();
            if step == 20 {
                check_caches(&expected, replay, weights);
            }
            let Some(at) = debug.iter().position(|&s| s == step) else { return };
            for (branch, row) in shown.iter().rev().take(2).rev().enumerate() {
                for (layer, hidden) in row.iter().skip(1).enumerate() {
                    blocks.at(&[at, layer, branch], hidden);
                }
            }
        };
        check_released(&observed, Program::Alitok, &case, &expected, &mut check);
        blocks.finish();
    }
}

#[test]
fn paper_runs_are_reproduced_under_both_cache_rules() {
    for (model, case, expected) in paper_cases("alitok_ar") {
        check_paper(&decoder(&model), &case, &expected);
    }
}

#[test]
fn rows_are_independent_and_limits_hold() {
    for (folder, case, expected) in released_cases("alitok") {
        let folder = model_folder(&folder, &case);
        let decoder = decoder(&folder);
        let prefixes = class_prefixes(&decoder, case.class_id);
        let most = json::<AlitokConfig>(&folder.join("config.json")).layout().len();
        check_rows(&decoder, prefixes, &expected.get("tokens").ids(), most);
    }
}

#[test]
fn cases_of_others_may_record_less() {
    Others::with(&["alitok/model", "alitok/softcfg_nonorm"])
        .keep(
            "alitok/softcfg_nonorm/expected.safetensors",
            &["tokens", "cond_logits", "uncond_logits"],
        )
        .check("cases_of_others_may_record_less");
}
