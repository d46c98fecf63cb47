//! What the text encoder's family says of itself: the encoder of T5 with gated feed-forward layers
//! (flan-t5-xl). Decoder and head of the full file are not needed.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::Manifest;
use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use candle_nn::VarBuilder;

/// The family.
pub static T5: TextEncoderFamily = TextEncoderFamily { signature: SIGNATURE, describe };

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
    pub(crate) manifest: Manifest,
}

/// A family of text encoders.
pub struct TextEncoderFamily {
    /// How its files are recognised.
    pub signature: Signature,
    /// Sizes and tensors. Fails if a tensor that tells a size is missing.
    pub describe: fn(&Headers<'_>) -> Result<TextEncoderDescription, ModelError>,
}

/// Opens the weights of a text encoder.
pub type OpenWeights = Box<dyn Fn() -> Result<VarBuilder<'static>, ModelError> + Send + Sync>;

/// Everything a text encoder is loaded from, again and again: it is larger than the decoder, so it is
/// held only while it encodes.
pub struct TextEncoderPart {
    /// Where `config.json` and `tokenizer.json` lie.
    pub folder: ModelFolder,
    /// Opens the weights.
    pub weights: OpenWeights,
}

fn describe(headers: &Headers<'_>) -> Result<TextEncoderDescription, ModelError> {
    let geometry = geometry(headers.shapes)?;
    let name = match (geometry.hidden, geometry.layers) {
        (2048, 24) => "flan-t5-xl".into(),
        (width, layers) => format!("T5 (width {width}, {layers} layers)"),
    };
    Ok(TextEncoderDescription { name, manifest: manifest(&geometry), geometry })
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

fn manifest(g: &EncoderGeometry) -> Manifest {
    let (d, width) = (g.hidden, g.attention_width);
    let mut m = Manifest::default();
    m.embedding("shared.weight", g.vocabulary, d);
    m.other(SIGNATURE.tensor, &[g.relative_buckets, g.heads]);
    for i in 0..g.layers {
        let attention = format!("encoder.block.{i}.layer.0");
        for name in ["q", "k", "v"] {
            m.linear(&format!("{attention}.SelfAttention.{name}"), width, d);
        }
        m.linear(&format!("{attention}.SelfAttention.o"), d, width);
        m.norm(&format!("{attention}.layer_norm"), d, false);
        let feed_forward = format!("encoder.block.{i}.layer.1");
        m.linear(&format!("{feed_forward}.DenseReluDense.wi_0"), g.inner, d);
        m.linear(&format!("{feed_forward}.DenseReluDense.wi_1"), g.inner, d);
        m.linear(&format!("{feed_forward}.DenseReluDense.wo"), d, g.inner);
        m.norm(&format!("{feed_forward}.layer_norm"), d, false);
    }
    m.norm("encoder.final_layer_norm", d, false);
    m
}
