//! How a Cosmos DV tokenizer is recognised, described and loaded.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::error::ModelError;
use crate::tokenizers::cosmos::config::{CODES, CosmosConfig, LEVELS};
use crate::tokenizers::cosmos::network::{load_decoder, tensors};
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart,
};
use crate::tokenizers::image_tokenizer::ImageTokenizer;

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
    let config = CosmosConfig::from_shapes(headers.shapes)?;
    // The quantizer's levels are no tensor of the decoder; as many numbers a code mean them.
    let geometry = TokenizerGeometry {
        codebook_size: (config.code_width == LEVELS.len()).then_some(CODES),
        code_width: config.code_width,
        pixels_per_token: config.pixels_per_token(),
    };
    Ok(TokenizerDescription {
        name: SIGNATURE.family.into(),
        geometry,
        tensors: tensors(&config)?,
        other_parts: &["encoder.", "quant_conv."],
    })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    Ok(Box::new(load_decoder(&CosmosConfig::from_shapes(part.shapes)?, &part.weights)?))
}
