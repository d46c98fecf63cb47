//! The table of image tokenizers: family to loader.

use crate::checkpoint::LoadProgress;
use crate::checkpoint::read_file::read_file;
use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use crate::compute::weights::Weights;
use crate::opening::decoders::sizes;
use crate::opening::identify::Family;
use crate::opening::inspect::Opened;
use crate::opening::open::shapes_of;
use crate::tokenizers::ImageTokenizer;
use crate::tokenizers::alitok::{AlitokTokenizer, AlitokTokenizerConfig};
use crate::tokenizers::conv_fsq::{self, ConvFsqConfig};
use crate::tokenizers::cosmos::{self, CosmosConfig};
use crate::tokenizers::llamagen_vq::{self, LlamagenVqConfig};
use crate::tokenizers::maskgit_vqgan::{self, MaskgitVqganConfig};
use crate::tokenizers::movq::{self, MovqConfig};
use std::sync::Arc;

/// Loads an image tokenizer in f32.
///
/// # Errors
/// Weights or configuration that are damaged or do not fit each other.
pub(super) fn load(
    opened: Opened,
    progress: &Arc<LoadProgress>,
) -> Result<Box<dyn ImageTokenizer>, ModelError> {
    let (family, folder, shapes) =
        (opened.identified.family, opened.folder.clone(), shapes_of(&opened));
    let weights = Weights::new(opened.into_var_builder(progress), Precision::F32);
    Ok(match family {
        Family::AliTokTokenizer => {
            let config = sizes(&folder, || AlitokTokenizerConfig::from_shapes(&shapes))?;
            Box::new(AlitokTokenizer::load(config, &weights, &shapes)?)
        }
        Family::MaskGitVqgan => {
            let config = sizes(&folder, || MaskgitVqganConfig::from_shapes(&shapes))?;
            Box::new(maskgit_vqgan::load_decoder(&config, &weights, &shapes)?)
        }
        Family::LlamaGenVq => {
            let config = sizes(&folder, || LlamagenVqConfig::from_shapes(&shapes))?;
            Box::new(llamagen_vq::load_decoder(&config, &weights, &shapes)?)
        }
        Family::Cosmos => {
            Box::new(cosmos::load_decoder(&CosmosConfig::from_shapes(&shapes)?, &weights)?)
        }
        Family::MoVqgan => {
            Box::new(movq::load_decoder(&MovqConfig::from_shapes(&shapes)?, &weights)?)
        }
        Family::FsqConv => {
            let config = ConvFsqConfig::parse(&read_file(&folder.join("image_tokenizer.json"))?)?;
            Box::new(conv_fsq::load_decoder(&config, &weights)?)
        }
        _ => return Err(ModelError::Internal("a decoder was taken for an image tokenizer")),
    })
}
