//! The decoder of SBER's MoVQGAN (270M), the image tokenizer of Lumina-mGPT 2.0. Keys are those of
//! `movqgan_270M.ckpt`.
//!
//! Every norm is a *spatial norm*: a group norm whose scale and shift come from the code vectors at the
//! same place, those before `post_quant_conv`.
//!
//! A partial preview shows the rows drawn so far and nothing below them: only they and one row of
//! stand-ins under them are decoded, so a picture costs what it shows. Inside the drawn rows it is not
//! yet final: group norms and the attentions of the middle and the coarsest level see the whole strip, so
//! colours shift a little as rows are added; the last drawn row changes most, because the row under it
//! is a copy. Cost at the published size: `cargo bench --bench previews`.
//!
//! Verified on a miniature (`tests/golden_movq.rs`): features after each module, pixels, both
//! containers. The real file was not at hand.

use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::compute::error::ModelError;
use crate::compute::weights::Weights;
use crate::tokenizers::codebook::Codebook;
use crate::tokenizers::convolutional::ConvolutionalTokenizer;
use crate::tokenizers::grid::StandIn;
use crate::tokenizers::image_tokenizer::TokenizerInfo;
use crate::tokenizers::layers::network::{Architecture, Convolutions, ShortcutRule, Style};
use crate::tokenizers::layers::norm::NormForm;
use crate::tokenizers::movq::config::MovqConfig;
use crate::tokenizers::pixels::rounded_byte;

/// A MoVQGAN, loaded.
pub type Movq = ConvolutionalTokenizer<Codebook>;

const GROUPS: usize = 32;
const NORM_EPS: f64 = 1e-6;
/// Rows of stand-ins decoded below the drawn ones.
const ROWS_BELOW: usize = 1;

/// The decoder: code vectors to pixels, nominally -1..1.
pub(super) fn decoder(config: &MovqConfig) -> Architecture {
    let code_width = config.code_width;
    let style = Style {
        norm: NormForm::Spatial { groups: GROUPS, eps: NORM_EPS, code_width },
        second_norm: true,
        convolutions: Convolutions::Planes,
        block_bias: true,
        shortcut: ShortcutRule::Input,
    };
    let mut network = Architecture::new(style, code_width);
    network.convolution("post_quant_conv", code_width, 1);
    network.convolution("decoder.conv_in", config.deepest, 3);
    network.residual("decoder.mid.block_1", config.deepest);
    network.attention("decoder.mid.attn_1");
    network.residual("decoder.mid.block_2", config.deepest);
    for (index, level) in config.levels.iter().enumerate().rev() {
        let place = format!("decoder.up.{index}");
        for block in 0..level.blocks {
            network.residual(&format!("{place}.block.{block}"), level.channels);
            if level.attention {
                network.attention(&format!("{place}.attn.{block}"));
            }
        }
        if index > 0 {
            network.upsample(&format!("{place}.upsample.conv"));
        }
    }
    network.output("decoder", 3, 3);
    network
}

/// The tensors of codebook and decoder.
///
/// # Errors
/// None: listing does not fail.
pub(crate) fn tensors(config: &MovqConfig) -> Result<Vec<ExpectedTensor>, ModelError> {
    Listing::of(|source| {
        Codebook::request(source, config.codebook_size, config.code_width)?;
        decoder(config).request(source)
    })
}

/// Loads decoder and codebook of a checkpoint whose keys have no prefix.
///
/// # Errors
/// Weights that do not fit the configuration.
pub fn load_decoder(config: &MovqConfig, weights: &Weights<'_>) -> Result<Movq, ModelError> {
    let codebook = Codebook::load(weights, config.codebook_size, config.code_width, false)?;
    let network = decoder(config).load(weights)?;
    let info = TokenizerInfo {
        name: "MoVQGAN".into(),
        codebook_size: config.codebook_size,
        pixels_per_token: config.pixels_per_token(),
        partial_preview: "Only the rows drawn so far are decoded; group norms and attention over the \
                          whole picture make colours shift a little as rows are added.",
        parameters: network.parameters() + codebook.parameters(),
    };
    let stand_in = StandIn::CodeAbove { neutral: 0, rows_below: ROWS_BELOW };
    Ok(Movq::new(info, codebook, network, stand_in, rounded_byte))
}
