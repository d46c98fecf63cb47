//! Names and shapes of a checkpoint, and lists of what a model of a family wants, to be compared.

use crate::checkpoint::container::Container;
use std::collections::{BTreeMap, BTreeSet};

/// Names with their shapes, below a prefix.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shapes<'a> {
    map: BTreeMap<&'a str, &'a [usize]>,
}

impl<'a> Shapes<'a> {
    /// The float tensors of a container whose names begin with `prefix`, named without it.
    pub(crate) fn new(container: &'a Container, prefix: &str) -> Self {
        let floats = container.entries().iter().filter(|entry| entry.dtype.is_float());
        let below = floats
            .filter_map(|entry| Some((entry.name.strip_prefix(prefix)?, entry.shape.as_slice())));
        Self { map: below.collect() }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a [usize]> {
        self.map.get(name).copied()
    }

    /// Dimension `axis` of a tensor; `None` also for an empty dimension, which no model has.
    pub(crate) fn dim(&self, name: &str, axis: usize) -> Option<usize> {
        self.get(name)?.get(axis).copied().filter(|&dimension| dimension > 0)
    }

    /// How many of `name(0)`, `name(1)`, … exist without a gap.
    pub(crate) fn count(&self, name: impl Fn(usize) -> String) -> usize {
        (0..self.map.len()).take_while(|&index| self.map.contains_key(name(index).as_str())).count()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.map.keys().copied()
    }

    /// Names with every number replaced, so that layers are one.
    pub(crate) fn patterns(&self) -> BTreeSet<String> {
        self.names().map(pattern).collect()
    }
}

/// `layers.#.wo.weight` of `layers.12.wo.weight`.
pub(crate) fn pattern(name: &str) -> String {
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> =
        name.split('.').map(|part| if digits(&part) { "#" } else { part }).collect();
    parts.join(".")
}

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

/// The tensors of one model, built up in the order of its layers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manifest {
    pub(crate) tensors: Vec<ExpectedTensor>,
    /// Beginnings of names that belong to the model and are not needed for drawing (encoders).
    pub(crate) companions: &'static [&'static str],
}

impl Manifest {
    pub(crate) fn add(&mut self, name: impl Into<String>, shape: &[usize], role: TensorRole) {
        self.tensors.push(ExpectedTensor { name: name.into(), shape: shape.to_vec(), role });
    }

    /// A linear weight `[outputs, inputs]` without bias.
    pub(crate) fn linear(&mut self, place: &str, outputs: usize, inputs: usize) {
        self.add(format!("{place}.weight"), &[outputs, inputs], TensorRole::Linear);
    }

    /// A linear weight with bias.
    pub(crate) fn linear_with_bias(&mut self, place: &str, outputs: usize, inputs: usize) {
        self.linear(place, outputs, inputs);
        self.add(format!("{place}.bias"), &[outputs], TensorRole::Other);
    }

    /// A norm with `weight` and, if asked for, `bias`.
    pub(crate) fn norm(&mut self, place: &str, width: usize, bias: bool) {
        self.add(format!("{place}.weight"), &[width], TensorRole::Other);
        if bias {
            self.add(format!("{place}.bias"), &[width], TensorRole::Other);
        }
    }

    /// A convolution `[outputs, inputs, kernel…]` with or without bias.
    pub(crate) fn conv(
        &mut self,
        place: &str,
        outputs: usize,
        inputs: usize,
        kernel: &[usize],
        bias: bool,
    ) {
        let shape: Vec<usize> = [outputs, inputs].iter().chain(kernel).copied().collect();
        self.add(format!("{place}.weight"), &shape, TensorRole::Other);
        if bias {
            self.add(format!("{place}.bias"), &[outputs], TensorRole::Other);
        }
    }

    pub(crate) fn embedding(&mut self, name: impl Into<String>, rows: usize, width: usize) {
        self.add(name, &[rows, width], TensorRole::Embedding);
    }

    pub(crate) fn other(&mut self, name: impl Into<String>, shape: &[usize]) {
        self.add(name, shape, TensorRole::Other);
    }

    /// How the checkpoint deviates, in the order of the model's layers; empty if it fits.
    pub(crate) fn mismatches(&self, shapes: &Shapes<'_>) -> Vec<String> {
        let differences =
            self.tensors.iter().filter_map(|expected| match shapes.get(&expected.name) {
                None => Some(format!("{} is missing", expected.name)),
                Some(shape) if shape != expected.shape => {
                    Some(format!("{} is {shape:?}, not {:?}", expected.name, expected.shape))
                }
                Some(_) => None,
            });
        differences.collect()
    }
}
