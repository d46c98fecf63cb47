//! What the rest of the program sees of an image tokenizer.

use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use image::RgbImage;

/// Name and sizes of an image tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerInfo {
    /// Shown to the person.
    pub name: String,
    /// Number of codes; must equal the decoder's.
    pub codebook_size: usize,
    /// Side of the square of pixels that one token draws.
    pub pixels_per_token: usize,
    /// How a partial grid is shown, in one sentence for the tooltip.
    pub partial_preview: &'static str,
    /// Weights, in numbers.
    pub parameters: u64,
}

/// The pixel side of a visual autoregressive model.
pub trait ImageTokenizer: Send + Sync {
    /// Sizes.
    fn info(&self) -> &TokenizerInfo;

    /// Decodes a grid. `tokens` has one entry per step of `layout`; `None` is a token not drawn yet,
    /// for which the tokenizer uses a stand-in. Entries at forced steps are ignored.
    ///
    /// # Errors
    /// A code beyond the codebook, or a grid the tokenizer cannot decode.
    fn decode(&self, tokens: &[Option<u32>], layout: &TokenLayout) -> Result<RgbImage, ModelError>;

    /// The picture of single codes: each as it looks amid its own kind, one square per code.
    ///
    /// # Errors
    /// Those of [`ImageTokenizer::decode`].
    fn swatches(&self, codes: &[u32]) -> Result<Vec<RgbImage>, ModelError>;
}
