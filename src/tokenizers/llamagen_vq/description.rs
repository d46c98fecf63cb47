//! How LlamaGen's VQ-16 and VQ-8 are recognised, described and loaded.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::error::ModelError;
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart,
};
use crate::tokenizers::image_tokenizer::ImageTokenizer;
use crate::tokenizers::llamagen_vq::config::LlamagenVqConfig;
use crate::tokenizers::llamagen_vq::networks::{load_decoder, tensors};

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

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let config = LlamagenVqConfig::from_shapes(headers.shapes)?;
    let geometry = TokenizerGeometry {
        codebook_size: Some(config.codebook_size),
        code_width: config.codebook_embed_dim,
        pixels_per_token: config.pixels_per_token(),
    };
    Ok(TokenizerDescription {
        name: format!("LlamaGen VQ-{}", config.pixels_per_token()),
        geometry,
        tensors: tensors(&config)?,
        other_parts: &["encoder.", "quant_conv."],
    })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let config = part.sizes(LlamagenVqConfig::from_shapes)?;
    Ok(Box::new(load_decoder(&config, &part.weights, part.shapes)?))
}
