//! MoVQGAN: every norm is modulated by the codes. All sizes are read off the tensors, so that other
//! channel counts than the published file's are known too; what has no blocks is not.

use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::Manifest;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::compute::weights::Weights;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerPart, geometry_of_levels,
};
use crate::tokenizers::movq::MovqDecoder;

/// The family.
pub static FAMILY: TokenizerFamily = TokenizerFamily { signature: SIGNATURE, describe, load };

const SIGNATURE: Signature = Signature {
    family: "MoVQGAN",
    tensor: "decoder.norm_out.conv_y.weight",
    typical: &[
        "quantize.embedding.weight",
        "post_quant_conv.weight",
        "decoder.conv_in.weight",
        "decoder.up.#.block.#.norm1.conv_y.weight",
        "decoder.norm_out.conv_y.weight",
        "decoder.norm_out.norm_layer.weight",
    ],
};

const SQUARE: [usize; 2] = [3, 3];
const POINT: [usize; 2] = [1, 1];

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let shapes = headers.shapes;
    let codes = shapes.dimension("quantize.embedding.weight", 0)?;
    let z = shapes.dimension("quantize.embedding.weight", 1)?;
    let mut width = shapes.dimension("decoder.conv_in.weight", 0)?;
    let levels = shapes.count("decoder.up.", ".block.0.conv1.weight");
    let mut m = Manifest { companions: &["encoder.", "quant_conv."], ..Manifest::default() };
    m.embedding("quantize.embedding.weight", codes, z);
    m.conv("post_quant_conv", z, z, &POINT, true);
    m.conv("decoder.conv_in", width, z, &SQUARE, true);
    let norm = |m: &mut Manifest, place: &str, width: usize| {
        m.norm(&format!("{place}.norm_layer"), width, true);
        m.conv(&format!("{place}.conv_y"), width, z, &POINT, true);
        m.conv(&format!("{place}.conv_b"), width, z, &POINT, true);
    };
    let block = |m: &mut Manifest, place: &str, from: usize, to: usize| {
        norm(m, &format!("{place}.norm1"), from);
        m.conv(&format!("{place}.conv1"), to, from, &SQUARE, true);
        norm(m, &format!("{place}.norm2"), to);
        m.conv(&format!("{place}.conv2"), to, to, &SQUARE, true);
        if from != to {
            m.conv(&format!("{place}.nin_shortcut"), to, from, &POINT, true);
        }
    };
    let attention = |m: &mut Manifest, place: &str, width: usize| {
        norm(m, &format!("{place}.norm"), width);
        for name in ["q", "k", "v", "proj_out"] {
            m.conv(&format!("{place}.{name}"), width, width, &POINT, true);
        }
    };
    block(&mut m, "decoder.mid.block_1", width, width);
    attention(&mut m, "decoder.mid.attn_1", width);
    block(&mut m, "decoder.mid.block_2", width, width);
    for level in (0..levels).rev() {
        let place = format!("decoder.up.{level}");
        let to = shapes.dimension(&format!("{place}.block.0.conv1.weight"), 0)?;
        let attended = shapes.get(&format!("{place}.attn.0.q.weight")).is_some();
        for i in 0..shapes.count(&format!("{place}.block."), ".conv1.weight") {
            block(&mut m, &format!("{place}.block.{i}"), width, to);
            if attended {
                attention(&mut m, &format!("{place}.attn.{i}"), to);
            }
            width = to;
        }
        if level > 0 {
            m.conv(&format!("{place}.upsample.conv"), to, to, &SQUARE, true);
        }
    }
    norm(&mut m, "decoder.norm_out", width);
    m.conv("decoder.conv_out", 3, width, &SQUARE, true);
    let geometry = geometry_of_levels(codes, z, levels)?;
    Ok(TokenizerDescription { name: SIGNATURE.family.into(), geometry, manifest: m })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    Ok(Box::new(MovqDecoder::load(&Weights::new(part.weights, Precision::F32))?))
}
