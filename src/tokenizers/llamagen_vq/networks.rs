//! VQ-16 and VQ-8, the image tokenizers of LlamaGen: one token is 16×16 or 8×8 pixels, attention over
//! pixels at the lowest resolution, code vectors divided by their norm.
//!
//! Verified on miniatures with random weights (`tests/golden_class_tokenizers`): decoder stages and
//! pixels, encoder codes, single blocks with 32 groups, and the full 72 M VQ-16 with weights that follow
//! a formula. The authors' own files were not available.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::codebook::Codebook;
use crate::tokenizers::convolutional::{ConvolutionalTokenizer, MEAN_PREVIEW};
use crate::tokenizers::grid::StandIn;
use crate::tokenizers::image_tokenizer::TokenizerInfo;
use crate::tokenizers::layers::conv2d::Window;
use crate::tokenizers::layers::network::{
    Architecture, Convolutions, Network, ShortcutRule, Style,
};
use crate::tokenizers::layers::norm::NormForm;
use crate::tokenizers::llamagen_vq::config::LlamagenVqConfig;
use crate::tokenizers::pixels::signed_byte;

/// A VQ-16 or VQ-8, loaded.
pub type LlamagenVq = ConvolutionalTokenizer<Codebook>;

/// What all layers have in common, with norms of `groups` groups and ε `eps`.
pub fn style(groups: usize, eps: f64) -> Style {
    Style {
        norm: NormForm::Group { groups, eps },
        second_norm: true,
        convolutions: Convolutions::Planes,
        block_bias: true,
        shortcut: ShortcutRule::Input,
    }
}

/// Residual blocks of one resolution, each followed by attention where `attention` says so.
fn level(network: &mut Architecture, place: &str, outputs: usize, blocks: usize, attention: bool) {
    for block in 0..blocks {
        network.residual(&format!("{place}.res.{block}"), outputs);
        if attention {
            network.attention(&format!("{place}.attn.{block}"));
        }
    }
}

/// Residual block, attention, residual block at the lowest resolution.
fn middle(network: &mut Architecture, half: &str) {
    let channels = network.channels();
    network.residual(&format!("{half}.mid.0"), channels);
    network.attention(&format!("{half}.mid.1"));
    network.residual(&format!("{half}.mid.2"), channels);
}

/// The decoder: code vectors to pixels, nominally -1..1.
///
/// # Errors
/// Sizes without levels or groups.
pub(super) fn decoder(config: &LlamagenVqConfig) -> Result<Architecture, ModelError> {
    let channels = config.channels()?;
    let style = style(config.norm_num_groups, config.norm_eps);
    let mut network = Architecture::new(style, config.codebook_embed_dim);
    network.convolution("post_quant_conv", config.z_channels, 1);
    network.convolution("decoder.conv_in", channels.last().copied().unwrap_or(0), 3);
    middle(&mut network, "decoder");
    for (index, &outputs) in channels.iter().rev().enumerate() {
        let place = format!("decoder.conv_blocks.{index}");
        level(&mut network, &place, outputs, config.num_res_blocks + 1, index == 0);
        if index + 1 < channels.len() {
            network.upsample(&format!("{place}.upsample.conv"));
        }
    }
    network.output("decoder", 3, 3);
    Ok(network)
}

/// The encoder: pixels in -1..1 to vectors, not divided by their norm.
///
/// # Errors
/// Sizes without levels or groups.
pub(super) fn encoder(config: &LlamagenVqConfig) -> Result<Architecture, ModelError> {
    let channels = config.channels()?;
    let style = style(config.norm_num_groups, config.norm_eps);
    let mut network = Architecture::new(style, 3);
    network.convolution("encoder.conv_in", channels.first().copied().unwrap_or(0), 3);
    for (index, &outputs) in channels.iter().enumerate() {
        let place = format!("encoder.conv_blocks.{index}");
        let lowest = index + 1 == channels.len();
        level(&mut network, &place, outputs, config.num_res_blocks, lowest);
        if !lowest {
            let place = format!("{place}.downsample.conv");
            network.strided_convolution(&place, outputs, 3, Window::HALVING);
        }
    }
    middle(&mut network, "encoder");
    network.output("encoder", config.z_channels, 3);
    network.convolution("quant_conv", config.codebook_embed_dim, 1);
    Ok(network)
}

/// The tensors of codebook and decoder.
///
/// # Errors
/// Sizes without levels or groups.
pub(crate) fn tensors(config: &LlamagenVqConfig) -> Result<Vec<ExpectedTensor>, ModelError> {
    Listing::of(|source| {
        Codebook::request(source, config.codebook_size, config.codebook_embed_dim)?;
        decoder(config)?.request(source)
    })
}

/// Loads decoder and codebook of a checkpoint whose keys have no prefix.
///
/// # Errors
/// Weights that do not fit the configuration.
pub fn load_decoder(
    config: &LlamagenVqConfig,
    weights: &Weights<'_>,
    shapes: &TensorShapes,
) -> Result<LlamagenVq, ModelError> {
    let (codes, width) = (config.codebook_size, config.codebook_embed_dim);
    let codebook = Codebook::load(weights, codes, width, config.codebook_l2_norm)?;
    let network = decoder(config)?.load(weights)?;
    let pixels_per_token = config.pixels_per_token();
    let info = TokenizerInfo {
        name: format!("VQ-{pixels_per_token}"),
        codebook_size: codes,
        pixels_per_token,
        partial_preview: MEAN_PREVIEW,
        // A statistic of the training stands in the file as well.
        parameters: shapes.elements(|name| name != "quantize.codebook_used"),
    };
    let stand_in = StandIn::Vector(codebook.mean());
    Ok(LlamagenVq::new(info, codebook, network, stand_in, signed_byte))
}

/// Loads the encoder of the same checkpoint, which decoding does not need.
///
/// # Errors
/// Weights that do not fit the configuration.
pub fn load_encoder(
    config: &LlamagenVqConfig,
    weights: &Weights<'_>,
) -> Result<Network, ModelError> {
    encoder(config)?.load(weights)
}
