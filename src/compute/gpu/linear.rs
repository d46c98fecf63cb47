//! Linear layers on a device.

use crate::compute::error::ModelError;
use crate::compute::precision::Precision;
use candle_core::{DType, Tensor};

/// A linear layer whose weight stays a tensor.
#[derive(Debug, Clone)]
pub(crate) struct DeviceLinear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl DeviceLinear {
    /// Keeps the weight `[outputs, inputs]` in f32 or bf16. In bf16 the product's input and output
    /// are rounded to bf16 as well: the device multiplies equal types only.
    ///
    /// # Errors
    /// 8-bit weights.
    pub(crate) fn new(
        weight: &Tensor,
        bias: Option<&Tensor>,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        let dtype = match precision {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::Int8 => {
                let reason = "8-bit weights run on the CPU only; choose bf16 or f32, or the CPU";
                return Err(ModelError::Device(reason.to_owned()));
            }
        };
        let weight = weight.to_dtype(dtype)?.contiguous()?;
        let bias = bias.map(|bias| bias.to_dtype(DType::F32)).transpose()?;
        Ok(Self { weight, bias })
    }

    /// Outputs and inputs.
    pub(crate) fn shape(&self) -> (usize, usize) {
        self.weight.dims2().unwrap_or((0, 0))
    }

    pub(crate) fn weight_bytes(&self) -> u64 {
        (self.weight.elem_count() * self.weight.dtype().size_in_bytes()) as u64
    }

    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let x = x.to_dtype(self.weight.dtype())?.contiguous()?;
        let y = x.matmul(&self.weight.t()?)?.to_dtype(DType::F32)?;
        match &self.bias {
            Some(bias) => Ok(y.broadcast_add(bias)?),
            None => Ok(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compute::gpu::compare::{assert_close, matrix};
    use crate::compute::linear::Linear;
    use crate::compute::precision::ActivationNumber;

    #[test]
    fn linear_layers_agree() {
        let (weight, bias) = (matrix(1, 40, 64), matrix(2, 1, 40).flatten_all().unwrap());
        let x = matrix(3, 3, 64);
        for (precision, bound) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.1)] {
            let host = Linear::new(&weight, Some(&bias), precision, ActivationNumber::Bf16);
            let host = host.unwrap().forward(&x).unwrap();
            let device = DeviceLinear::new(&weight, Some(&bias), precision).unwrap();
            assert_close(&device.forward(&x).unwrap(), &host, bound);
        }
        assert!(DeviceLinear::new(&weight, None, Precision::Int8).is_err());
    }
}
