//! What a model of a family wants of a checkpoint: every tensor with its shape and its use, to be
//! compared with a file's before anything is loaded, and counted for the memory estimate.

use crate::checkpoint::shapes::TensorShapes;
use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use candle_core::Shape;
use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;
use std::rc::Rc;

/// What a tensor is to the memory estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorRole {
    /// Weight of a linear layer: packed to the chosen precision.
    Linear,
    /// Output matrix of which only the rows of the image codes are kept.
    Head,
    /// Table looked up by row: 16-bit unless the model runs in f32.
    Embedding,
    /// Norms, biases, convolutions: f32 always.
    Other,
}

/// One tensor that a model wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedTensor {
    /// Name in the checkpoint.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// What it is used as.
    pub role: TensorRole,
}

impl ExpectedTensor {
    /// Number of values.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1u64, |product, &n| product.saturating_mul(n as u64))
    }
}

/// How a checkpoint deviates from what a model wants, in the order of the model's layers; empty if it
/// fits.
pub(crate) fn mismatches(wanted: &[ExpectedTensor], shapes: &TensorShapes) -> Vec<String> {
    let differences = wanted.iter().filter_map(|expected| match shapes.get(&expected.name) {
        None => Some(format!("{} is missing", expected.name)),
        Some(shape) if shape != expected.shape => {
            Some(format!("{} is {shape:?}, not {:?}", expected.name, expected.shape))
        }
        Some(_) => None,
    });
    differences.collect()
}

/// Refuses a checkpoint with tensors among those called `place`… that the model does not load: more layers
/// than its configuration names, biases or norms that are not computed. Tables that are recomputed are no
/// weights.
///
/// # Errors
/// Names the first of them.
pub(crate) fn refuse_unread(
    wanted: &[ExpectedTensor],
    shapes: &TensorShapes,
    place: &str,
) -> Result<(), ModelError> {
    let wanted: HashSet<&str> = wanted.iter().map(|tensor| tensor.name.as_str()).collect();
    let unread = shapes.iter().map(|(name, _)| name).find(|name| {
        name.starts_with(place) && !name.ends_with(".inv_freq") && !wanted.contains(name)
    });
    match unread {
        None => Ok(()),
        Some(name) => Err(ModelError::Weights(format!(
            "{name} is there, which neither config.json nor this program knows of"
        ))),
    }
}

/// A source of layers that makes none: it lists the tensors that they would be made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listing {
    place: String,
    tensors: Rc<RefCell<Vec<ExpectedTensor>>>,
}

impl Listing {
    /// Every tensor that `build` asks its source for, in that order.
    ///
    /// # Errors
    /// Those of `build`.
    pub(crate) fn of<T>(
        build: impl FnOnce(&Self) -> Result<T, ModelError>,
    ) -> Result<Vec<ExpectedTensor>, ModelError> {
        let listing = Self::default();
        build(&listing)?;
        Ok(listing.tensors.take())
    }

    /// Lists a tensor below this place.
    pub(crate) fn add(&self, name: &str, shape: impl Into<Shape>, role: TensorRole) {
        let name = self.below(name);
        let shape = shape.into().into_dims();
        self.tensors.borrow_mut().push(ExpectedTensor { name, shape, role });
    }

    fn below(&self, name: &str) -> String {
        if self.place.is_empty() { name.to_owned() } else { format!("{}.{name}", self.place) }
    }
}

impl LayerSource for Listing {
    type Linear = ();
    type Norm = ();
    type Embedding = ();
    type Tensor = ();

    fn pp(&self, name: impl ToString) -> Self {
        Self { place: self.below(&name.to_string()), tensors: Rc::clone(&self.tensors) }
    }

    fn tensor(&self, shape: impl Into<Shape>, name: &str) -> Result<(), ModelError> {
        self.add(name, shape, TensorRole::Other);
        Ok(())
    }

    fn linear(&self, inputs: usize, outputs: usize) -> Result<(), ModelError> {
        self.add("weight", (outputs, inputs), TensorRole::Linear);
        Ok(())
    }

    fn linear_with_bias(&self, inputs: usize, outputs: usize) -> Result<(), ModelError> {
        self.linear(inputs, outputs)?;
        self.tensor(outputs, "bias")
    }

    fn rms_norm(&self, width: usize, _: f64) -> Result<(), ModelError> {
        self.tensor(width, "weight")
    }

    fn layer_norm(&self, width: usize, _: f64) -> Result<(), ModelError> {
        self.tensor(width, "weight")?;
        self.tensor(width, "bias")
    }

    fn layer_norms(&self, count: usize, width: usize, _: f64) -> Result<Vec<()>, ModelError> {
        self.tensor((count, width), "weight")?;
        self.tensor((count, width), "bias")?;
        Ok(Vec::new())
    }

    fn embedding(&self, entries: usize, width: usize) -> Result<(), ModelError> {
        self.add("weight", (entries, width), TensorRole::Embedding);
        Ok(())
    }

    fn positions(&self, entries: usize, width: usize, name: &str) -> Result<(), ModelError> {
        self.add(name, (1, entries, width), TensorRole::Embedding);
        Ok(())
    }

    fn head(&self, entries: usize, width: usize, _: Range<usize>) -> Result<(), ModelError> {
        self.add("weight", (entries, width), TensorRole::Head);
        Ok(())
    }

    fn tied_embedding(
        &self,
        entries: usize,
        width: usize,
        _: Range<usize>,
    ) -> Result<((), ()), ModelError> {
        Ok((self.embedding(entries, width)?, ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_writes_down_what_is_asked_of_it_in_order() {
        let tensors = Listing::of(|source| {
            let block = source.pp("blocks").pp(3);
            block.pp("norm").rms_norm(8, 1e-6)?;
            block.pp("mlp.w1").linear_with_bias(8, 16)?;
            source.pp("embed").tied_embedding(40, 8, 10..40)?;
            source.positions(5, 8, "pos_embed")
        });
        let expected = [
            ("blocks.3.norm.weight", vec![8], TensorRole::Other),
            ("blocks.3.mlp.w1.weight", vec![16, 8], TensorRole::Linear),
            ("blocks.3.mlp.w1.bias", vec![16], TensorRole::Other),
            ("embed.weight", vec![40, 8], TensorRole::Embedding),
            ("pos_embed", vec![1, 5, 8], TensorRole::Embedding),
        ];
        let expected = expected.map(|(name, shape, role)| {
            let name = name.to_owned();
            ExpectedTensor { name, shape, role }
        });
        assert_eq!(tensors.unwrap(), expected);
    }
}
