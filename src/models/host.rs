//! Numbers of a tensor in this machine's memory, read without a copy where it is possible.

use crate::models::error::ModelError;
use candle_core::{DType, Device, Storage, Tensor};

/// Calls `read` with the row-major f32 numbers of a tensor on the CPU; copies them first only if the
/// tensor has other numbers or another order.
///
/// # Errors
/// The tensor lies on another device, or those of `read`.
pub(crate) fn with_numbers<T>(
    tensor: &Tensor,
    read: impl FnOnce(&[f32]) -> Result<T, ModelError>,
) -> Result<T, ModelError> {
    let plain;
    let tensor = if tensor.dtype() == DType::F32 && tensor.is_contiguous() {
        tensor
    } else {
        plain = tensor.to_dtype(DType::F32)?.contiguous()?;
        &plain
    };
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(ModelError::Internal("a layer in memory got a row on another device"));
    };
    let numbers = layout
        .contiguous_offsets()
        .and_then(|(from, to)| storage.as_slice::<f32>().ok()?.get(from..to))
        .ok_or(ModelError::Internal("a tensor has no numbers in row-major order"))?;
    read(numbers)
}

/// A tensor `[rows, columns]` in this machine's memory.
///
/// # Errors
/// Another number of numbers.
pub(crate) fn matrix(numbers: Vec<f32>, rows: usize, columns: usize) -> Result<Tensor, ModelError> {
    Ok(Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)?)
}
