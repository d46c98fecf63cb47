//! Time of one preview at the published sizes, with weights that are made up, and of the built-in
//! model: `cargo bench --bench previews`.
//!
//! The last column says how long the engine then waits from one pair of pictures to the next, so that
//! previews keep to their share of the decoding time.

use candle_core::{DType, Device};
use candle_nn::{VarBuilder, VarMap};
use rayon::ThreadPoolBuilder;
use softcfg_studio::checkpoint::shapes::TensorShapes;
use softcfg_studio::compute::layout::TokenLayout;
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::weights::Weights;
use softcfg_studio::engine::preview_queue::PREVIEW_SHARE;
use softcfg_studio::opening::builtin;
use softcfg_studio::tokenizers::ImageTokenizer;
use softcfg_studio::tokenizers::alitok::{
    AlitokTokenizer, AlitokTokenizerConfig, TransformerConfig,
};
use softcfg_studio::tokenizers::cosmos::{self, Cosmos, CosmosConfig, CosmosLevel};
use softcfg_studio::tokenizers::llamagen_vq::{self, LlamagenVq, LlamagenVqConfig};
use softcfg_studio::tokenizers::maskgit_vqgan::{self, MaskgitVqgan, MaskgitVqganConfig};
use softcfg_studio::tokenizers::movq::{self, Movq, MovqConfig, MovqLevel};
use std::time::{Duration, Instant};

/// Pictures quicker than this are timed [`REPEATS`] times more, and the middle one counts.
const A_MOMENT: Duration = Duration::from_millis(200);
const REPEATS: usize = 30;

/// Whatever a loader asks for, made up.
fn any_weights(variables: &VarMap) -> Weights<'static> {
    let builder = VarBuilder::from_varmap(variables, DType::F32, &Device::Cpu);
    Weights::new(builder, Precision::F32)
}

fn cosmos(weights: &Weights<'_>) -> Cosmos {
    let level = |channels| CosmosLevel { channels, blocks: 3 };
    let levels = [256, 512, 512].map(level).to_vec();
    let config =
        CosmosConfig { code_width: 6, z_channels: 16, deepest: 512, levels, haar_rounds: 2 };
    cosmos::load_decoder(&config, weights).expect("the published form")
}

/// Attention stands only at the coarsest level.
fn movq(weights: &Weights<'_>) -> Movq {
    let level = |channels| MovqLevel { channels, blocks: 3, attention: channels == 1024 };
    let levels = [256, 512, 512, 1024].map(level).to_vec();
    let config = MovqConfig { codebook_size: 16_384, code_width: 4, deepest: 1024, levels };
    movq::load_decoder(&config, weights).expect("the published form")
}

fn alitok(weights: &Weights<'static>) -> AlitokTokenizer {
    let transformer =
        |width, layers, heads| TransformerConfig { width, layers, heads, mlp_ratio: 4 };
    let config = AlitokTokenizerConfig {
        patch_size: 16,
        grid: 16,
        num_prefix_tokens: 17,
        token_size: 32,
        num_class_embeddings: 32,
        codebook_size: 4096,
        encoder: transformer(768, 12, 12),
        decoder: transformer(1024, 24, 16),
        layer_norm_eps: 1e-5,
    };
    AlitokTokenizer::load(config, weights, &TensorShapes::default()).expect("the published form")
}

fn maskgit(weights: &Weights<'_>) -> MaskgitVqgan {
    let config = MaskgitVqganConfig {
        num_groups: 32,
        hidden_channels: 128,
        channel_mult: vec![1, 1, 2, 2, 4],
        num_res_blocks: 2,
        z_channels: 256,
        codebook_size: 1024,
        group_norm_eps: 1e-6,
    };
    maskgit_vqgan::load_decoder(&config, weights, &TensorShapes::default())
        .expect("the published form")
}

fn llamagen(weights: &Weights<'_>) -> LlamagenVq {
    let config = LlamagenVqConfig {
        ch: 128,
        ch_mult: vec![1, 1, 2, 2, 4],
        num_res_blocks: 2,
        z_channels: 256,
        norm_num_groups: 32,
        norm_eps: 1e-6,
        codebook_size: 16_384,
        codebook_embed_dim: 8,
        codebook_l2_norm: true,
    };
    llamagen_vq::load_decoder(&config, weights, &TensorShapes::default())
        .expect("the published form")
}

/// Time of a picture of which the first `rows` rows are drawn.
fn picture(tokenizer: &dyn ImageTokenizer, layout: &TokenLayout, rows: usize) -> Duration {
    let codes = tokenizer.info().codebook_size as u32;
    let drawn = |step: usize| layout.cell_of_step(step).is_none_or(|(row, _)| row < rows);
    let tokens: Vec<Option<u32>> = (0..layout.len())
        .map(|step| drawn(step).then(|| (step as u32).wrapping_mul(2_654_435_761) % codes))
        .collect();
    let once = || {
        let begun = Instant::now();
        tokenizer.decode(&tokens, layout).expect("a picture");
        begun.elapsed()
    };
    let first = once();
    if first >= A_MOMENT {
        return first;
    }
    let mut times: Vec<Duration> = (0..REPEATS).map(|_| once()).collect();
    times.sort();
    times[REPEATS / 2]
}

fn report(tokenizer: &dyn ImageTokenizer, layout: &TokenLayout) {
    let rows = layout.rows();
    // A first picture warms up.
    picture(tokenizer, layout, 1);
    let times: Vec<Duration> =
        [rows / 4, rows / 2, rows].iter().map(|&drawn| picture(tokenizer, layout, drawn)).collect();
    let seconds: Vec<String> =
        times.iter().map(|time| format!("{:>8.3}", time.as_secs_f64())).collect();
    let side = layout.columns() * tokenizer.info().pixels_per_token;
    let name = format!("{}, {side} px", tokenizer.info().name);
    let pair = times.iter().max().map_or(0.0, |time| 2.0 * time.as_secs_f64());
    println!("{name:<28}{}{:>10.0}", seconds.concat(), pair / PREVIEW_SHARE);
}

fn main() {
    // As beside a decoder: on one thread.
    let quiet = ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    quiet.install(report_all);
}

fn report_all() {
    println!("seconds for a picture   a quarter    half     whole   wait of a pair at the end");
    let built_in = builtin::load().expect("the built-in model");
    report(built_in.tokenizer.as_ref(), &built_in.card.layout);
    report(&maskgit(&any_weights(&VarMap::new())), &TokenLayout::raster(16, 16));
    report(&llamagen(&any_weights(&VarMap::new())), &TokenLayout::raster(24, 24));
    report(&alitok(&any_weights(&VarMap::new())), &TokenLayout::with_prefix(17, 16, 16));
    let tokenizer = cosmos(&any_weights(&VarMap::new()));
    println!("Cosmos has {} parameters after folding", tokenizer.info().parameters);
    report(&tokenizer, &TokenLayout::raster(32, 32));
    report(&tokenizer, &TokenLayout::raster(64, 64));
    drop(tokenizer);
    let tokenizer = movq(&any_weights(&VarMap::new()));
    println!("MoVQGAN has {} parameters", tokenizer.info().parameters);
    report(&tokenizer, &TokenLayout::with_row_ends(32, 32, 0));
}
