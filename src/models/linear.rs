//! The linear layer of decoding: weights packed once at load, 1 to 8 rows a call, each output a sum
//! in one fixed order, so that a row's result depends on neither the other rows nor the threads.

use crate::models::error::ModelError;
use candle_core::{DType, Device, Tensor};
use half::bf16;
use serde::{Deserialize, Serialize};

/// How weights are stored; activations are f32 always.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats.
    Bf16,
    /// 8-bit integers with one scale per output row.
    Int8,
}

/// `y = x Wᵀ + b` with W `[outputs, inputs]`.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
    precision: Precision,
}

impl Linear {
    /// Packs a weight `[outputs, inputs]` of any float type, and a bias `[outputs]`.
    ///
    /// # Errors
    /// A weight that is not a matrix, or a bias of another length.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        let (outputs, inputs) = weight.dims2()?;
        let mut weight = weight.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        if precision == Precision::Bf16 {
            weight.iter_mut().for_each(|w| *w = bf16::from_f32(*w).to_f32());
        }
        let bias = bias.map(|b| b.to_dtype(DType::F32)?.to_vec1::<f32>()).transpose()?;
        Ok(Self { weight, bias, inputs, outputs, precision })
    }

    /// Input width.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Output width.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of weights that one call reads, whatever the number of rows.
    pub fn weight_bytes(&self) -> u64 {
        let bytes = match self.precision {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
            Precision::Int8 => 1,
        };
        (self.weight.len() * bytes) as u64
    }

    /// `x` is `[rows, inputs]`, the result `[rows, outputs]`.
    ///
    /// # Errors
    /// An input of another width.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (rows, _) = x.dims2()?;
        let x = x.flatten_all()?.to_vec1::<f32>()?;
        let mut output = Vec::with_capacity(rows * self.outputs);
        for row in x.chunks(self.inputs) {
            for (index, weight) in self.weight.chunks(self.inputs).enumerate() {
                let sum: f32 = row.iter().zip(weight).map(|(x, w)| x * w).sum();
                output.push(sum + self.bias.as_ref().map_or(0.0, |bias| bias[index]));
            }
        }
        Ok(Tensor::from_vec(output, (rows, self.outputs), &Device::Cpu)?)
    }
}
