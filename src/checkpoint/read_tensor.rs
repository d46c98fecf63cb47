//! Reads the values of one tensor: block by block for the progress bar, converted on the way, and
//! checked for NaN, infinity, and being nothing but zeros.

use crate::checkpoint::entry::{ElementType, Stored, TensorEntry};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::progress::LoadProgress;
use crate::checkpoint::source::{SourceFile, reserve};
use crate::checkpoint::zip_directory::inflate;
use crate::compute::error::tensor_message;
use candle_core::{DType, Device, Tensor, WithDType};
use half::{bf16, f16};

/// Bytes read at once; a multiple of every number's size.
pub(crate) const BLOCK: u64 = 1 << 20;

/// A tensor, and whether all its values are 0.
pub(crate) struct Values {
    pub(crate) tensor: Tensor,
    pub(crate) all_zero: bool,
}

/// Reads `entry` from `file`, in its own number type or, for floats, as f32 if `dtype` says so.
pub(crate) fn read(
    file: &SourceFile,
    entry: &TensorEntry,
    dtype: Option<DType>,
    progress: &LoadProgress,
) -> Result<Values, CheckpointError> {
    let reader = Reader { file, entry, progress };
    let widen = dtype == Some(DType::F32);
    match &entry.dtype {
        ElementType::F32 => reader.values(f32::from_le_bytes, f32::is_finite),
        ElementType::F16 if widen => {
            reader.values(|b| f16::from_le_bytes(b).to_f32(), f32::is_finite)
        }
        ElementType::Bf16 if widen => {
            reader.values(|b| bf16::from_le_bytes(b).to_f32(), f32::is_finite)
        }
        ElementType::F64 if widen => {
            reader.values(|b| f64::from_le_bytes(b) as f32, f32::is_finite)
        }
        ElementType::F16 => reader.values(f16::from_le_bytes, |x: f16| x.is_finite()),
        ElementType::Bf16 => reader.values(bf16::from_le_bytes, |x: bf16| x.is_finite()),
        ElementType::F64 => reader.values(f64::from_le_bytes, f64::is_finite),
        ElementType::I64 => reader.values(i64::from_le_bytes, |_| true),
        ElementType::I32 => reader.values(i32::from_le_bytes, |_| true),
        ElementType::U8 => reader.values(u8::from_le_bytes, |_| true),
        ElementType::Other(dtype) => Err(CheckpointError::UnsupportedType {
            tensor: entry.name.clone(),
            dtype: dtype.clone(),
            path: file.path().to_path_buf(),
        }),
    }
}

struct Reader<'a> {
    file: &'a SourceFile,
    entry: &'a TensorEntry,
    progress: &'a LoadProgress,
}

impl Reader<'_> {
    /// The tensor, each value decoded from its N little-endian bytes and tested.
    fn values<T: WithDType, const N: usize>(
        &self,
        decode: impl Fn([u8; N]) -> T,
        is_finite: impl Fn(T) -> bool,
    ) -> Result<Values, CheckpointError> {
        let mut values: Vec<T> = reserve(self.file.path(), self.entry.elements())?;
        let (mut bad, mut all_zero) = ((0u64, 0u64), true);
        let mut take = |bytes: &[u8]| {
            // The first block of nearly every tensor settles it.
            all_zero = all_zero && bytes.iter().all(|&byte| byte == 0);
            let (chunks, _) = bytes.as_chunks::<N>();
            for chunk in chunks {
                let value = decode(*chunk);
                if !is_finite(value) {
                    bad = if bad.0 == 0 { (1, values.len() as u64) } else { (bad.0 + 1, bad.1) };
                }
                values.push(value);
            }
        };
        match (self.entry.place.stored, &self.entry.place.strides) {
            (Stored::Plain { start, .. }, None) => self.stream(start, N as u64, &mut take)?,
            _ => take(&self.gather(N)?),
        }
        if bad.0 > 0 {
            return Err(CheckpointError::NotFinite {
                tensor: self.entry.name.clone(),
                count: bad.0,
                first: bad.1,
                path: self.file.path().to_path_buf(),
            });
        }
        let shape = self.entry.shape.as_slice();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).map_err(|error| {
            let reason = format!(
                "tensor {} cannot be built ({}); get another copy",
                self.entry.name,
                tensor_message(&error)
            );
            CheckpointError::format(self.file.path(), reason)
        })?;
        Ok(Values { tensor, all_zero })
    }

    /// Values that lie one after the other, in blocks.
    fn stream(
        &self,
        start: u64,
        size: u64,
        take: &mut impl FnMut(&[u8]),
    ) -> Result<(), CheckpointError> {
        let start = start + self.entry.place.offset * size;
        let length = self.entry.elements() * size;
        let mut buffer = vec![0; BLOCK.min(length) as usize];
        let mut done = 0;
        while done < length {
            let block = BLOCK.min(length - done);
            let buffer = buffer.get_mut(..block as usize).unwrap_or_default();
            self.file.read_at(start + done, buffer)?;
            take(buffer);
            done += block;
            self.progress.advance(block)?;
        }
        Ok(())
    }

    /// The bytes of a deflated tensor or of a view, in row-major order.
    fn gather(&self, size: usize) -> Result<Vec<u8>, CheckpointError> {
        let place = &self.entry.place;
        let block = match place.stored {
            Stored::Plain { start, length } => self.file.bytes(start, length)?,
            Stored::Deflated { start, compressed, length } => {
                inflate(self.file, start, compressed, length)?
            }
        };
        let length = self.entry.elements() * size as u64;
        self.progress.advance(length)?;
        let mut bytes = reserve(self.file.path(), length)?;
        let row_major = row_major_strides(&self.entry.shape);
        let strides = place.strides.as_deref().unwrap_or(&row_major);
        // Counts like an odometer, the last dimension fastest.
        let mut index = vec![0; self.entry.shape.len()];
        for _ in 0..self.entry.elements() {
            let value: u64 = index.iter().zip(strides).map(|(i, step)| i * step).sum();
            let at = (place.offset + value) as usize * size;
            bytes.extend_from_slice(block.get(at..at + size).ok_or_else(|| {
                let reason = format!(
                    "tensor {} reaches beyond its block; get another copy",
                    self.entry.name
                );
                CheckpointError::format(self.file.path(), reason)
            })?);
            for (i, &n) in index.iter_mut().zip(&self.entry.shape).rev() {
                *i += 1;
                if *i < n as u64 {
                    break;
                }
                *i = 0;
            }
        }
        Ok(bytes)
    }
}

fn row_major_strides(shape: &[usize]) -> Vec<u64> {
    let mut strides = vec![1; shape.len()];
    let mut step = 1u64;
    for (stride, &n) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.saturating_mul(n as u64);
    }
    strides
}
