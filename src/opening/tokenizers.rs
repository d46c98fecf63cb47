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
use crate::tokenizers::conv_fsq::{ConvFsq, ConvFsqConfig};
use crate::tokenizers::cosmos::CosmosDecoder;
use crate::tokenizers::llamagen_vq::{LlamagenVq, LlamagenVqConfig};
use crate::tokenizers::maskgit_vqgan::{MaskgitVqgan, MaskgitVqganConfig};
use crate::tokenizers::movq::MovqDecoder;
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
    let builder = opened.into_var_builder(progress);
    let weights = |builder| Weights::new(builder, Precision::F32);
    Ok(match family {
        Family::AliTokTokenizer => {
            let config = sizes(&folder, || AlitokTokenizerConfig::from_shapes(&shapes))?;
            Box::new(AlitokTokenizer::load(&builder, config, &shapes)?)
        }
        Family::MaskGitVqgan => {
            let config = sizes(&folder, || MaskgitVqganConfig::from_shapes(&shapes))?;
            Box::new(MaskgitVqgan::load(&builder, &config, &shapes)?)
        }
        Family::LlamaGenVq => {
            let config = sizes(&folder, || LlamagenVqConfig::from_shapes(&shapes))?;
            Box::new(LlamagenVq::load(&builder, &config, &shapes)?)
        }
        Family::Cosmos => Box::new(CosmosDecoder::load(&weights(builder))?),
        Family::MoVqgan => Box::new(MovqDecoder::load(&weights(builder))?),
        Family::FsqConv => {
            let config = ConvFsqConfig::parse(&read_file(&folder.join("image_tokenizer.json"))?)?;
            Box::new(ConvFsq::load(&config, &weights(builder))?)
        }
        _ => return Err(ModelError::Internal("a decoder was taken for an image tokenizer")),
    })
}
