//! What a family of image tokenizers says of itself, once: how its files are recognised, what their
//! sizes are, which tensors they hold, and how they are loaded.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::Manifest;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::tokenizers::ImageTokenizer;
use candle_nn::VarBuilder;

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
    pub(crate) manifest: Manifest,
}

/// Everything an image tokenizer is loaded from.
pub struct TokenizerPart<'a> {
    /// Names and shapes of the file.
    pub shapes: &'a TensorShapes,
    /// The JSON files beside the weights.
    pub config: &'a FolderConfig,
    /// Where those lie.
    pub folder: &'a ModelFolder,
    /// The weights, in f32.
    pub weights: VarBuilder<'static>,
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

/// Sizes of a tokenizer with a table of codes, whose resolution doubles between `levels` levels.
pub(super) fn geometry_of_levels(
    codes: usize,
    code_width: usize,
    levels: usize,
) -> Result<TokenizerGeometry, ModelError> {
    let pixels_per_token = doubled(1, levels)?;
    Ok(TokenizerGeometry { codebook_size: Some(codes), code_width, pixels_per_token })
}

/// `base` doubled between `levels` levels, of which no tokenizer has more than eight.
pub(super) fn doubled(base: usize, levels: usize) -> Result<usize, ModelError> {
    if (1..=8).contains(&levels) {
        return Ok(base << (levels - 1));
    }
    Err(ModelError::Weights(format!("a decoder of {levels} levels, not 1 to 8")))
}

/// Side of the square of coloured pixels that `channels` numbers are.
pub(super) fn patch_side(channels: usize) -> Result<usize, ModelError> {
    (1..=64).find(|side| side * side * 3 == channels).ok_or_else(|| {
        ModelError::Weights(format!("{channels} outputs are no square of coloured pixels"))
    })
}
