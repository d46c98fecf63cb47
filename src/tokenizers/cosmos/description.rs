//! Cosmos DV 8×16×16: factorised 3-D convolutions over one frame.

use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::Manifest;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::compute::weights::Weights;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::cosmos::{CODES, CosmosDecoder, LEVELS};
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart, doubled,
};

/// The family.
pub static FAMILY: TokenizerFamily = TokenizerFamily { signature: SIGNATURE, describe, load };

const SIGNATURE: Signature = Signature {
    family: "Cosmos DV",
    tensor: "decoder.conv_in.0.conv3d.weight",
    typical: &[
        "post_quant_conv.conv3d.weight",
        "decoder.conv_in.#.conv3d.weight",
        "decoder.mid.block_1.norm1.norm.weight",
        "decoder.up.#.block.#.conv1.#.conv3d.weight",
        "decoder.conv_out.#.conv3d.weight",
    ],
};

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let shapes = headers.shapes;
    let first = "post_quant_conv.conv3d.weight";
    let (z, code_width) = (shapes.dimension(first, 0)?, shapes.dimension(first, 1)?);
    let mut width = shapes.dimension(SIGNATURE.tensor, 0)?;
    let levels = shapes.count("decoder.up.", ".block.0.norm1.norm.weight");
    let mut m = Manifest { companions: &["encoder.", "quant_conv."], ..Manifest::default() };
    let point = |m: &mut Manifest, place: &str, to: usize, from: usize| {
        m.conv(&format!("{place}.conv3d"), to, from, &[1, 1, 1], true);
    };
    // One convolution over the frame, then one over time.
    let pair = |m: &mut Manifest, place: &str, to: usize, from: usize| {
        m.conv(&format!("{place}.0.conv3d"), to, from, &[1, 3, 3], true);
        m.conv(&format!("{place}.1.conv3d"), to, to, &[3, 1, 1], true);
    };
    let block = |m: &mut Manifest, place: &str, from: usize, to: usize| {
        m.norm(&format!("{place}.norm1.norm"), from, true);
        pair(m, &format!("{place}.conv1"), to, from);
        m.norm(&format!("{place}.norm2.norm"), to, true);
        pair(m, &format!("{place}.conv2"), to, to);
        if from != to {
            point(m, &format!("{place}.nin_shortcut"), to, from);
        }
    };
    point(&mut m, "post_quant_conv", z, code_width);
    pair(&mut m, "decoder.conv_in", width, z);
    block(&mut m, "decoder.mid.block_1", width, width);
    for part in 0..2 {
        let place = format!("decoder.mid.attn_1.{part}");
        m.norm(&format!("{place}.norm.norm"), width, true);
        for name in ["q", "k", "v", "proj_out"] {
            point(&mut m, &format!("{place}.{name}"), width, width);
        }
    }
    block(&mut m, "decoder.mid.block_2", width, width);
    for level in (0..levels).rev() {
        let place = format!("decoder.up.{level}");
        let to = shapes.dimension(&format!("{place}.block.0.conv1.0.conv3d.weight"), 0)?;
        for i in 0..shapes.count(&format!("{place}.block."), ".norm1.norm.weight") {
            block(&mut m, &format!("{place}.block.{i}"), width, to);
            width = to;
        }
        if level > 0 {
            let place = format!("{place}.upsample");
            m.conv(&format!("{place}.conv1.conv3d"), to, to, &[3, 1, 1], true);
            m.conv(&format!("{place}.conv2.conv3d"), to, to, &[1, 3, 3], true);
            point(&mut m, &format!("{place}.conv3"), to, to);
        }
    }
    m.norm("decoder.norm_out.norm", width, true);
    // Pixels of a patch over time, height and width, taken apart by inverse Haar: 4 published.
    let outputs = shapes.dimension("decoder.conv_out.0.conv3d.weight", 0)?;
    let patch = [1usize, 2, 4, 8].into_iter().find(|patch| patch.pow(3) * 3 == outputs);
    let patch = patch.ok_or_else(|| {
        ModelError::Weights(format!("{outputs} outputs are no cube of coloured pixels"))
    })?;
    pair(&mut m, "decoder.conv_out", outputs, width);
    let side = doubled(patch, levels)?;
    // The quantizer's levels are no tensor of the decoder; as many numbers a code mean them.
    let codebook_size = (code_width == LEVELS.len()).then_some(CODES);
    let geometry = TokenizerGeometry { codebook_size, code_width, pixels_per_token: side };
    Ok(TokenizerDescription { name: SIGNATURE.family.into(), geometry, manifest: m })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    Ok(Box::new(CosmosDecoder::load(&Weights::new(part.weights, Precision::F32))?))
}
