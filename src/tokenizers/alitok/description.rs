//! How AliTok's tokenizer is recognised, described and loaded. The encoder belongs to the file and is not
//! compared.

use crate::checkpoint::headers::{Headers, Signature};
use crate::compute::error::ModelError;
use crate::tokenizers::alitok::config::AlitokTokenizerConfig;
use crate::tokenizers::alitok::tokenizer::{AlitokTokenizer, tensors};
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart,
};
use crate::tokenizers::image_tokenizer::ImageTokenizer;

/// The family.
pub static FAMILY: TokenizerFamily = TokenizerFamily { signature: SIGNATURE, describe, load };

const SIGNATURE: Signature = Signature {
    family: "AliTok tokenizer",
    tensor: "decoder.class_embedding",
    typical: &[
        "quantize.embedding.weight",
        "decoder.class_embedding",
        "decoder.latent_token_positional_embedding",
        "decoder.decoder_embed.weight",
        "decoder.transformer.#.attn.in_proj.weight",
        "decoder.ffn.#.weight",
    ],
};

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let config = AlitokTokenizerConfig::from_shapes(headers.shapes)?;
    let geometry = TokenizerGeometry {
        codebook_size: Some(config.codebook_size),
        code_width: config.token_size,
        pixels_per_token: config.patch_size,
    };
    Ok(TokenizerDescription {
        name: SIGNATURE.family.into(),
        geometry,
        tensors: tensors(&config)?,
        other_parts: &["encoder.", "latent_tokens"],
    })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let config = part.sizes(AlitokTokenizerConfig::from_shapes)?;
    Ok(Box::new(AlitokTokenizer::load(config, &part.weights, part.shapes)?))
}
