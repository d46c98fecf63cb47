//! MaskGIT-VQGAN, the image tokenizer of RAR: one token is 16×16 pixels, no attention.
//!
//! Where a residual block changes the channels, its 1×1 shortcut is applied to the output of the second
//! convolution and the block's input is dropped; the published weights need exactly that.
//!
//! Verified on a miniature with random weights (`tests/golden_class_tokenizers`): decoder stages and
//! pixels, encoder codes. The authors' own file was not available.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::codebook::Codebook;
use crate::tokenizers::convolutional::{ConvolutionalTokenizer, MEAN_PREVIEW};
use crate::tokenizers::grid::StandIn;
use crate::tokenizers::image_tokenizer::TokenizerInfo;
use crate::tokenizers::layers::convolution_spec::{ConvolutionForm, ConvolutionSpec};
use crate::tokenizers::layers::layer::Layer;
use crate::tokenizers::layers::network::{
    Architecture, Convolutions, Network, ShortcutRule, Style,
};
use crate::tokenizers::layers::norm::NormForm;
use crate::tokenizers::layers::resample::Resampling;
use crate::tokenizers::maskgit_vqgan::config::MaskgitVqganConfig;
use crate::tokenizers::pixels::unit_byte;

/// A MaskGIT-VQGAN, loaded.
pub type MaskgitVqgan = ConvolutionalTokenizer<Codebook>;

fn style(config: &MaskgitVqganConfig) -> Style {
    Style {
        norm: NormForm::Group { groups: config.num_groups, eps: config.group_norm_eps },
        second_norm: true,
        convolutions: Convolutions::Planes,
        block_bias: false,
        shortcut: ShortcutRule::SecondConvolution,
    }
}

/// The decoder: code vectors to pixels, nominally 0..1.
///
/// # Errors
/// Sizes without levels or groups.
pub(super) fn decoder(config: &MaskgitVqganConfig) -> Result<Architecture, ModelError> {
    let channels = config.channels()?;
    let deepest = channels.last().copied().unwrap_or(0);
    let mut network = Architecture::new(style(config), config.z_channels);
    network.convolution("decoder.conv_in", deepest, 3);
    for block in 0..config.num_res_blocks {
        network.residual(&format!("decoder.mid.{block}"), deepest);
    }
    for (level, &outputs) in channels.iter().enumerate().rev() {
        let place = format!("decoder.up.{level}");
        for block in 0..config.num_res_blocks {
            network.residual(&format!("{place}.block.{block}"), outputs);
        }
        if level > 0 {
            network.upsample(&format!("{place}.upsample_conv"));
        }
    }
    network.output("decoder", 3, 3);
    Ok(network)
}

/// The encoder: pixels in 0..1 to vectors.
///
/// # Errors
/// Sizes without levels or groups.
pub(super) fn encoder(config: &MaskgitVqganConfig) -> Result<Architecture, ModelError> {
    let channels = config.channels()?;
    let mut network = Architecture::new(style(config), 3);
    let (place, first) = ("encoder.conv_in", channels.first().copied().unwrap_or(0));
    let form = ConvolutionForm::Plane { bias: false };
    let spec = ConvolutionSpec { form, ..ConvolutionSpec::plane(place, 3, first, 3) };
    network.add(place, Layer::Convolution(spec), first);
    for (level, &outputs) in channels.iter().enumerate() {
        if level > 0 {
            network.resample(Resampling::AveragePool(2));
        }
        for block in 0..config.num_res_blocks {
            network.residual(&format!("encoder.down.{level}.block.{block}"), outputs);
        }
    }
    for block in 0..config.num_res_blocks {
        network.residual(&format!("encoder.mid.{block}"), network.channels());
    }
    network.output("encoder", config.z_channels, 1);
    Ok(network)
}

/// The tensors of codebook and decoder.
///
/// # Errors
/// Sizes without levels or groups.
pub(crate) fn tensors(config: &MaskgitVqganConfig) -> Result<Vec<ExpectedTensor>, ModelError> {
    Listing::of(|source| {
        Codebook::request(source, config.codebook_size, config.z_channels)?;
        decoder(config)?.request(source)
    })
}

/// Loads decoder and codebook of a checkpoint whose keys have no prefix.
///
/// # Errors
/// Weights that do not fit the configuration.
pub fn load_decoder(
    config: &MaskgitVqganConfig,
    weights: &Weights<'_>,
    shapes: &TensorShapes,
) -> Result<MaskgitVqgan, ModelError> {
    let codebook = Codebook::load(weights, config.codebook_size, config.z_channels, false)?;
    let network = decoder(config)?.load(weights)?;
    let info = TokenizerInfo {
        name: "MaskGIT-VQGAN".into(),
        codebook_size: config.codebook_size,
        pixels_per_token: config.pixels_per_token(),
        partial_preview: MEAN_PREVIEW,
        parameters: shapes.elements(|_| true),
    };
    let stand_in = StandIn::Vector(codebook.mean());
    Ok(MaskgitVqgan::new(info, codebook, network, stand_in, unit_byte))
}

/// Loads the encoder of the same checkpoint, which decoding does not need.
///
/// # Errors
/// Weights that do not fit the configuration.
pub fn load_encoder(
    config: &MaskgitVqganConfig,
    weights: &Weights<'_>,
) -> Result<Network, ModelError> {
    encoder(config)?.load(weights)
}
