//! Where a model's layers come from. A family writes down once which layer stands at which name with
//! which sizes, generic over the source: [`crate::compute::weights::Weights`] makes layers that
//! compute; the listing of a manifest makes none and writes down the tensors that they would be made
//! of. So the list that files are compared with is the loading code itself.

use crate::compute::error::ModelError;
use candle_core::Shape;
use std::ops::Range;

/// A place in a checkpoint, and what becomes of the tensors there. Names are the checkpoint's own.
///
/// Every method that makes a layer fails if a tensor is missing or has another shape; a source that
/// only lists never fails.
pub trait LayerSource: Clone {
    /// A linear layer.
    type Linear;
    /// A norm over a row, or over groups of channels of a row.
    type Norm;
    /// A table looked up by row.
    type Embedding;
    /// Numbers as they are, in f32.
    type Tensor;

    /// The place `name` below this one.
    fn pp(&self, name: impl ToString) -> Self;

    /// A tensor in f32.
    ///
    /// # Errors
    /// The tensor is missing or has another shape.
    fn tensor(&self, shape: impl Into<Shape>, name: &str) -> Result<Self::Tensor, ModelError>;

    /// A linear layer without bias: `weight` `[outputs, inputs]`.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`].
    fn linear(&self, inputs: usize, outputs: usize) -> Result<Self::Linear, ModelError>;

    /// A linear layer with `weight` and `bias`.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`].
    fn linear_with_bias(&self, inputs: usize, outputs: usize) -> Result<Self::Linear, ModelError>;

    /// An RMS norm with `weight`.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`].
    fn rms_norm(&self, width: usize, eps: f64) -> Result<Self::Norm, ModelError>;

    /// A layer norm with `weight` and `bias`.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`].
    fn layer_norm(&self, width: usize, eps: f64) -> Result<Self::Norm, ModelError>;

    /// Layer norms over `width` channels whose `weight` and `bias` are the rows of `[count, width]`.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`].
    fn layer_norms(
        &self,
        count: usize,
        width: usize,
        eps: f64,
    ) -> Result<Vec<Self::Norm>, ModelError>;

    /// An embedding table `weight` `[entries, width]`.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`].
    fn embedding(&self, entries: usize, width: usize) -> Result<Self::Embedding, ModelError>;

    /// A table of positions, which stands under its own `name` as `[1, entries, width]`.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`].
    fn positions(
        &self,
        entries: usize,
        width: usize,
        name: &str,
    ) -> Result<Self::Embedding, ModelError>;

    /// The rows `codes` of an output head `weight` `[entries, width]`, as a linear layer.
    ///
    /// # Errors
    /// Those of [`LayerSource::tensor`], or rows beyond the table.
    fn head(
        &self,
        entries: usize,
        width: usize,
        codes: Range<usize>,
    ) -> Result<Self::Linear, ModelError>;

    /// An embedding table `weight` `[entries, width]` whose rows `codes` are the output head as well.
    ///
    /// # Errors
    /// Those of [`LayerSource::head`].
    fn tied_embedding(
        &self,
        entries: usize,
        width: usize,
        codes: Range<usize>,
    ) -> Result<(Self::Embedding, Self::Linear), ModelError>;
}
