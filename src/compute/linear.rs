//! The linear layer of decoding: weights packed once at load, 1 to 8 rows a call, each output a sum
//! in one fixed order, so that a row's result depends on neither the other rows nor the threads.

use crate::compute::cpu::isa::Isa;
use crate::compute::cpu::packed::{PackedMatrix, Source};
use crate::compute::device_kind::on_device;
use crate::compute::error::ModelError;
use crate::compute::gpu::DeviceLinear;
use crate::compute::host::{matrix, with_numbers};
use crate::compute::precision::{ActivationNumber, Precision};
use candle_core::{CpuStorage, DType, Storage, Tensor};
use std::sync::Arc;

/// `y = x Wᵀ + b` with W `[outputs, inputs]`. Clones share the weights.
///
/// On the CPU the weights are packed and multiplied by this package's own kernels; elsewhere they
/// stay a tensor that candle multiplies.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Weight,
}

#[derive(Debug, Clone)]
enum Weight {
    Packed { matrix: Arc<PackedMatrix>, bias: Option<Arc<[f32]>> },
    Device(DeviceLinear),
}

impl Linear {
    /// Packs a weight `[outputs, inputs]` of any float type, and a bias `[outputs]`. The tensors may
    /// be dropped afterwards. bf16 and f16 weights are never widened as a whole.
    ///
    /// `activations` says what bf16 weights multiply: inputs as they are, or rounded to bf16. f32
    /// weights multiply f32, and 8-bit weights multiply integers of 16 bits. On another device than the
    /// CPU bf16 weights multiply bf16.
    ///
    /// # Errors
    /// A weight that is not a matrix, a bias of another length, no memory, or 8-bit weights on a
    /// device other than the CPU.
    pub fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        precision: Precision,
        activations: ActivationNumber,
    ) -> Result<Self, ModelError> {
        let (outputs, _) = weight.dims2()?;
        if bias.is_some_and(|bias| bias.elem_count() != outputs) {
            return Err(ModelError::Weights(format!("a bias does not have {outputs} entries")));
        }
        let weight = if on_device(weight) {
            Weight::Device(DeviceLinear::new(weight, bias, precision)?)
        } else {
            let bias = bias.map(|bias| with_numbers(bias, |bias| Ok(bias.into()))).transpose()?;
            Weight::Packed { matrix: Arc::new(pack(weight, precision, activations)?), bias }
        };
        Ok(Self { weight })
    }

    /// Input width.
    pub fn inputs(&self) -> usize {
        self.shape().1
    }

    /// Output width.
    pub fn outputs(&self) -> usize {
        self.shape().0
    }

    fn shape(&self) -> (usize, usize) {
        match &self.weight {
            Weight::Packed { matrix, .. } => matrix.shape(),
            Weight::Device(layer) => layer.shape(),
        }
    }

    /// Bytes of weights that one call of up to 8 rows reads, whatever the number of rows.
    pub fn weight_bytes(&self) -> u64 {
        match &self.weight {
            Weight::Packed { matrix, .. } => matrix.bytes() as u64,
            Weight::Device(layer) => layer.weight_bytes(),
        }
    }

    /// `x` is `[rows, inputs]`, the result `[rows, outputs]`.
    ///
    /// # Errors
    /// An input of another width or on another device.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let (rows, columns) = x.dims2()?;
        let (outputs, inputs) = self.shape();
        if columns != inputs {
            return Err(ModelError::Internal("a linear layer got a row of another width"));
        }
        match &self.weight {
            Weight::Packed { matrix: packed, bias } => {
                let isa = Isa::current();
                let out = with_numbers(x, |x| packed.product(isa, x, bias.as_deref()))?;
                matrix(out, rows, outputs)
            }
            Weight::Device(layer) => layer.forward(x),
        }
    }
}

/// Packs straight from the tensor's own numbers; only other orders and types are copied first.
fn pack(
    weight: &Tensor,
    precision: Precision,
    activations: ActivationNumber,
) -> Result<PackedMatrix, ModelError> {
    let (outputs, inputs) = weight.dims2()?;
    let plain;
    let known = matches!(weight.dtype(), DType::F32 | DType::BF16 | DType::F16);
    let weight = if known && weight.is_contiguous() {
        weight
    } else {
        let dtype = if known { weight.dtype() } else { DType::F32 };
        plain = weight.to_dtype(dtype)?.contiguous()?;
        &plain
    };
    let (storage, layout) = weight.storage_and_layout();
    let lost = ModelError::Internal("a weight has no numbers in row-major order");
    let Some((from, to)) = layout.contiguous_offsets() else { return Err(lost) };
    let source = match &*storage {
        Storage::Cpu(CpuStorage::F32(numbers)) => numbers.get(from..to).map(Source::F32),
        Storage::Cpu(CpuStorage::BF16(numbers)) => numbers.get(from..to).map(Source::Bf16),
        Storage::Cpu(CpuStorage::F16(numbers)) => numbers.get(from..to).map(Source::F16),
        _ => None,
    };
    PackedMatrix::pack(source.ok_or(lost)?, outputs, inputs, precision, activations)
}

/// Threads for decoding: physical cores minus one, which is left to the window, at least one.
pub fn default_decoder_threads() -> usize {
    num_cpus::get_physical().saturating_sub(1).max(1)
}

/// Most threads that decode: the processors of this machine.
pub fn most_decoder_threads() -> usize {
    num_cpus::get().max(1)
}
