//! AliTok's image tokenizer: a transformer that attends in both directions over 32 class embeddings,
//! 17 prefix latents and 256 grid latents; each grid latent becomes a patch of 16×16 pixels.
//!
//! The prefix tokens belong to the whole image and have no pixels of their own.
//!
//! Verified on a miniature with random weights (`tests/golden_class_tokenizers`): decoder rows and
//! pixels, encoder latents and codes. The authors' own file was not available.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::layout::TokenLayout;
use crate::compute::weights::Weights;
use crate::tokenizers::alitok::config::AlitokTokenizerConfig;
use crate::tokenizers::alitok::encoder::AlitokEncoder;
use crate::tokenizers::alitok::transformer::Transformer;
use crate::tokenizers::codebook::Codebook;
use crate::tokenizers::grid::{SwatchGrid, grid_codes};
use crate::tokenizers::image_tokenizer::{ImageTokenizer, TokenizerInfo};
use crate::tokenizers::layers::conv2d::Conv2d;
use crate::tokenizers::layers::convolution_spec::ConvolutionSpec;
use crate::tokenizers::layers::feature_map::FeatureMap;
use crate::tokenizers::layers::resample::Resampling;
use crate::tokenizers::pixels::{rgb_image, unit_byte};
use crate::tokenizers::quantizer::Quantizer;
use candle_core::{Device, Tensor};
use image::RgbImage;

/// The layers of the decoder that are no convolutions.
struct Layers<S: LayerSource> {
    class_embedding: S::Tensor,
    positions: S::Tensor,
    decoder_embed: S::Linear,
    transformer: Transformer<S>,
}

impl<S: LayerSource> Layers<S> {
    fn load(source: &S, config: &AlitokTokenizerConfig) -> Result<Self, ModelError> {
        let decoder = source.pp("decoder");
        let (width, classes) = (config.decoder.width, config.num_class_embeddings);
        let rows = classes + config.latents();
        let embed = decoder.pp("decoder_embed");
        Ok(Self {
            class_embedding: decoder.tensor((classes, width), "class_embedding")?,
            positions: decoder.tensor((rows, width), "latent_token_positional_embedding")?,
            decoder_embed: embed.linear_with_bias(config.token_size, width)?,
            transformer: Transformer::load(&decoder, &config.decoder, config.layer_norm_eps)?,
        })
    }
}

/// The convolutions that make pixels of latents: to a patch, then from colours to colours.
fn convolutions(config: &AlitokTokenizerConfig) -> [ConvolutionSpec; 2] {
    let patch = 3 * config.patch_size * config.patch_size;
    [
        ConvolutionSpec::plane("decoder.ffn.0", config.decoder.width, patch, 1),
        ConvolutionSpec::plane("decoder.conv_out", 3, 3, 1),
    ]
}

/// The tensors of decoder and codebook.
///
/// # Errors
/// None: listing does not fail.
pub(crate) fn tensors(config: &AlitokTokenizerConfig) -> Result<Vec<ExpectedTensor>, ModelError> {
    Listing::of(|source| {
        Layers::load(source, config)?;
        for convolution in convolutions(config) {
            convolution.read(source)?;
        }
        Codebook::request(source, config.codebook_size, config.token_size)
    })
}

/// The decoder with its codebook.
pub struct AlitokTokenizer {
    config: AlitokTokenizerConfig,
    info: TokenizerInfo,
    codebook: Codebook,
    stand_ins: Vec<u32>,
    layers: Layers<Weights<'static>>,
    ffn: Conv2d,
    conv_out: Conv2d,
}

impl AlitokTokenizer {
    /// Loads decoder and codebook of a checkpoint whose keys have no prefix. The encoder is loaded as
    /// well, encodes a grey picture for [`AlitokTokenizer::stand_ins`], and is dropped.
    ///
    /// # Errors
    /// Weights that do not fit the configuration.
    pub fn load(
        config: AlitokTokenizerConfig,
        weights: &Weights<'static>,
        shapes: &TensorShapes,
    ) -> Result<Self, ModelError> {
        config.check()?;
        let codebook = Codebook::load(weights, config.codebook_size, config.token_size, false)?;
        let side = config.grid * config.patch_size;
        let grey = FeatureMap::new(side, side, 3, vec![0.5; 3 * side * side])?;
        let encoded = AlitokEncoder::load(&config, weights)?.encode_vectors(&grey)?;
        let [ffn, conv_out] = convolutions(&config);
        Ok(Self {
            info: TokenizerInfo {
                name: "AliTok tokenizer".into(),
                codebook_size: config.codebook_size,
                pixels_per_token: config.patch_size,
                partial_preview: PARTIAL_PREVIEW,
                parameters: shapes.elements(|_| true),
            },
            stand_ins: codebook.quantize_grid(&encoded)?,
            codebook,
            layers: Layers::load(weights, &config)?,
            ffn: ffn.load(weights)?,
            conv_out: conv_out.load(weights)?,
            config,
        })
    }

