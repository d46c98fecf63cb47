//! Weights by name for the model files: candle's `VarBuilder` plus the precision that linear layers
//! are packed to. Names are the checkpoints' own keys, so a model file can be
//! compared with the original by searching for a key.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::linear::Linear;
use crate::compute::norm::Norm;
use crate::compute::precision::{ActivationNumber, Precision};
use crate::compute::row_ops::NormKind;
use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;
use half::bf16;
use std::ops::Range;

/// A place in a checkpoint to load layers from.
#[derive(Clone)]
pub struct Weights<'a> {
    builder: VarBuilder<'a>,
    precision: Precision,
    activations: ActivationNumber,
    device: Device,
}

impl<'a> Weights<'a> {
    /// Layers from `builder`, linear layers packed to `precision`, activations in f32.
    pub fn new(builder: VarBuilder<'a>, precision: Precision) -> Self {
        let device = builder.device().clone();
        Self { builder, precision, activations: ActivationNumber::F32, device }
    }

    /// The same with activations stored otherwise.
    pub fn with_activations(self, activations: ActivationNumber) -> Self {
        Self { activations, ..self }
    }

    /// The same with linear layers on another device. Tables and norms stay in this machine's memory:
    /// a step takes a few rows of them.
    pub fn on(self, device: &Device) -> Self {
        Self { device: device.clone(), ..self }
    }

    /// How linear layers are stored.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// How the decoder stores keys and values, and the inputs of bf16 weights.
    pub fn activations(&self) -> ActivationNumber {
        self.activations
    }

    /// Where linear layers lie: the rows that a model feeds them have to lie there too.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether a tensor of this name stands here.
    pub fn contains(&self, name: &str) -> bool {
        self.builder.contains_tensor(name)
    }

    /// A vector in f32.
    ///
    /// # Errors
    /// Those of [`Weights::tensor`].
    pub fn vector(&self, length: usize, name: &str) -> Result<Vec<f32>, ModelError> {
        Ok(self.tensor(length, name)?.to_dtype(DType::F32)?.to_vec1()?)
    }

    /// A linear layer of tensors that are at hand, in the precision and on the device of the others.
    ///
    /// # Errors
    /// Those of [`Linear::new`], or the device has no memory left.
    pub fn pack(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Linear, ModelError> {
        let bias = bias.map(|bias| bias.to_device(&self.device)).transpose()?;
        let weight = weight.to_device(&self.device)?;
        Linear::new(&weight, bias.as_ref(), self.precision, self.activations)
    }

    fn output_rows(&self, table: &Tensor, codes: Range<usize>) -> Result<Linear, ModelError> {
        self.pack(&table.narrow(0, codes.start, codes.len())?, None)
    }
}

impl LayerSource for Weights<'_> {
    type Linear = Linear;
    type Norm = Norm;
    type Embedding = Embedding;
    type Tensor = Tensor;

    fn pp(&self, name: impl ToString) -> Self {
        Self { builder: self.builder.pp(name.to_string()), ..self.clone() }
    }

    fn tensor(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor, ModelError> {
        self.builder.get(shape, name).map_err(ModelError::weights)
    }

    fn linear(&self, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        self.pack(&self.tensor((outputs, inputs), "weight")?, None)
    }

    fn linear_with_bias(&self, inputs: usize, outputs: usize) -> Result<Linear, ModelError> {
        let weight = self.tensor((outputs, inputs), "weight")?;
        self.pack(&weight, Some(&self.tensor(outputs, "bias")?))
    }

    fn rms_norm(&self, width: usize, eps: f64) -> Result<Norm, ModelError> {
        Ok(Norm::new(NormKind::Rms, width, Some(self.vector(width, "weight")?), None, eps))
    }

    fn layer_norm(&self, width: usize, eps: f64) -> Result<Norm, ModelError> {
        let (weight, bias) = (self.vector(width, "weight")?, self.vector(width, "bias")?);
        Ok(Norm::new(NormKind::Layer, width, Some(weight), Some(bias), eps))
    }

    fn layer_norms(&self, count: usize, width: usize, eps: f64) -> Result<Vec<Norm>, ModelError> {
        let weight = self.tensor((count, width), "weight")?.to_vec2::<f32>()?;
        let bias = self.tensor((count, width), "bias")?.to_vec2::<f32>()?;
        let rows = weight.into_iter().zip(bias);
        Ok(rows.map(|(w, b)| Norm::new(NormKind::Layer, width, Some(w), Some(b), eps)).collect())
    }

    fn embedding(&self, entries: usize, width: usize) -> Result<Embedding, ModelError> {
        Embedding::new(&self.tensor((entries, width), "weight")?, self.precision)
    }

    fn positions(&self, entries: usize, width: usize, name: &str) -> Result<Embedding, ModelError> {
        Embedding::new(&self.tensor((1, entries, width), name)?.squeeze(0)?, self.precision)
    }

    fn head(
        &self,
        entries: usize,
        width: usize,
        codes: Range<usize>,
    ) -> Result<Linear, ModelError> {
        self.output_rows(&self.tensor((entries, width), "weight")?, codes)
    }

    fn tied_embedding(
        &self,
        entries: usize,
        width: usize,
        codes: Range<usize>,
    ) -> Result<(Embedding, Linear), ModelError> {
        let table = self.tensor((entries, width), "weight")?;
        Ok((Embedding::new(&table, self.precision)?, self.output_rows(&table, codes)?))
    }
}

/// A table of rows looked up by id; 16-bit unless the model runs in f32.
#[derive(Debug, Clone)]
pub struct Embedding {
    table: EmbeddingTable,
    entries: usize,
    width: usize,
}

#[derive(Debug, Clone)]
enum EmbeddingTable {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
}

impl Embedding {
    /// Packs a table `[entries, width]`.
    ///
    /// # Errors
    /// A tensor that is not a matrix.
    pub fn new(table: &Tensor, precision: Precision) -> Result<Self, ModelError> {
        let (entries, width) = table.dims2()?;
        let flat = table.flatten_all()?;
        let table = match precision {
            Precision::F32 => EmbeddingTable::F32(flat.to_dtype(DType::F32)?.to_vec1()?),
            Precision::Bf16 | Precision::Int8 => {
                EmbeddingTable::Bf16(flat.to_dtype(DType::BF16)?.to_vec1()?)
            }
        };
        Ok(Self { table, entries, width })
    }

    /// Number of rows.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Width of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Appends row `id` to `out`.
    ///
    /// # Errors
    /// An id beyond the table.
    pub fn lookup(&self, id: u32, out: &mut Vec<f32>) -> Result<(), ModelError> {
        let start = (id as usize).saturating_mul(self.width);
        let range = start..start.saturating_add(self.width);
        let found = match &self.table {
            EmbeddingTable::F32(table) => table.get(range).map(|row| out.extend_from_slice(row)),
            EmbeddingTable::Bf16(table) => {
                table.get(range).map(|row| out.extend(row.iter().map(|x| x.to_f32())))
            }
        };
        found.ok_or(ModelError::Internal("a token id lies beyond the embedding table"))
    }
}
