//! Time of one preview at the published sizes, with random weights, and of the built-in
//! model: `cargo bench --bench previews`.
//!
//! Sizes are those of reference/checkpoints. The last column says how long the engine then waits from
//! one pair of pictures to the next, so that previews keep to their share of the decoding time.

use candle_core::{DType, Device, Tensor};
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
use softcfg_studio::tokenizers::cosmos::CosmosDecoder;
use softcfg_studio::tokenizers::llamagen_vq::{LlamagenVq, LlamagenVqConfig};
use softcfg_studio::tokenizers::maskgit_vqgan::{MaskgitVqgan, MaskgitVqganConfig};
use softcfg_studio::tokenizers::movq::MovqDecoder;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Pictures quicker than this are timed [`REPEATS`] times more, and the middle one counts.
const A_MOMENT: Duration = Duration::from_millis(200);
const REPEATS: usize = 30;

/// A checkpoint being made up.
#[derive(Default)]
struct Tensors(HashMap<String, Tensor>);

impl Tensors {
    fn add(&mut self, name: String, shape: &[usize]) {
        let inputs: usize = shape.iter().skip(1).product();
        let scale = 1.0 / (inputs.max(1) as f64).sqrt();
        let tensor = Tensor::randn(0.0, scale, shape, &Device::Cpu).expect("memory");
        self.0.insert(name, tensor.to_dtype(DType::F32).expect("numbers"));
    }

    /// A weight and its bias.
    fn layer(&mut self, place: &str, shape: &[usize]) {
        self.add(format!("{place}.weight"), shape);
        self.add(format!("{place}.bias"), &shape[..1]);
    }

    fn weights(self) -> Weights<'static> {
        let builder = VarBuilder::from_tensors(self.0, DType::F32, &Device::Cpu);
        Weights::new(builder, Precision::F32)
    }
}

/// text-to-image.md A5: widths 512, 512, 256, three blocks a level.
fn cosmos() -> CosmosDecoder {
    let mut tensors = Tensors::default();
    let point = |t: &mut Tensors, place: &str, to: usize, from: usize| {
        t.layer(&format!("{place}.conv3d"), &[to, from, 1, 1, 1]);
    };
    let pair = |t: &mut Tensors, place: &str, to: usize, from: usize| {
        t.layer(&format!("{place}.0.conv3d"), &[to, from, 1, 3, 3]);
        t.layer(&format!("{place}.1.conv3d"), &[to, to, 3, 1, 1]);
    };
    let norm = |t: &mut Tensors, place: &str, width: usize| {
        t.layer(&format!("{place}.norm"), &[width]);
    };
    let block = |t: &mut Tensors, place: &str, from: usize, to: usize| {
        norm(t, &format!("{place}.norm1"), from);
        pair(t, &format!("{place}.conv1"), to, from);
        norm(t, &format!("{place}.norm2"), to);
        pair(t, &format!("{place}.conv2"), to, to);
        if from != to {
            point(t, &format!("{place}.nin_shortcut"), to, from);
        }
    };
    let t = &mut tensors;
    point(t, "post_quant_conv", 16, 6);
    pair(t, "decoder.conv_in", 512, 16);
    block(t, "decoder.mid.block_1", 512, 512);
    block(t, "decoder.mid.block_2", 512, 512);
    for part in 0..2 {
        let place = format!("decoder.mid.attn_1.{part}");
        norm(t, &format!("{place}.norm"), 512);
        for name in ["q", "k", "v", "proj_out"] {
            point(t, &format!("{place}.{name}"), 512, 512);
        }
    }
    let mut from = 512;
    for (level, width) in [(2, 512), (1, 512), (0, 256)] {
        for number in 0..3 {
            block(t, &format!("decoder.up.{level}.block.{number}"), from, width);
            from = width;
        }
        if level > 0 {
            let place = format!("decoder.up.{level}.upsample");
            t.layer(&format!("{place}.conv1.conv3d"), &[width, width, 3, 1, 1]);
            t.layer(&format!("{place}.conv2.conv3d"), &[width, width, 1, 3, 3]);
            point(t, &format!("{place}.conv3"), width, width);
        }
    }
    norm(t, "decoder.norm_out", 256);
    pair(t, "decoder.conv_out", 192, 256);
    CosmosDecoder::load(&tensors.weights()).expect("the published form")
}