    /// The codebook.
    pub fn codebook(&self) -> &Codebook {
        &self.codebook
    }

    /// Sizes.
    pub fn config(&self) -> &AlitokTokenizerConfig {
        &self.config
    }

    /// The codes of a mid-grey picture, position by position: what stands for tokens not drawn yet.
    pub fn stand_ins(&self) -> &[u32] {
        &self.stand_ins
    }

    /// Pixels in 0..1 of all latents `[tokens][token_size]`. `observe` sees the rows after the first norm,
    /// after each block and after the last norm.
    ///
    /// # Errors
    /// Another number of latents.
    pub fn decode_vectors(
        &self,
        latents: Vec<f32>,
        observe: &mut dyn FnMut(&Tensor),
    ) -> Result<FeatureMap, ModelError> {
        let (grid, tokens) = (self.config.grid, self.config.latents());
        let latents = Tensor::from_vec(latents, (tokens, self.config.token_size), &Device::Cpu)?;
        let Layers { class_embedding, positions, decoder_embed, transformer } = &self.layers;
        let embedded = decoder_embed.forward(&latents)?;
        let rows = (Tensor::cat(&[class_embedding, &embedded], 0)? + positions)?;
        let rows = transformer.forward(&rows, grid * grid, observe)?;
        let width = rows.dim(1)?;
        let rows = FeatureMap::new(grid, grid, width, rows.flatten_all()?.to_vec1()?)?;
        // Colours are mixed last, pixel by pixel.
        let patches = Resampling::Patches(self.config.patch_size);
        let mut pixels = self.conv_out.forward(&patches.forward(&self.ffn.forward(&rows)?)?)?;
        pixels.sigmoid();
        Ok(pixels)
    }

    fn picture(&self, codes: &[u32]) -> Result<RgbImage, ModelError> {
        rgb_image(&self.decode_vectors(self.codebook.vectors(codes)?, &mut |_| ())?, unit_byte)
    }
}

/// [`TokenizerInfo::partial_preview`] of this tokenizer. Of seven stand-ins, this one changed finished
/// patches least (`tests/preview_stand_ins.rs`): by 0.032 of the display range, the codebook's mean by
/// 0.052, leaving the missing rows out of the attention by 0.046.
const PARTIAL_PREVIEW: &str = "Tokens not drawn yet are shown as those of a grey picture; finished \
     patches still change until the last token, because the decoder looks at the whole picture.";

/// Tokens on a side of the square of one code that a swatch is cut from.
const SWATCH_SQUARE: usize = 4;

impl ImageTokenizer for AlitokTokenizer {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError> {
        let codes = grid_codes(tokens, layout, self.info.codebook_size)?;
        if codes.len() != self.stand_ins.len() {
            return Err(ModelError::Internal(
                "a grid has another number of tokens than its layout",
            ));
        }
        let codes = codes.iter().zip(&self.stand_ins);
        let codes: Vec<u32> = codes.map(|(code, &stand_in)| code.unwrap_or(stand_in)).collect();
        self.picture(&codes)
    }

    /// Squares of equal codes share a picture, because a picture costs a pass over all tokens; the
    /// prefix tokens are the picture's first code.
    fn swatches(&self, codes: &[u32]) -> Result<Vec<RgbImage>, ModelError> {
        let grid = self.config.grid;
        let squares = SwatchGrid { grid, square: SWATCH_SQUARE.min(grid) };
        squares.swatches(&self.info, codes, |cells| {
            let first = cells.first().copied().unwrap_or_default();
            let mut codes = vec![first; self.config.num_prefix_tokens];
            codes.extend_from_slice(cells);
            self.picture(&codes)
        })
    }
}
