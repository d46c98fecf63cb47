//! The built-in image tokenizer: a small convolutional auto-encoder around finite scalar quantization.
//! All sizes come from `image_tokenizer.json`.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::conv_fsq::config::{COLOURS, ConvFsqConfig, DecoderSizes};
use crate::tokenizers::convolutional::ConvolutionalTokenizer;
use crate::tokenizers::fsq::FiniteScalarQuantizer;
use crate::tokenizers::grid::StandIn;
use crate::tokenizers::image_tokenizer::TokenizerInfo;
use crate::tokenizers::layers::conv2d::Window;
use crate::tokenizers::layers::network::{
    Architecture, Convolutions, Network, ShortcutRule, Style,
};
use crate::tokenizers::layers::norm::NormForm;
use crate::tokenizers::layers::resample::Resampling;
use crate::tokenizers::pixels::rounded_byte;
use crate::tokenizers::quantizer::Quantizer;

/// The built-in tokenizer, loaded.
pub type ConvFsq = ConvolutionalTokenizer<FiniteScalarQuantizer>;

/// Rows of stand-ins decoded below the drawn ones: more change the last drawn row by less than a level.
const ROWS_BELOW: usize = 2;

fn style(norm_eps: f64) -> Style {
    Style {
        norm: NormForm::Rms { eps: norm_eps },
        second_norm: false,
        convolutions: Convolutions::Planes,
        block_bias: true,
        shortcut: ShortcutRule::Input,
    }
}

/// The decoder: codes to pixels in -1..1, as channels of a patch.
fn decoder(sizes: &DecoderSizes) -> Architecture {
    let mut network = Architecture::new(style(sizes.norm_eps), sizes.code_width);
    network.convolution("decoder.conv_in", sizes.channels.last().copied().unwrap_or(0), 3);
    for (level, &blocks) in sizes.blocks.iter().enumerate().rev() {
        let place = format!("decoder.level{level}");
        for block in 0..blocks {
            network.residual(&format!("{place}.block{block}"), network.channels());
        }
        if let Some(&finer) = level.checked_sub(1).and_then(|finer| sizes.channels.get(finer)) {
            network.convolution(&format!("{place}.up"), 4 * finer, 1);
            network.resample(Resampling::PixelShuffle(2));
        }
    }
    network.output("decoder", COLOURS * sizes.patch * sizes.patch, 3);
    network.resample(Resampling::PixelShuffle(sizes.patch));
    network
}

/// The encoder: pixels in -1..1 to what the quantizer rounds. Its coarsest blocks do not look at
/// neighbours.
///
/// # Errors
/// Levels that make no codebook.
fn encoder(config: &ConvFsqConfig) -> Result<Architecture, ModelError> {
    let mut network = Architecture::new(style(config.norm_eps), COLOURS);
    network.resample(Resampling::PixelUnshuffle(config.patch));
    network.convolution("encoder.conv_in", config.finest(), 3);
    for (level, &blocks) in config.encoder_blocks.iter().enumerate() {
        let place = format!("encoder.level{level}");
        let coarser = config.channels.get(level + 1);
        for block in 0..blocks {
            let (place, channels) = (format!("{place}.block{block}"), network.channels());
            match coarser {
                Some(_) => network.residual(&place, channels),
                None => network.pointwise_residual(&place, channels),
            }
        }
        if let Some(&coarser) = coarser {
            network.strided_convolution(&format!("{place}.down"), coarser, 2, Window::patches(2));
        }
    }
    network.output("encoder", config.quantizer()?.width(), 1);
    Ok(network)
}

/// The tensors of the decoder.
///
/// # Errors
/// None: listing does not fail.
pub(crate) fn tensors(sizes: &DecoderSizes) -> Result<Vec<ExpectedTensor>, ModelError> {
    Listing::of(|source| decoder(sizes).request(source))
}

/// Loads the tensors `decoder.*`.
///
/// # Errors
/// A missing tensor, or one that does not fit the configuration.
pub fn load_decoder(config: &ConvFsqConfig, weights: &Weights<'_>) -> Result<ConvFsq, ModelError> {
    let quantizer = config.quantizer()?;
    let network = decoder(&config.decoder_sizes()?).load(weights)?;
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
