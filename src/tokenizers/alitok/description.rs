//! AliTok's tokenizer: a transformer in both directions. The encoder belongs to the file and is not
//! compared.

use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::Manifest;
use crate::compute::error::ModelError;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::alitok::{AlitokTokenizer, AlitokTokenizerConfig};
use crate::tokenizers::family::{
    TokenizerDescription, TokenizerFamily, TokenizerGeometry, TokenizerPart, patch_side,
};

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

const POINT: [usize; 2] = [1, 1];

fn describe(headers: &Headers<'_>) -> Result<TokenizerDescription, ModelError> {
    let shapes = headers.shapes;
    let codes = shapes.dimension("quantize.embedding.weight", 0)?;
    let code_width = shapes.dimension("quantize.embedding.weight", 1)?;
    let (classes, width) =
        (shapes.dimension(SIGNATURE.tensor, 0)?, shapes.dimension(SIGNATURE.tensor, 1)?);
    let pixels = shapes.dimension("decoder.ffn.0.weight", 0)?;
    let layers = shapes.count("decoder.transformer.", ".ln_1.weight");
    let side = patch_side(pixels)?;
    let mut m = Manifest { companions: &["encoder.", "latent_tokens"], ..Manifest::default() };
    m.other(SIGNATURE.tensor, &[classes, width]);
    m.other("decoder.latent_token_positional_embedding", &[classes + 273, width]);
    m.linear_with_bias("decoder.decoder_embed", width, code_width);
    m.norm("decoder.ln_pre", width, true);
    for i in 0..layers {
        let block = format!("decoder.transformer.{i}");
        m.norm(&format!("{block}.ln_1"), width, true);
        m.linear_with_bias(&format!("{block}.attn.in_proj"), 3 * width, width);
        m.linear_with_bias(&format!("{block}.attn.out_proj"), width, width);
        m.norm(&format!("{block}.ln_2"), width, true);
        m.linear_with_bias(&format!("{block}.mlp.c_fc"), 4 * width, width);
        m.linear_with_bias(&format!("{block}.mlp.c_proj"), width, 4 * width);
    }
    m.norm("decoder.ln_post", width, true);
    m.conv("decoder.ffn.0", pixels, width, &POINT, true);
    m.conv("decoder.conv_out", 3, 3, &POINT, true);
    m.embedding("quantize.embedding.weight", codes, code_width);
    let geometry =
        TokenizerGeometry { codebook_size: Some(codes), code_width, pixels_per_token: side };
    Ok(TokenizerDescription { name: SIGNATURE.family.into(), geometry, manifest: m })
}

fn load(part: TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let config = match part.config.parsed::<AlitokTokenizerConfig>() {
        Some(config) => config,
        None => AlitokTokenizerConfig::from_shapes(part.shapes)?,
    };
    Ok(Box::new(AlitokTokenizer::load(&part.weights, config, part.shapes)?))
}
