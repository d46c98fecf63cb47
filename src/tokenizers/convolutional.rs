//! An image tokenizer whose decoder is a convolutional network: any grid of codes can be decoded, and
//! a swatch is the middle of a small field of one code.

use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::tokenizers::grid::{StandIn, SwatchGrid, grid_codes, on_grey};
use crate::tokenizers::image_tokenizer::{ImageTokenizer, TokenizerInfo};
use crate::tokenizers::layers::feature_map::FeatureMap;
use crate::tokenizers::layers::network::Network;
use crate::tokenizers::pixels::{ByteRule, rgb_image};
use crate::tokenizers::quantizer::Quantizer;
use image::RgbImage;

/// A network from code vectors to pixels, with the quantizer `Q`.
pub struct ConvolutionalTokenizer<Q> {
    info: TokenizerInfo,
    quantizer: Q,
    decoder: Network,
    stand_in: StandIn,
    byte: ByteRule,
}

/// What is decoded for a swatch: one token with neighbours of its own kind.
const FIELD: SwatchGrid = SwatchGrid { grid: 3, square: 3 };

/// [`TokenizerInfo::partial_preview`] of tokenizers that decode the whole grid with
/// [`StandIn::Vector`], the mean of the codebook. On average over their miniatures this stand-in changed
/// finished patches least of six (`tests/preview_stand_ins.rs`); a repeated token above, the codes of a
/// grey picture and the mean of the drawn tokens came within a tenth, so on trained weights the order may
/// be another.
pub(super) const MEAN_PREVIEW: &str = "Tokens not drawn yet are shown as the mean of the codebook; \
     finished patches may still change a little, because the decoder's norms see the whole picture.";

impl<Q: Quantizer> ConvolutionalTokenizer<Q> {
    /// A tokenizer of its parts. `byte` makes bytes of what `decoder` puts out.
    pub fn new(
        info: TokenizerInfo,
        quantizer: Q,
        decoder: Network,
        stand_in: StandIn,
        byte: ByteRule,
    ) -> Self {
        Self { info, quantizer, decoder, stand_in, byte }
    }

    /// Codes to vectors.
    pub fn quantizer(&self) -> &Q {
        &self.quantizer
    }

    /// Pixels, three channels, not clamped, of a map of code vectors. `observe` gets the name and the
    /// output of each layer.
    ///
    /// # Errors
    /// Vectors of another width.
    pub fn decode_vectors(
        &self,
        vectors: &FeatureMap,
        observe: &mut dyn FnMut(&str, &FeatureMap),
    ) -> Result<FeatureMap, ModelError> {
        self.decoder.forward(vectors, observe)
    }

    fn picture(&self, vectors: &FeatureMap) -> Result<RgbImage, ModelError> {
        rgb_image(&self.decode_vectors(vectors, &mut |_, _| ())?, self.byte)
    }
}

impl<Q: Quantizer> ImageTokenizer for ConvolutionalTokenizer<Q> {
    fn info(&self) -> &TokenizerInfo {
        &self.info
    }

    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError> {
        let codes = grid_codes(tokens, layout, self.info.codebook_size)?;
        let (rows, columns) = (layout.rows(), layout.columns());
        if codes.len() != rows * columns {
            return Err(ModelError::Internal("a grid with tokens that draw nothing"));
        }
        let strip = self.stand_in.strip(&self.quantizer, &codes, columns)?;
        let pixels = |tokens: usize| tokens * self.info.pixels_per_token;
        let (width, height) = (pixels(columns), pixels(rows));
        let Some(strip) = strip else { return Ok(on_grey(None, width, height)) };
        let picture = self.picture(&strip.vectors)?;
        if strip.shown_rows == rows {
            return Ok(picture);
        }
        Ok(on_grey(Some((&picture, pixels(strip.shown_rows))), width, height))
    }

    fn swatches(&self, codes: &[u32]) -> Result<Vec<RgbImage>, ModelError> {
        FIELD.swatches(&self.info, codes, |codes| {
            self.picture(&self.quantizer.grid(codes, FIELD.grid, FIELD.grid)?)
        })
    }
}
