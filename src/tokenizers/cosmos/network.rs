//! The decoder of the Cosmos DV 8×16×16 image tokenizer (NVIDIA Cosmos Tokenizer) that SimpleAR draws
//! with, in its exact two-dimensional form.
//!
//! The original is a video decoder. For one frame a temporal kernel sees three copies of the frame,
//! so it is a 1×1 convolution with its taps summed, and is folded into the 3×3 convolution before it.
//! Keys are those of `decoder.jit`.
//!
//! A partial preview shows the rows drawn so far and nothing below them: only they and one row of
//! stand-ins under them are decoded, so a picture costs what it shows. Inside the drawn rows it is not
//! yet final: every norm runs over all channels and places of the strip, and the middle attention over
//! all its places, so colours shift a little as rows are added; the last drawn row changes most, because
//! the row under it is a copy. Cost at the published size: `cargo bench --bench previews`.
//!
//! Verified on a miniature with the original's key names (`tests/golden_cosmos.rs`): codes of the whole
//! quantizer, features after each module, pixels. The real `decoder.jit` was not at hand.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::convolutional::ConvolutionalTokenizer;
use crate::tokenizers::cosmos::config::{CosmosConfig, LEVELS, outputs_of};
use crate::tokenizers::fsq::FiniteScalarQuantizer;
use crate::tokenizers::grid::StandIn;
use crate::tokenizers::image_tokenizer::TokenizerInfo;
use crate::tokenizers::layers::conv2d::Window;
use crate::tokenizers::layers::convolution_spec::{ConvolutionForm, ConvolutionSpec};
use crate::tokenizers::layers::layer::{Layer, LayerSpec};
use crate::tokenizers::layers::network::{Architecture, Convolutions, ShortcutRule, Style};
use crate::tokenizers::layers::norm::{NormForm, NormSpec};
use crate::tokenizers::layers::resample::Resampling;
use crate::tokenizers::pixels::rounded_byte;
use crate::tokenizers::quantizer::Quantizer;

/// A Cosmos tokenizer, loaded.
pub type Cosmos = ConvolutionalTokenizer<FiniteScalarQuantizer>;

/// Every norm.
const NORM: NormForm = NormForm::Frame { eps: 1e-6 };
/// Rows of stand-ins decoded below the drawn ones.
const ROWS_BELOW: usize = 1;

/// The decoder: codes to pixels, nominally -1..1.
pub(super) fn decoder(config: &CosmosConfig) -> Architecture {
    let style = Style {
        norm: NORM,
        second_norm: true,
        convolutions: Convolutions::Frames,
        block_bias: true,
        shortcut: ShortcutRule::Input,
    };
    let mut network = Architecture::new(style, config.code_width);
    network.convolution("post_quant_conv", config.z_channels, 1);
    network.convolution("decoder.conv_in", config.deepest, 3);
    network.residual("decoder.mid.block_1", config.deepest);
    network.attention("decoder.mid.attn_1.0");
    network.add("decoder.mid.attn_1", temporal_attention(config.deepest), config.deepest);
    for name in ["q", "k"] {
        network.leave_out(frame(temporal(name), config.deepest, 1, 1));
    }
    network.residual("decoder.mid.block_2", config.deepest);
    for (index, level) in config.levels.iter().enumerate().rev() {
        let place = format!("decoder.up.{index}");
        for block in 0..level.blocks {
            network.residual(&format!("{place}.block.{block}"), level.channels);
        }
        if index > 0 {
            let place = format!("{place}.upsample");
            let over_time = frame(format!("{place}.conv1"), level.channels, 1, 3);
            // The coarsest level doubles only the picture.
            let over_time = if index + 1 == config.levels.len() {
                network.leave_out(over_time);
                None
            } else {
                Some(over_time)
            };
            network.add(&place, upsample(&place, level.channels, over_time), level.channels);
        }
    }
    network.output("decoder", outputs_of(config.haar_rounds), 3);
    for _ in 0..config.haar_rounds {
        network.resample(Resampling::InverseHaar);
    }
    network
}

/// A convolution over a frame that stands alone.
fn frame(place: String, channels: usize, kernel: usize, taps: usize) -> ConvolutionSpec {
    ConvolutionSpec {
        place,
        inputs: channels,
        outputs: channels,
        kernel,
        window: Window::same(kernel),
        form: ConvolutionForm::Frame { taps },
    }
}

/// Place of a part of the attention over time.
fn temporal(part: &str) -> String {
    format!("decoder.mid.attn_1.1.{part}")
}

/// Attention over time of a single frame: a softmax over one position is 1, so what is left of it is
/// `x + proj_out(v(norm(x)))`.
fn temporal_attention(channels: usize) -> LayerSpec {
    let inner = vec![
        Layer::Norm(NormSpec { place: temporal("norm"), channels, kind: NORM }),
        Layer::Convolution(frame(temporal("v"), channels, 1, 1)),
        Layer::Convolution(frame(temporal("proj_out"), channels, 1, 1)),
    ];
    Layer::Skip { inner, shortcut: None }
}

/// `x += conv1(x)` where time is doubled too, nearest ×2, `x += conv2(x)`, `conv3(x)`.
fn upsample(place: &str, channels: usize, over_time: Option<ConvolutionSpec>) -> LayerSpec {
    let plus = |convolution: ConvolutionSpec| Layer::Skip {
        inner: vec![Layer::Convolution(convolution)],
        shortcut: None,
    };
    let mut layers: Vec<LayerSpec> = over_time.map(plus).into_iter().collect();
    layers.push(Layer::Resampling(Resampling::Nearest(2)));
    layers.push(plus(frame(format!("{place}.conv2"), channels, 3, 1)));
    layers.push(Layer::Convolution(frame(format!("{place}.conv3"), channels, 1, 1)));
    Layer::Sequence(layers)
}

/// The tensors of the decoder.
///
/// # Errors
/// None: listing does not fail.
pub(crate) fn tensors(config: &CosmosConfig) -> Result<Vec<ExpectedTensor>, ModelError> {
    Listing::of(|source| decoder(config).request(source))
}

/// Loads `post_quant_conv.*` and `decoder.*`.
///
/// # Errors
/// A missing tensor or one of an unexpected shape.
pub fn load_decoder(config: &CosmosConfig, weights: &Weights<'_>) -> Result<Cosmos, ModelError> {
    let quantizer = FiniteScalarQuantizer::new(&LEVELS)?;
    if config.code_width != quantizer.width() {
        let width = config.code_width;
        return Err(ModelError::Weights(format!(
            "codes of {width} numbers are not the quantizer's"
        )));
    }
    let network = decoder(config).load(weights)?;
    let info = TokenizerInfo {
        name: "Cosmos DV 8×16×16".into(),
        codebook_size: quantizer.codes(),
        pixels_per_token: config.pixels_per_token(),
        partial_preview: "Only the rows drawn so far are decoded; norms over the whole picture make \
                          colours shift a little as rows are added.",
        parameters: network.parameters(),
    };
    let stand_in = StandIn::CodeAbove { neutral: quantizer.neutral_code(), rows_below: ROWS_BELOW };
    Ok(Cosmos::new(info, quantizer, network, stand_in, rounded_byte))
}
