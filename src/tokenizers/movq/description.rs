//! How a MoVQGAN is recognised, described and loaded. All sizes are read off the tensors, so that other
//! channel counts than the published file's are known too; what has no blocks is not.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::error::ModelError;
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart,
};
use crate::tokenizers::image_tokenizer::ImageTokenizer;
use crate::tokenizers::movq::config::MovqConfig;
use crate::tokenizers::movq::network::{load_decoder, tensors};

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

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let config = MovqConfig::from_shapes(headers.shapes)?;
    let geometry = TokenizerGeometry {
        codebook_size: Some(config.codebook_size),
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
    Ok(Box::new(load_decoder(&MovqConfig::from_shapes(part.shapes)?, &part.weights)?))
}
