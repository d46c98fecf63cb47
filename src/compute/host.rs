//! Numbers of a tensor in this machine's memory, read without a copy where it is possible.

use crate::compute::error::ModelError;
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};

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
        .ok_or(DISORDER)?;
    read(numbers)
}

/// A copy of a tensor's numbers, row after row. Parts of the rows of a wider matrix are copied once too.
///
/// # Errors
/// The tensor lies on another device.
pub(crate) fn copied(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    if let ([rows, columns], [apart, 1]) = (tensor.dims(), tensor.stride()) {
        let (storage, layout) = tensor.storage_and_layout();
        if let Storage::Cpu(CpuStorage::F32(numbers)) = &*storage {
            let mut copy = Vec::with_capacity(rows * columns);
            for row in 0..*rows {
                let start = layout.start_offset() + row * apart;
                copy.extend_from_slice(numbers.get(start..start + columns).ok_or(DISORDER)?);
            }
            return Ok(copy);
        }
    }
    with_numbers(tensor, |numbers| Ok(numbers.to_vec()))
}

const DISORDER: ModelError = ModelError::Internal("a tensor has no numbers in row-major order");

/// A tensor `[rows, columns]` in this machine's memory.
///
/// # Errors
/// Another number of numbers.
pub(crate) fn matrix(numbers: Vec<f32>, rows: usize, columns: usize) -> Result<Tensor, ModelError> {
    Ok(Tensor::from_vec(numbers, (rows, columns), &Device::Cpu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_row_major_whatever_the_view() {
        let x = Tensor::arange(0f32, 24.0, &Device::Cpu).unwrap().reshape((4, 6)).unwrap();
        let part = x.narrow(0, 1, 2).unwrap().narrow(1, 2, 3).unwrap();
        assert_eq!(copied(&part).unwrap(), [8.0, 9.0, 10.0, 14.0, 15.0, 16.0]);
        assert_eq!(copied(&part.t().unwrap()).unwrap(), [8.0, 14.0, 9.0, 15.0, 10.0, 16.0]);
        let doubles = part.to_dtype(DType::F64).unwrap();
        assert_eq!(copied(&doubles).unwrap(), copied(&part).unwrap());
        assert!(copied(&x.narrow(0, 0, 0).unwrap()).unwrap().is_empty());
    }
}