/// text-to-image.md B4: widths 1024, 512, 512, 256, three blocks a level, attention at the coarsest.
fn movq() -> MovqDecoder {
    let mut tensors = Tensors::default();
    let norm = |t: &mut Tensors, place: &str, width: usize| {
        t.layer(&format!("{place}.norm_layer"), &[width]);
        t.layer(&format!("{place}.conv_y"), &[width, 4, 1, 1]);
        t.layer(&format!("{place}.conv_b"), &[width, 4, 1, 1]);
    };
    let block = |t: &mut Tensors, place: &str, from: usize, to: usize| {
        norm(t, &format!("{place}.norm1"), from);
        t.layer(&format!("{place}.conv1"), &[to, from, 3, 3]);
        norm(t, &format!("{place}.norm2"), to);
        t.layer(&format!("{place}.conv2"), &[to, to, 3, 3]);
        if from != to {
            t.layer(&format!("{place}.nin_shortcut"), &[to, from, 1, 1]);
        }
    };
    let attention = |t: &mut Tensors, place: &str, width: usize| {
        norm(t, &format!("{place}.norm"), width);
        for name in ["q", "k", "v", "proj_out"] {
            t.layer(&format!("{place}.{name}"), &[width, width, 1, 1]);
        }
    };
    let t = &mut tensors;
    t.add("quantize.embedding.weight".into(), &[16_384, 4]);
    t.layer("post_quant_conv", &[4, 4, 1, 1]);
    t.layer("decoder.conv_in", &[1024, 4, 3, 3]);
    block(t, "decoder.mid.block_1", 1024, 1024);
    attention(t, "decoder.mid.attn_1", 1024);
    block(t, "decoder.mid.block_2", 1024, 1024);
    let mut from = 1024;
    for (level, width) in [(3, 1024), (2, 512), (1, 512), (0, 256)] {
        for number in 0..3 {
            block(t, &format!("decoder.up.{level}.block.{number}"), from, width);
            from = width;
            if level == 3 {
                attention(t, &format!("decoder.up.{level}.attn.{number}"), width);
            }
        }
        if level > 0 {
            t.layer(&format!("decoder.up.{level}.upsample.conv"), &[width, width, 3, 3]);
        }
    }
    norm(t, "decoder.norm_out", 256);
    t.layer("decoder.conv_out", &[3, 256, 3, 3]);
    MovqDecoder::load(&tensors.weights()).expect("the published form")
}

/// Whatever a loader asks for, made up.
fn any_weights(variables: &VarMap) -> VarBuilder<'_> {
    VarBuilder::from_varmap(variables, DType::F32, &Device::Cpu)
}

fn alitok(variables: &VarMap) -> AlitokTokenizer {
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
    AlitokTokenizer::load(&any_weights(variables), config, &TensorShapes::from_iter([]))
        .expect("the published form")
}

fn maskgit(variables: &VarMap) -> MaskgitVqgan {
    let config = MaskgitVqganConfig {
        num_groups: 32,
        hidden_channels: 128,
        channel_mult: vec![1, 1, 2, 2, 4],
        num_res_blocks: 2,
        z_channels: 256,
        codebook_size: 1024,
        group_norm_eps: 1e-6,
    };
    MaskgitVqgan::load(&any_weights(variables), &config, &TensorShapes::from_iter([]))
        .expect("the published form")
}

fn llamagen(variables: &VarMap) -> LlamagenVq {
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
    LlamagenVq::load(&any_weights(variables), &config, &TensorShapes::from_iter([]))
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
    {
        let variables = VarMap::new();
        report(&maskgit(&variables), &TokenLayout::raster(16, 16));
    }
    {
        let variables = VarMap::new();
        report(&llamagen(&variables), &TokenLayout::raster(24, 24));
    }
    {
        let variables = VarMap::new();
        report(&alitok(&variables), &TokenLayout::with_prefix(17, 16, 16));
    }
    let tokenizer = cosmos();
    println!("Cosmos has {} parameters after folding", tokenizer.info().parameters);
    report(&tokenizer, &TokenLayout::raster(32, 32));
    report(&tokenizer, &TokenLayout::raster(64, 64));
    drop(tokenizer);
    let tokenizer = movq();
    println!("MoVQGAN has {} parameters", tokenizer.info().parameters);
    report(&tokenizer, &TokenLayout::with_row_ends(32, 32, 0));
}
