//! Types of which the description of a family of decoders is made: how its files are recognised, their sizes and
//! tensors, published names, what they need beside them, and how they are loaded. Identification,
//! naming, memory, error messages and loading read this.

use crate::checkpoint::folder::ModelFolder;
use crate::checkpoint::folder_config::FolderConfig;
use crate::checkpoint::headers::{Headers, Signature};
use crate::checkpoint::manifest::ExpectedTensor;
use crate::compute::attention_shape::AttentionShape;
use crate::compute::error::ModelError;
use crate::compute::layout::TokenLayout;
use crate::compute::transformer::TransformerOptions;
use crate::compute::weights::Weights;
use crate::models::card::{Conditions, ModelDefaults};
use crate::models::decoder::Decoder;
use crate::prompts::text_encoder::TextEncoderPart;
use crate::tokenizers::family::TokenizerFamily;

/// Positions before the image that memory is planned for while a prompt is not known.
const PLANNED_PROMPT: usize = 256;

/// A family of decoders.
pub struct DecoderFamily {
    /// How its files are recognised.
    pub signature: Signature,
    /// Families of image tokenizers that its models draw with.
    pub tokenizers: &'static [&'static TokenizerFamily],
    /// The files that its authors publish, a line for every kind of models.
    pub downloads: &'static [Download],
    /// Whether rows and columns of a grid have to be equal.
    pub square_grid: bool,
    /// What is to be said of a `config.json` with keys whose meaning is not known.
    pub note_on_config: fn(&FolderConfig) -> Option<String>,
    /// Sizes, tensors and needs. Fails if a tensor that tells a size is missing or sizes make no sense.
    pub describe: fn(&Headers<'_>) -> Result<DecoderDescription, ModelError>,
    /// Loads one. Fails if weights, configuration or grid are damaged or do not fit each other.
    pub load: fn(DecoderPart<'_>) -> Result<LoadedDecoder, ModelError>,
}

/// Names of the files of one kind of models, as their authors publish them.
#[derive(Debug, Clone, Copy)]
pub struct Download {
    /// "LlamaGen, classes"
    pub models: &'static str,
    /// "c2i_*.pt"
    pub decoder: &'static str,
    /// What lies beside it.
    pub companions: &'static str,
}

/// A decoder, as far as its headers tell.
#[derive(Debug, Clone)]
pub struct DecoderDescription {
    /// Published name, or the family's with its sizes.
    pub name: String,
    /// Sizes.
    pub geometry: DecoderGeometry,
    /// Every tensor that it loads.
    pub tensors: Vec<ExpectedTensor>,
    /// What it needs beside its own weights.
    pub companions: Vec<CompanionNeed>,
    /// The grid that it most likely draws.
    pub grid: GridGuess,
}

/// Sizes of a decoder, all counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderGeometry {
    /// Width of the hidden state.
    pub hidden: usize,
    /// Transformer layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key/value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Width inside the feed-forward layers.
    pub inner: usize,
    /// Rows of the token embedding.
    pub vocabulary: usize,
    /// Codes that can be sampled, where the files tell.
    pub codebook_size: Option<usize>,
    /// What the model is asked for.
    pub conditioning: Conditioning,
    /// Image tokens of a run, where the weights fix them.
    pub image_tokens: Option<usize>,
    /// Positions before the image that memory is planned for.
    pub planned_prefix: usize,
    /// Whether the output matrix is the embedding.
    pub tied: bool,
}

impl DecoderGeometry {
    /// Of a prompt family's transformer, whose image may take any number of tokens.
    pub(super) fn of_transformer(
        options: &TransformerOptions,
        codebook_size: Option<usize>,
        conditioning: Conditioning,
    ) -> Self {
        let AttentionShape { heads, kv_heads, head_dim } = options.attention;
        Self {
            hidden: options.hidden_size,
            layers: options.layers,
            heads,
            kv_heads,
            head_dim,
            inner: options.intermediate_size,
            vocabulary: options.vocab_size,
            codebook_size,
            conditioning,
            image_tokens: None,
            planned_prefix: PLANNED_PROMPT,
            tied: options.tied_head,
        }
    }

