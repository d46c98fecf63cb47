//! Rows: what one forward pass is fed, and the logits it gives.
//!
//! A *row* is one token fed to one sequence. Prefill is the same pass as decoding: several prefix
//! tokens of one sequence are several rows of a batch, appended in order, each seeing what stands
//! before it. So there is no padding and no mask, and a row's numbers do not depend on the others.

use crate::guidance::Perturb;
use candle_core::Tensor;

/// Most rows a forward pass takes at once; longer prefixes go in several passes.
pub const MAX_ROWS: usize = 8;

/// What stands before the image tokens of one sequence, in the form its family wants it.
#[derive(Debug, Clone)]
pub enum Prefix {
    /// Vocabulary ids, one position each (prompt families).
    Tokens(Vec<u32>),
    /// A class index of the model's own table, the null class included.
    Class(u32),
    /// Embedding rows `[length, width]` of the model, already projected (caption models).
    Embeddings(Tensor),
}

impl Prefix {
    /// Whether both are known to say the same. Embeddings are compared by where they come from, not
    /// number by number.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tokens(one), Self::Tokens(other)) => one == other,
            (Self::Class(one), Self::Class(other)) => one == other,
            (Self::Embeddings(one), Self::Embeddings(other)) => one.id() == other.id(),
            _ => false,
        }
    }
}

/// Weights on the image positions of one row's attention.
#[derive(Debug, Clone, Copy)]
pub struct Perturbation<'a> {
    /// One factor per image token seen by the row, the token being fed included.
    pub weights: &'a [f32],
    /// What the factors multiply.
    pub on: Perturb,
}

/// The token a row feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowInput {
    /// Prefix position `i` of the sequence.
    Prefix(usize),
    /// Image token number `index` (from 0). `token` is a code, or for forced tokens the id of the
    /// layout's [`crate::compute::layout::StepKind::RowEnd`].
    Image {
        /// Number of the image token, from 0.
        index: usize,
        /// Code, or vocabulary id of a forced token.
        token: u32,
    },
}

/// One row of a forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Index of the cache that the row reads, and appends to if `append`.
    pub cache: usize,
    /// What is fed.
    pub input: RowInput,
    /// Whether the row's keys and values enter the cache. A row that does not append must come
    /// after the appending row of the same token; it reads that row's entry (cache rule *exact*).
    pub append: bool,
    /// Factors on the image positions; `None` for the clean branches.
    pub perturbation: Option<Perturbation<'a>>,
    /// Whether the caller wants this row's logits.
    pub logits: bool,
}

/// Where one row of a batch stands.
#[derive(Debug, Clone, Copy)]
pub struct PlannedRow<'a> {
    /// Index of its cache.
    pub cache: usize,
    /// Its position in the sequence, prefix included.
    pub position: usize,
    /// Whether its keys and values are written at `position`.
    pub append: bool,
    /// Position of the first image token: weights start there.
    pub first_image: usize,
    /// Factors on the image positions.
    pub perturbation: Option<Perturbation<'a>>,
}

impl<'a> PlannedRow<'a> {
    /// Positions the row attends to: everything up to itself.
    pub fn visible(&self) -> usize {
        self.position + 1
    }

    /// Factors on the scores (keys) and on the probabilities (values) at the image positions.
    pub(crate) fn factors(&self) -> (Option<&'a [f32]>, Option<&'a [f32]>) {
        let Some(Perturbation { weights, on }) = self.perturbation else { return (None, None) };
        match on {
            Perturb::Key => (Some(weights), None),
            Perturb::Value => (None, Some(weights)),
            Perturb::KeyValue => (Some(weights), Some(weights)),
        }
    }
}

/// Logits of the rows that asked for them, in their order.
#[derive(Debug, Clone, Default)]
pub struct Logits {
    /// Row-major `[rows, width]`.
    pub values: Vec<f32>,
    /// Entries per row.
    pub width: usize,
}

impl Logits {
    /// The logits of output row `index`, empty if there is no such row.
    pub fn row(&self, index: usize) -> &[f32] {
        self.values.get(index * self.width..(index + 1) * self.width).unwrap_or(&[])
    }
}
