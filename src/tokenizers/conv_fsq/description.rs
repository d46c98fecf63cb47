//! The small convolutional tokenizer with finite scalar quantisation of the built-in model.

use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::Manifest;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::compute::weights::Weights;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::conv_fsq::{ConvFsq, ConvFsqConfig};
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart, doubled, patch_side,
};

/// The family.
pub static FAMILY: TokenizerFamily = TokenizerFamily { signature: SIGNATURE, describe, load };

const SIGNATURE: Signature = Signature {
    family: "FSQ autoencoder",
    tensor: "decoder.level0.block0.conv1.weight",
    typical: &[
        "decoder.conv_in.weight",
        "decoder.level0.block0.conv1.weight",
        "decoder.level1.up.weight",
        "decoder.norm_out.weight",
    ],
};

const SQUARE: [usize; 2] = [3, 3];
const POINT: [usize; 2] = [1, 1];

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let shapes = headers.shapes;
    let first = "decoder.conv_in.weight";
    let (mut width, code_width) = (shapes.dimension(first, 0)?, shapes.dimension(first, 1)?);
    let levels = shapes.count("decoder.level", ".block0.conv1.weight");
    let outputs = shapes.dimension("decoder.conv_out.weight", 0)?;
    let mut m = Manifest { companions: &["encoder."], ..Manifest::default() };
    m.conv("decoder.conv_in", width, code_width, &SQUARE, true);
    for level in (0..levels).rev() {
        let place = format!("decoder.level{level}");
        for i in 0..shapes.count(&format!("{place}.block"), ".conv1.weight") {
            let block = format!("{place}.block{i}");
            m.norm(&format!("{block}.norm"), width, false);
            m.conv(&format!("{block}.conv1"), width, width, &SQUARE, true);
            m.conv(&format!("{block}.conv2"), width, width, &SQUARE, true);
        }
        if level > 0 {
            // Four times the next level's channels, spread over 2×2 pixels.
            let next =
                shapes.dimension(&format!("decoder.level{}.block0.conv1.weight", level - 1), 0)?;
            m.conv(&format!("{place}.up"), 4 * next, width, &POINT, true);
            width = next;
        }
    }
    m.norm("decoder.norm_out", width, false);
    m.conv("decoder.conv_out", outputs, width, &SQUARE, true);
    let patch = patch_side(outputs)?;
    let side = doubled(patch, levels)?;
    let codebook_size = headers.config.image_tokenizer_size("codebook_size");
    let geometry = TokenizerGeometry { codebook_size, code_width, pixels_per_token: side };
    Ok(TokenizerDescription { name: SIGNATURE.family.into(), geometry, manifest: m })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let config = ConvFsqConfig::parse(&part.folder.read("image_tokenizer.json")?)?;
    Ok(Box::new(ConvFsq::load(&config, &Weights::new(part.weights, Precision::F32))?))
}
