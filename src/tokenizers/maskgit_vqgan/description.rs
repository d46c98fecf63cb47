//! MaskGIT-VQGAN. Its 1×1 shortcuts work on the output of the block, hence `[out, out]`. Widths are
//! read off the file level by level, and each layer must fit the one before it.

use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::Manifest;
use crate::compute::error::ModelError;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerPart, geometry_of_levels,
};
use crate::tokenizers::maskgit_vqgan::{MaskgitVqgan, MaskgitVqganConfig};

/// The family.
pub static FAMILY: TokenizerFamily = TokenizerFamily { signature: SIGNATURE, describe, load };

const SIGNATURE: Signature = Signature {
    family: "MaskGIT-VQGAN",
    tensor: "decoder.up.1.upsample_conv.weight",
    typical: &[
        "quantize.embedding.weight",
        "decoder.conv_in.weight",
        "decoder.mid.#.conv1.weight",
        "decoder.up.#.block.#.conv1.weight",
        "decoder.up.#.upsample_conv.weight",
        "decoder.norm_out.weight",
        "decoder.conv_out.weight",
    ],
};

const SQUARE: [usize; 2] = [3, 3];
const POINT: [usize; 2] = [1, 1];

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let shapes = headers.shapes;
    let codes = shapes.dimension("quantize.embedding.weight", 0)?;
    let code_width = shapes.dimension("quantize.embedding.weight", 1)?;
    let mut width = shapes.dimension("decoder.conv_in.weight", 0)?;
    let levels = shapes.count("decoder.up.", ".block.0.conv1.weight");
    let mut m = Manifest { companions: &["encoder."], ..Manifest::default() };
    m.embedding("quantize.embedding.weight", codes, code_width);
    m.conv("decoder.conv_in", width, code_width, &SQUARE, true);
    let block = |m: &mut Manifest, place: &str, from: usize, to: usize| {
        m.norm(&format!("{place}.norm1"), from, true);
        m.conv(&format!("{place}.conv1"), to, from, &SQUARE, false);
        m.norm(&format!("{place}.norm2"), to, true);
        m.conv(&format!("{place}.conv2"), to, to, &SQUARE, false);
        if from != to {
            m.conv(&format!("{place}.nin_shortcut"), to, to, &POINT, false);
        }
    };
    for i in 0..shapes.count("decoder.mid.", ".conv1.weight").max(1) {
        block(&mut m, &format!("decoder.mid.{i}"), width, width);
    }
    for level in (0..levels).rev() {
        let place = format!("decoder.up.{level}");
        let to = shapes.dimension(&format!("{place}.block.0.conv1.weight"), 0)?;
        for i in 0..shapes.count(&format!("{place}.block."), ".conv1.weight") {
            block(&mut m, &format!("{place}.block.{i}"), width, to);
            width = to;
        }
        if level > 0 {
            m.conv(&format!("{place}.upsample_conv"), to, to, &SQUARE, true);
        }
    }
    m.norm("decoder.norm_out", width, true);
    m.conv("decoder.conv_out", 3, width, &SQUARE, true);
    let geometry = geometry_of_levels(codes, code_width, levels)?;
    Ok(TokenizerDescription { name: SIGNATURE.family.into(), geometry, manifest: m })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let config = match part.config.parsed::<MaskgitVqganConfig>() {
        Some(config) => config,
        None => MaskgitVqganConfig::from_shapes(part.shapes)?,
    };
    Ok(Box::new(MaskgitVqgan::load(&part.weights, &config, part.shapes)?))
}
