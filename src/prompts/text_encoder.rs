//! Description of the text encoder: the encoder of T5 with gated feed-forward layers
//! (flan-t5-xl). Decoder and head of the full file are not needed.

use crate::checkpoint::LoadProgress;
use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::{ExpectedTensor, Listing};
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::prompts::t5::EncoderConfig;
use candle_nn::VarBuilder;
use std::sync::Arc;

/// The family.
pub static T5: TextEncoderFamily = TextEncoderFamily {
    signature: SIGNATURE,
    note_on_config: FolderConfig::note_on_unknown_keys::<EncoderConfig>,
    describe,
};

const SIGNATURE: Signature = Signature {
    family: "T5 encoder",
    tensor: "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
    typical: &[
        "shared.weight",
        "encoder.block.#.layer.#.SelfAttention.q.weight",
        "encoder.block.#.layer.#.SelfAttention.relative_attention_bias.weight",
        "encoder.block.#.layer.#.DenseReluDense.wi_0.weight",
        "encoder.final_layer_norm.weight",
    ],
};

/// ε of T5's norms.
const NORM_EPS: f64 = 1e-6;

/// Sizes of a text encoder, all counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderGeometry {
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the hidden state.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of all heads together.
    pub attention_width: usize,
    /// Width inside the feed-forward layers.
    pub inner: usize,
    /// Buckets of relative positions.
    pub relative_buckets: usize,
}

/// A text encoder, as far as its headers tell.
#[derive(Debug, Clone)]
pub struct TextEncoderDescription {
    /// Published name, or the family's with its sizes.
    pub name: String,
    /// Sizes.
    pub geometry: EncoderGeometry,
    /// The tensors of the encoder.
    pub tensors: Vec<ExpectedTensor>,
}

/// A family of text encoders.
pub struct TextEncoderFamily {
    /// How its files are recognised.
    pub signature: Signature,
    /// What is to be said of a `config.json` with keys whose meaning is not known.
    pub note_on_config: fn(&FolderConfig) -> Option<String>,
    /// Sizes and tensors. Fails if a tensor that tells a size is missing, or `config.json` says otherwise.
    pub describe: fn(&Headers<'_>) -> Result<TextEncoderDescription, ModelError>,
}

/// Weights of a text encoder with what tells why one of them could not be read.
pub type OpenedWeights = (VarBuilder<'static>, Arc<LoadProgress>);

/// Opens the weights of a text encoder.
pub type OpenWeights = Box<dyn Fn() -> Result<OpenedWeights, ModelError> + Send + Sync>;

/// Everything a text encoder is loaded from, again and again: it is larger than the decoder, so it is
/// held only while it encodes.
pub struct TextEncoderPart {
    /// Where the text tokenizer lies.
    pub folder: ModelFolder,
    /// The JSON files there.
    pub config: FolderConfig,
    /// Opens the weights.
    pub weights: OpenWeights,
}

fn describe(headers: &Headers<'_>) -> Result<TextEncoderDescription, ModelError> {
    let geometry = geometry(headers.shapes)?;
    if let Some(config) = headers.config.parsed::<EncoderConfig>()? {
        config.check_layers(geometry.layers)?;
    }
    let name = match (geometry.hidden, geometry.layers) {
        (2048, 24) => "flan-t5-xl".into(),
        (width, layers) => format!("T5 (width {width}, {layers} layers)"),
    };
    Ok(TextEncoderDescription { name, tensors: tensors(&geometry)?, geometry })
}

fn geometry(shapes: &TensorShapes) -> Result<EncoderGeometry, ModelError> {
    let [query, inner] = ["0.SelfAttention.q", "1.DenseReluDense.wi_0"]
        .map(|layer| shapes.dimension(&format!("encoder.block.0.layer.{layer}.weight"), 0));
    Ok(EncoderGeometry {
        vocabulary: shapes.dimension("shared.weight", 0)?,
        hidden: shapes.dimension("shared.weight", 1)?,
        layers: shapes.count("encoder.block.", ".layer.0.layer_norm.weight"),
        heads: shapes.dimension(SIGNATURE.tensor, 1)?,
        attention_width: query?,
        inner: inner?,
        relative_buckets: shapes.dimension(SIGNATURE.tensor, 0)?,
    })
}

/// Every tensor of the encoder. Its layers are loaded by candle-transformers, so they are listed here.
fn tensors(g: &EncoderGeometry) -> Result<Vec<ExpectedTensor>, ModelError> {
    let (width, heads) = (g.hidden, g.attention_width);
    Listing::of(|source| {
        source.pp("shared").embedding(g.vocabulary, width)?;
        source.tensor((g.relative_buckets, g.heads), SIGNATURE.tensor)?;
        for index in 0..g.layers {
            let block = source.pp("encoder.block").pp(index);
            let attention = block.pp("layer.0");
            for name in ["q", "k", "v"] {
                attention.pp("SelfAttention").pp(name).linear(width, heads)?;
            }
            attention.pp("SelfAttention.o").linear(heads, width)?;
            attention.pp("layer_norm").rms_norm(width, NORM_EPS)?;
            let feed_forward = block.pp("layer.1");
            feed_forward.pp("DenseReluDense.wi_0").linear(width, g.inner)?;
            feed_forward.pp("DenseReluDense.wi_1").linear(width, g.inner)?;
            feed_forward.pp("DenseReluDense.wo").linear(g.inner, width)?;
            feed_forward.pp("layer_norm").rms_norm(width, NORM_EPS)?;
        }
        source.pp("encoder.final_layer_norm").rms_norm(width, NORM_EPS)
    })
}