    /// "width 768, 24 layers".
    pub fn sizes(&self) -> String {
        format!("width {}, {} layers", self.hidden, self.layers)
    }
}

/// What a decoder is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditioning {
    /// One of this many classes; the null class is not counted.
    Classes(usize),
    /// Rows of a text encoder.
    Caption {
        /// Rows of the prefix.
        positions: usize,
        /// Width of the text encoder.
        width: usize,
    },
    /// Text in the decoder's own vocabulary.
    Prompt {
        /// Ids of the text tokenizer beside the weights, if it was found.
        text_tokens: Option<usize>,
    },
}

/// What a checkpoint is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
pub enum Role {
    /// Draws codes.
    #[strum(serialize = "decoder")]
    Decoder,
    /// Turns codes to pixels.
    #[strum(serialize = "image tokenizer")]
    ImageTokenizer,
    /// Turns text to rows.
    #[strum(serialize = "text encoder")]
    TextEncoder,
}

/// A file or folder that a model needs beside its own weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompanionNeed {
    /// What it is for.
    pub role: Role,
    /// Names under which the authors publish it, the usual one first.
    pub file_names: &'static [&'static str],
    /// Folders beside the model into which the authors' instructions put it.
    pub below: &'static [&'static str],
    /// Hugging Face repositories that hold it, as `organisation/name`; also the cache's folders.
    pub repositories: &'static [&'static str],
    /// Where to get it, as a sentence without a capital at its beginning.
    pub source: &'static str,
}

/// Where a grid comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum GridSource {
    /// The weights fix it.
    #[strum(serialize = "the weights")]
    Weights,
    /// `config.json`.
    #[strum(serialize = "config.json")]
    Config,
    /// The file name.
    #[strum(serialize = "the file name")]
    FileName,
    /// Nothing tells it; the most common one was taken.
    #[strum(serialize = "a guess")]
    Guess,
}

/// The grid of image tokens a model most likely draws. The person can change it where
/// [`GridSource::Weights`] is not the source: a wrong one gives no error, just poor images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridGuess {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Where it comes from.
    pub source: GridSource,
}

impl GridGuess {
    /// A square grid.
    pub fn square(side: usize, source: GridSource) -> Self {
        Self { rows: side, columns: side, source }
    }
}

/// The codes that a decoder draws, as the image tokenizer beside it knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageCodes {
    /// Who says so, for messages: the tokenizer's name.
    pub source: String,
    /// Number of codes.
    pub count: usize,
    /// Side of the square of pixels that one code draws; `None` without a tokenizer.
    pub pixels_per_token: Option<usize>,
}

/// Everything a decoder is loaded from.
pub struct DecoderPart<'a> {
    /// What identification read.
    pub headers: Headers<'a>,
    /// The weights, in the precision and on the device asked for.
    pub weights: Weights<'static>,
    /// Where the files beside the weights lie.
    pub folder: &'a ModelFolder,
    /// Rows and columns: asked for, or guessed.
    pub grid: (usize, usize),
    /// The codes that it draws.
    pub codes: ImageCodes,
    /// The text encoder of caption models.
    pub text_encoder: Option<TextEncoderPart>,
}

/// A decoder with what its card needs.
pub struct LoadedDecoder {
    /// The decoder.
    pub decoder: Box<dyn Decoder>,
    /// Which step draws which cell.
    pub layout: TokenLayout,
    /// Prompts or classes.
    pub conditions: Conditions,
    /// The authors' settings.
    pub defaults: ModelDefaults,
}

/// Positions left for a prompt beside `image_tokens` of `positions`.
///
/// # Errors
/// None are left.
pub(super) fn room_for_prompt(positions: usize, image_tokens: usize) -> Result<usize, ModelError> {
    positions.checked_sub(image_tokens).filter(|&room| room > 0).ok_or_else(|| {
        ModelError::Config(format!(
            "{image_tokens} image tokens leave no room for a prompt in {positions} positions; choose a \
             smaller grid"
        ))
    })
}
