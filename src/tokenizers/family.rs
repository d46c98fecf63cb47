//! Types of which the description of a family of image tokenizers is made: how its files are
//! recognised, what their sizes are, which tensors they hold, and how they are loaded.

use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::ExpectedTensor;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::ImageTokenizer;
use serde::de::DeserializeOwned;

/// Sizes of an image tokenizer, all counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizerGeometry {
    /// Codes, where the files tell.
    pub codebook_size: Option<usize>,
    /// Numbers per code.
    pub code_width: usize,
    /// Side of the square of pixels that one token draws.
    pub pixels_per_token: usize,
}

/// An image tokenizer, as far as its headers tell.
#[derive(Debug, Clone)]
pub struct TokenizerDescription {
    /// Published name, or the family's.
    pub name: String,
    /// Sizes.
    pub geometry: TokenizerGeometry,
    /// The tensors of the half that draws pixels.
    pub tensors: Vec<ExpectedTensor>,
    /// Beginnings of the names of its other tensors, which drawing does not need (encoders).
    pub other_parts: &'static [&'static str],
}

/// Everything an image tokenizer is loaded from.
pub struct TokenizerPart<'a> {
    /// Names and shapes of the file.
    pub shapes: &'a TensorShapes,
    /// The JSON files beside the weights.
    pub config: &'a FolderConfig,
    /// The weights, in f32.
    pub weights: Weights<'static>,
}

impl TokenizerPart<'_> {
    /// Sizes from `config.json` if it is one of this kind, else from the shapes of the tensors: the
    /// published tokenizers come without one.
    ///
    /// # Errors
    /// Those of `from_shapes`, and a `config.json` with damaged values.
    pub(super) fn sizes<C: DeserializeOwned>(
        &self,
        from_shapes: impl FnOnce(&TensorShapes) -> Result<C, ModelError>,
    ) -> Result<C, ModelError> {
        match self.config.stated(|_| true)? {
            Some(config) => Ok(config),
            None => from_shapes(self.shapes),
        }
    }
}

/// A family of image tokenizers.
pub struct TokenizerFamily {
    /// How its files are recognised.
    pub signature: Signature,
    /// Sizes and tensors. Fails if a tensor that tells a size is missing.
    pub describe: fn(&Headers<'_>) -> Result<TokenizerDescription, ModelError>,
    /// Loads one in f32. Fails if weights or configuration are damaged or do not fit each other.
    pub load: fn(TokenizerPart<'_>) -> Result<Box<dyn ImageTokenizer>, ModelError>,
}
