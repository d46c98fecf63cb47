//! Image tokenizers: shapes to sizes and back. Only the half that draws pixels is compared; encoders
//! belong to the file and are not needed.

use super::geometry::{Config, TokenizerGeometry};
use crate::checkpoint::manifest::Manifest;
use crate::checkpoint::shapes::TensorShapes;
use crate::tokenizers as families;

/// AliTok's bidirectional transformer.
pub(crate) mod alitok {
    use super::*;
    use families::alitok::{AlitokTokenizerConfig, tensors};

    pub(crate) const SIGNATURE: &str = "decoder.class_embedding";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let config = AlitokTokenizerConfig::from_shapes(shapes).ok()?;
        let geometry = TokenizerGeometry {
            codebook_size: Some(config.codebook_size),
            code_width: config.token_size,
            pixels_per_token: config.patch_size,
        };
        let companions = &["encoder.", "latent_tokens"];
        Some((geometry, Manifest { tensors: tensors(&config).ok()?, companions }))
    }
}

/// MaskGIT-VQGAN.
pub(crate) mod maskgit {
    use super::*;
    use families::maskgit_vqgan::{MaskgitVqganConfig, tensors};

    pub(crate) const SIGNATURE: &str = "decoder.up.1.upsample_conv.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let config = MaskgitVqganConfig::from_shapes(shapes).ok()?;
        let geometry = TokenizerGeometry {
            codebook_size: Some(config.codebook_size),
            code_width: config.z_channels,
            pixels_per_token: config.pixels_per_token(),
        };
        let companions = &["encoder."];
        Some((geometry, Manifest { tensors: tensors(&config).ok()?, companions }))
    }
}

/// LlamaGen's VQ-16 and VQ-8.
pub(crate) mod llamagen {
    use super::*;
    use families::llamagen_vq::{LlamagenVqConfig, tensors};

    pub(crate) const SIGNATURE: &str = "decoder.conv_blocks.0.res.0.conv1.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let config = LlamagenVqConfig::from_shapes(shapes).ok()?;
        let geometry = TokenizerGeometry {
            codebook_size: Some(config.codebook_size),
            code_width: config.codebook_embed_dim,
            pixels_per_token: config.pixels_per_token(),
        };
        let companions = &["encoder.", "quant_conv."];
        Some((geometry, Manifest { tensors: tensors(&config).ok()?, companions }))
    }
}

/// MoVQGAN: every norm is modulated by the codes.
pub(crate) mod movq {
    use super::*;
    use families::movq::{MovqConfig, tensors};

    pub(crate) const SIGNATURE: &str = "decoder.norm_out.conv_y.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let config = MovqConfig::from_shapes(shapes).ok()?;
        let geometry = TokenizerGeometry {
            codebook_size: Some(config.codebook_size),
            code_width: config.code_width,
            pixels_per_token: config.pixels_per_token(),
        };
        let companions = &["encoder.", "quant_conv."];
        Some((geometry, Manifest { tensors: tensors(&config).ok()?, companions }))
    }
}

/// Cosmos DV 8×16×16: factorised 3-D convolutions over one frame.
pub(crate) mod cosmos {
    use super::*;
    use families::cosmos::{CODES, CosmosConfig, LEVELS, tensors};

    pub(crate) const SIGNATURE: &str = "decoder.conv_in.0.conv3d.weight";

    pub(crate) fn infer(shapes: &TensorShapes) -> Option<(TokenizerGeometry, Manifest)> {
        let config = CosmosConfig::from_shapes(shapes).ok()?;
        let geometry = TokenizerGeometry {
            // The quantizer's levels are no tensor of the decoder; as many numbers a code mean them.
            codebook_size: (config.code_width == LEVELS.len()).then_some(CODES),
            code_width: config.code_width,
            pixels_per_token: config.pixels_per_token(),
        };
        let companions = &["encoder.", "quant_conv."];
        Some((geometry, Manifest { tensors: tensors(&config).ok()?, companions }))
    }
}

/// The small convolutional tokenizer with finite scalar quantisation of the built-in model.
pub(crate) mod fsq {
    use super::*;
    use families::conv_fsq::{DecoderSizes, tensors};

    pub(crate) const SIGNATURE: &str = "decoder.level0.block0.conv1.weight";

    pub(crate) fn infer(
        shapes: &TensorShapes,
        config: &Config,
    ) -> Option<(TokenizerGeometry, Manifest)> {
        let sizes = DecoderSizes::from_shapes(shapes).ok()?;
        let geometry = TokenizerGeometry {
            codebook_size: config.image_tokenizer_size("codebook_size"),
            code_width: sizes.code_width,
            pixels_per_token: sizes.pixels_per_token(),
        };
        let companions = &["encoder."];
        Some((geometry, Manifest { tensors: tensors(&sizes).ok()?, companions }))
    }
}
