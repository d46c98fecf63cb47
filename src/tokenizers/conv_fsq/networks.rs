//! The built-in image tokenizer: a small convolutional auto-encoder around finite scalar quantization.
//! All sizes come from `image_tokenizer.json`.

use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::conv_fsq::config::{COLOURS, ConvFsqConfig};
use crate::tokenizers::convolutional::ConvolutionalTokenizer;
use crate::tokenizers::fsq::FiniteScalarQuantizer;
use crate::tokenizers::grid::StandIn;
use crate::tokenizers::image_tokenizer::TokenizerInfo;
use crate::tokenizers::layers::conv2d::Window;
use crate::tokenizers::layers::network::{
    Architecture, Convolutions, Network, ShortcutRule, Style,
};
use crate::tokenizers::layers::norm::NormKind;
use crate::tokenizers::layers::resample::Resampling;
use crate::tokenizers::pixels::rounded_byte;
use crate::tokenizers::quantizer::Quantizer;

/// The built-in tokenizer, loaded.
pub type ConvFsq = ConvolutionalTokenizer<FiniteScalarQuantizer>;

/// Rows of stand-ins decoded below the drawn ones: more change the last drawn row by less than a level.
const ROWS_BELOW: usize = 2;

fn style(config: &ConvFsqConfig) -> Style {
    Style {
        norm: NormKind::Rms { eps: config.norm_eps },
        second_norm: false,
        convolutions: Convolutions::Planes,
        block_bias: true,
        shortcut: ShortcutRule::Input,
    }
}

/// The decoder: codes to pixels in -1..1.
///
/// # Errors
/// Levels that make no codebook.
pub fn decoder(config: &ConvFsqConfig) -> Result<Architecture, ModelError> {
    let mut network = Architecture::new(style(config), config.quantizer()?.width());
    network.convolution("decoder.conv_in", config.deepest(), 3);
    for (level, &blocks) in config.decoder_blocks.iter().enumerate().rev() {
        let place = format!("decoder.level{level}");
        for block in 0..blocks {
            network.residual(&format!("{place}.block{block}"), network.channels());
        }
        if let Some(&finer) = level.checked_sub(1).and_then(|finer| config.channels.get(finer)) {
            network.convolution(&format!("{place}.up"), 4 * finer, 1);
            network.resample(Resampling::PixelShuffle(2));
        }
    }
    network.output("decoder", config.patch_channels(), 3);
    network.resample(Resampling::PixelShuffle(config.patch));
    Ok(network)
}

/// The encoder: pixels in -1..1 to what the quantizer rounds.
///
/// # Errors
/// Levels that make no codebook.
pub fn encoder(config: &ConvFsqConfig) -> Result<Architecture, ModelError> {
    let mut network = Architecture::new(style(config), COLOURS);
    network.resample(Resampling::PixelUnshuffle(config.patch));
    network.convolution("encoder.conv_in", config.finest(), 3);
    for (level, &blocks) in config.encoder_blocks.iter().enumerate() {
        let place = format!("encoder.level{level}");
        for block in 0..blocks {
            network.residual(&format!("{place}.block{block}"), network.channels());
        }
        if let Some(&coarser) = config.channels.get(level + 1) {
            network.strided_convolution(&format!("{place}.down"), coarser, 2, Window::patches(2));
        }
    }
    network.output("encoder", config.quantizer()?.width(), 1);
    Ok(network)
}

/// Loads the tensors `decoder.*`.
///
/// # Errors
/// A missing tensor, or one that does not fit the configuration.
pub fn load_decoder(config: &ConvFsqConfig, weights: &Weights<'_>) -> Result<ConvFsq, ModelError> {
    let quantizer = config.quantizer()?;
    let network = decoder(config)?.load(weights)?;
    let info = TokenizerInfo {
        name: "Convolutional FSQ".into(),
        codebook_size: quantizer.codes(),
        pixels_per_token: config.downsample,
        partial_preview: "Only the rows drawn so far are decoded; a token that comes later still \
                          changes pixels up to about 10 tokens around it a little.",
        parameters: network.parameters(),
    };
    let stand_in = StandIn::CodeAbove { neutral: quantizer.neutral_code(), rows_below: ROWS_BELOW };
    Ok(ConvFsq::new(info, quantizer, network, stand_in, rounded_byte))
}

/// Loads the tensors `encoder.*`, which decoding does not need.
///
/// # Errors
/// A missing tensor, or one that does not fit the configuration.
pub fn load_encoder(config: &ConvFsqConfig, weights: &Weights<'_>) -> Result<Network, ModelError> {
    encoder(config)?.load(weights)
}
