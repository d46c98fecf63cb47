//! LlamaGen's VQ-16 and VQ-8; level 0 of the decoder is the lowest resolution. Widths are read off the
//! file level by level, and each layer must fit the one before it.

use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::Manifest;
use crate::compute::error::ModelError;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerPart, geometry_of_levels,
};
use crate::tokenizers::llamagen_vq::{LlamagenVq, LlamagenVqConfig};

/// The family.
pub static FAMILY: TokenizerFamily = TokenizerFamily { signature: SIGNATURE, describe, load };

const SIGNATURE: Signature = Signature {
    family: "LlamaGen VQ",
    tensor: "decoder.conv_blocks.0.res.0.conv1.weight",
    typical: &[
        "quantize.embedding.weight",
        "post_quant_conv.weight",
        "decoder.conv_in.weight",
        "decoder.conv_blocks.#.res.#.conv1.weight",
        "decoder.conv_blocks.#.upsample.conv.weight",
        "decoder.mid.#.conv1.weight",
        "decoder.conv_out.weight",
    ],
};

const SQUARE: [usize; 2] = [3, 3];
const POINT: [usize; 2] = [1, 1];

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let shapes = headers.shapes;
    let codes = shapes.dimension("quantize.embedding.weight", 0)?;
    let code_width = shapes.dimension("quantize.embedding.weight", 1)?;
    let z = shapes.dimension("post_quant_conv.weight", 0)?;
    let mut width = shapes.dimension("decoder.conv_in.weight", 0)?;
    let levels = shapes.count("decoder.conv_blocks.", ".res.0.conv1.weight");
    let mut m = Manifest { companions: &["encoder.", "quant_conv."], ..Manifest::default() };
    m.embedding("quantize.embedding.weight", codes, code_width);
    m.conv("post_quant_conv", z, code_width, &POINT, true);
    m.conv("decoder.conv_in", width, z, &SQUARE, true);
    let res = |m: &mut Manifest, place: &str, from: usize, to: usize| {
        m.norm(&format!("{place}.norm1"), from, true);
        m.conv(&format!("{place}.conv1"), to, from, &SQUARE, true);
        m.norm(&format!("{place}.norm2"), to, true);
        m.conv(&format!("{place}.conv2"), to, to, &SQUARE, true);
        if from != to {
            m.conv(&format!("{place}.nin_shortcut"), to, from, &POINT, true);
        }
    };
    let attention = |m: &mut Manifest, place: &str, width: usize| {
        m.norm(&format!("{place}.norm"), width, true);
        for name in ["q", "k", "v", "proj_out"] {
            m.conv(&format!("{place}.{name}"), width, width, &POINT, true);
        }
    };
    res(&mut m, "decoder.mid.0", width, width);
    attention(&mut m, "decoder.mid.1", width);
    res(&mut m, "decoder.mid.2", width, width);
    for level in 0..levels {
        let place = format!("decoder.conv_blocks.{level}");
        let to = shapes.dimension(&format!("{place}.res.0.conv1.weight"), 0)?;
        for i in 0..shapes.count(&format!("{place}.res."), ".conv1.weight") {
            res(&mut m, &format!("{place}.res.{i}"), width, to);
            if level == 0 {
                attention(&mut m, &format!("{place}.attn.{i}"), to);
            }
            width = to;
        }
        if level + 1 < levels {
            m.conv(&format!("{place}.upsample.conv"), to, to, &SQUARE, true);
        }
    }
    m.norm("decoder.norm_out", width, true);
    m.conv("decoder.conv_out", 3, width, &SQUARE, true);
    let geometry = geometry_of_levels(codes, code_width, levels)?;
    Ok(TokenizerDescription {
        name: format!("LlamaGen VQ-{}", geometry.pixels_per_token),
        geometry,
        manifest: m,
    })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let config = match part.config.parsed::<LlamagenVqConfig>() {
        Some(config) => config,
        None => LlamagenVqConfig::from_shapes(part.shapes)?,
    };
    Ok(Box::new(LlamagenVq::load(&part.weights, &config, part.shapes)?))
}
