//! Activations of the feed-forward layers, on rows of a step.

use crate::compute::cpu::activation;
use crate::compute::cpu::activation::{Activation, activate};
use crate::compute::cpu::isa::Isa;
use crate::compute::device_kind::on_device;
use crate::compute::error::ModelError;
use crate::compute::host::{copied, matrix, with_numbers};
use candle_core::Tensor;

/// SwiGLU's product `silu(gate) · up`, both `[rows, width]`.
///
/// # Errors
/// Shapes that differ.
pub fn silu_mul(gate: &Tensor, up: &Tensor) -> Result<Tensor, ModelError> {
    if on_device(gate) {
        return Ok((gate.silu()? * up)?);
    }
    let (rows, columns) = gate.dims2()?;
    if up.dims() != gate.dims() {
        return Err(ModelError::Internal("gate and up differ in shape"));
    }
    let isa = Isa::current();
    let out =
        with_numbers(gate, |gate| with_numbers(up, |up| Ok(activation::silu_mul(isa, gate, up))))?;
    matrix(out, rows, columns)
}

/// GELU with the exact normal distribution, of `[rows, width]`.
///
/// # Errors
/// A tensor that is not a matrix.
pub fn gelu(x: &Tensor) -> Result<Tensor, ModelError> {
    if on_device(x) {
        return Ok(x.gelu_erf()?);
    }
    let (rows, columns) = x.dims2()?;
    matrix(activated(Activation::GeluExact, x)?, rows, columns)
}

/// GELU in its tanh approximation, of `[rows, width]`.
///
/// # Errors
/// A tensor that is not a matrix.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor, ModelError> {
    if on_device(x) {
        return Ok(x.gelu()?);
    }
    let (rows, columns) = x.dims2()?;
    matrix(activated(Activation::GeluTanh, x)?, rows, columns)
}

fn activated(activation: Activation, x: &Tensor) -> Result<Vec<f32>, ModelError> {
    let mut out = copied(x)?;
    activate(Isa::current(), activation, &mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn inputs() -> Tensor {
        let numbers: Vec<f32> = (0..603).map(|i| (i as f32 - 300.0) * 0.04).collect();
        Tensor::from_vec(numbers, (3, 201), &Device::Cpu).unwrap()
    }

    fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
        let difference = (a - b).unwrap().abs().unwrap();
        difference.flatten_all().unwrap().max(0).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn activations_equal_candles() {
        let x = inputs();
        assert!(largest_difference(&gelu(&x).unwrap(), &x.gelu_erf().unwrap()) < 2e-6);
        assert!(largest_difference(&gelu_tanh(&x).unwrap(), &x.gelu().unwrap()) < 2e-6);
        let up = (&x * 0.5).unwrap();
        let expected = (x.silu().unwrap() * &up).unwrap();
        assert!(largest_difference(&silu_mul(&x, &up).unwrap(), &expected) < 2e-5);
    }

    #[test]
    fn nan_stays_nan_and_large_inputs_pass_through() {
        let x = Tensor::new(&[[f32::NAN, 1e30, -1e30, 0.0, 100.0]], &Device::Cpu).unwrap();
        for result in [gelu(&x), gelu_tanh(&x), silu_mul(&x, &x.ones_like().unwrap())] {
            let y = result.unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert!(y[0].is_nan());
            assert_eq!(y[1], 1e30);
            assert!(y[2].abs() < 1e-6, "{}", y[2]);
            assert_eq!(y[3], 0.0);
            assert_eq!(y[4], 100.0);
        }
    }
}
