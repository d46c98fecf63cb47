//! Sizes of AliTok's image tokenizer, from `config.json` or from the shapes of a checkpoint.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use serde::Deserialize;

/// Sizes of an AliTok tokenizer; from a `config.json` or from the shapes of a checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AlitokTokenizerConfig {
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side of the token grid.
    pub grid: usize,
    /// Tokens of the whole image that come before the grid.
    pub num_prefix_tokens: usize,
    /// Width of a code's vector.
    pub token_size: usize,
    /// Learned rows before the latents in the decoder.
    pub num_class_embeddings: usize,
    /// Number of codes.
    pub codebook_size: usize,
    /// The encoder's transformer.
    pub encoder: TransformerConfig,
    /// The decoder's transformer.
    pub decoder: TransformerConfig,
    /// ε of every norm.
    #[serde(default = "norm_eps")]
    pub layer_norm_eps: f64,
}

/// Sizes of one transformer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TransformerConfig {
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Heads.
    pub heads: usize,
    /// Inner width of the feed-forward layers over `width`.
    pub mlp_ratio: usize,
}

fn norm_eps() -> f64 {
    1e-5
}

/// Width of a head in the published tokenizer.
const HEAD_DIM: usize = 64;

impl AlitokTokenizerConfig {
    /// Sizes from the shapes of a checkpoint; heads are 64 wide as published.
    ///
    /// # Errors
    /// A tensor is missing or has an impossible shape.
    pub fn from_shapes(shapes: &TensorShapes) -> Result<Self, ModelError> {
        let [codebook_size, token_size] = shapes.axes("quantize.embedding.weight")?;
        let [latents, encoder_width] = shapes.axes("latent_tokens")?;
        let [cells, _] = shapes.axes::<2>("encoder.positional_embedding")?;
        let [_, _, patch_size, _] = shapes.axes::<4>("encoder.patch_embed.weight")?;
        let [num_class_embeddings, decoder_width] = shapes.axes("decoder.class_embedding")?;
        let transformer = |part: &str, width: usize| -> Result<TransformerConfig, ModelError> {
            let name = format!("{part}.transformer.0.mlp.c_fc.weight");
            let [hidden, _] = shapes.axes::<2>(&name)?;
            let layers = shapes.count(&format!("{part}.transformer."), ".ln_1.weight");
            let heads = (width / HEAD_DIM).max(1);
            Ok(TransformerConfig { width, layers, heads, mlp_ratio: hidden / width })
        };
        let config = Self {
            patch_size,
            grid: cells.isqrt(),
            num_prefix_tokens: latents.saturating_sub(cells),
            token_size,
            num_class_embeddings,
            codebook_size,
            encoder: transformer("encoder", encoder_width)?,
            decoder: transformer("decoder", decoder_width)?,
            layer_norm_eps: norm_eps(),
        };
        config.check()?;
        Ok(config)
    }

    /// Whether the sizes fit each other.
    ///
    /// # Errors
    /// They do not.
    pub fn check(&self) -> Result<(), ModelError> {
        let sizes = [self.patch_size, self.grid, self.token_size, self.codebook_size];
        let divides = |part: &TransformerConfig| {
            part.heads > 0 && part.width > 0 && part.width.is_multiple_of(part.heads)
        };
        if sizes.contains(&0) || !divides(&self.encoder) || !divides(&self.decoder) {
            let reason = "a size of the image tokenizer is 0 or its heads do not fit its width";
            return Err(ModelError::Config(reason.to_string()));
        }
        Ok(())
    }

    /// Tokens of a picture.
    pub fn latents(&self) -> usize {
        self.num_prefix_tokens + self.grid * self.grid
    }
}
