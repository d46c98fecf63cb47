//! How a MaskGIT-VQGAN is recognised, described and loaded.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::error::ModelError;
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart,
};
use crate::tokenizers::image_tokenizer::ImageTokenizer;
use crate::tokenizers::maskgit_vqgan::config::MaskgitVqganConfig;
use crate::tokenizers::maskgit_vqgan::networks::{load_decoder, tensors};

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

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let config = MaskgitVqganConfig::from_shapes(headers.shapes)?;
    let geometry = TokenizerGeometry {
        codebook_size: Some(config.codebook_size),
        code_width: config.z_channels,
        pixels_per_token: config.pixels_per_token(),
    };
    Ok(TokenizerDescription {
        name: SIGNATURE.family.into(),
        geometry,
        tensors: tensors(&config)?,
        other_parts: &["encoder."],
    })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let config = part.sizes(MaskgitVqganConfig::from_shapes)?;
    Ok(Box::new(load_decoder(&config, &part.weights, part.shapes)?))
}
