//! How the built-in tokenizer is recognised, described and loaded.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::error::ModelError;
use crate::tokenizers::conv_fsq::config::{ConvFsqConfig, DecoderSizes};
use crate::tokenizers::conv_fsq::networks::{load_decoder, tensors};
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart,
};
use crate::tokenizers::image_tokenizer::ImageTokenizer;

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

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let sizes = DecoderSizes::from_shapes(headers.shapes)?;
    let geometry = TokenizerGeometry {
        codebook_size: headers.config.image_tokenizer_size("codebook_size"),
        code_width: sizes.code_width,
        pixels_per_token: sizes.pixels_per_token(),
    };
    Ok(TokenizerDescription {
        name: SIGNATURE.family.into(),
        geometry,
        tensors: tensors(&sizes)?,
        other_parts: &["encoder."],
    })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let config: ConvFsqConfig = part.config.image_tokenizer()?;
    config.check()?;
    Ok(Box::new(load_decoder(&config, &part.weights)?))
}
