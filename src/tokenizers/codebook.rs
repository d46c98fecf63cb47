//! The codebook of an image tokenizer: codes to vectors and back.

use crate::compute::error::ModelError;
use candle_core::{DType, Device, Tensor};

/// Vectors of all codes.
#[derive(Debug, Clone)]
pub struct Codebook {
    vectors: Vec<f32>,
    entries: usize,
    width: usize,
}

/// Smallest norm a vector is divided by.
const NORM_EPSILON: f32 = 1e-12;

impl Codebook {
    /// From a table `[entries, width]`; `normalized` divides each row by its Euclidean norm.
    ///
    /// # Errors
    /// A tensor that is not a matrix, or an empty one.
    pub fn new(table: &Tensor, normalized: bool) -> Result<Self, ModelError> {
        let (entries, width) = table.dims2()?;
        if entries == 0 || width == 0 {
            return Err(ModelError::Weights("the codebook is empty".to_string()));
        }
        let mut vectors = table.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        if normalized {
            vectors.chunks_mut(width).for_each(normalize);
        }
        Ok(Self { vectors, entries, width })
    }

    /// Number of codes.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Width of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Vectors of codes, `[codes, width]`.
    ///
    /// # Errors
    /// A code beyond the codebook.
    pub fn vectors(&self, codes: &[u32]) -> Result<Tensor, ModelError> {
        let mut data = Vec::with_capacity(codes.len() * self.width);
        for &code in codes {
            let start = (code as usize).saturating_mul(self.width);
            let vector = self
                .vectors
                .get(start..start.saturating_add(self.width))
                .ok_or(ModelError::Internal("a code lies beyond the codebook"))?;
            data.extend_from_slice(vector);
        }
        Ok(Tensor::from_vec(data, (codes.len(), self.width), &Device::Cpu)?)
    }

    /// The mean of all vectors, `[width]`.
    pub fn mean(&self) -> Vec<f32> {
        let mut mean = vec![0f64; self.width];
        for vector in self.vectors.chunks(self.width) {
            mean.iter_mut().zip(vector).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        mean.iter().map(|sum| (sum / self.entries as f64) as f32).collect()
    }

    /// The nearest code of each row of `vectors` `[n, width]`, by squared distance, the lowest code
    /// on ties. `normalized` divides each row by its norm first.
    ///
    /// # Errors
    /// Vectors of another width.
    pub fn nearest(&self, vectors: &Tensor, normalized: bool) -> Result<Vec<u32>, ModelError> {
        let (_, width) = vectors.dims2()?;
        if width != self.width {
            return Err(ModelError::Internal("vectors of another width than the codebook's"));
        }
        let mut data = vectors.flatten_all()?.to_vec1::<f32>()?;
        if normalized {
            data.chunks_mut(width).for_each(normalize);
        }
        Ok(data.chunks(width).map(|vector| self.nearest_code(vector)).collect())
    }

    fn nearest_code(&self, vector: &[f32]) -> u32 {
        let mut best = (f32::INFINITY, 0);
        for (code, entry) in (0u32..).zip(self.vectors.chunks(self.width)) {
            let distance = vector.iter().zip(entry).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            if distance < best.0 {
                best = (distance, code);
            }
        }
        best.1
    }
}

fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(NORM_EPSILON);
    vector.iter_mut().for_each(|x| *x /= norm);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codebook(normalized: bool) -> Codebook {
        let table = Tensor::new(&[[3f32, 4.0], [0.0, -2.0], [0.0, -2.0]], &Device::Cpu).unwrap();
        Codebook::new(&table, normalized).unwrap()
    }

    #[test]
    fn rows_are_normalized_on_request() {
        let vectors = codebook(true).vectors(&[0, 1]).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(vectors, [[0.6, 0.8], [0.0, -1.0]]);
        assert_eq!(codebook(false).mean(), [1.0, 0.0]);
    }

    #[test]
    fn the_lowest_of_equal_codes_is_nearest() {
        let rows = Tensor::new(&[[0f32, -9.0], [3.0, 3.0]], &Device::Cpu).unwrap();
        assert_eq!(codebook(false).nearest(&rows, false).unwrap(), [1, 0]);
        assert!(codebook(false).vectors(&[3]).is_err());
    }
}
