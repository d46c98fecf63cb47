//! The codebook of a vector-quantised image tokenizer: a table of vectors.

use crate::compute::error::ModelError;
use crate::compute::layer_source::LayerSource;
use crate::compute::weights::Weights;
use crate::tokenizers::quantizer::{BEYOND_CODEBOOK, Quantizer};

/// Vectors of all codes.
#[derive(Debug, Clone)]
pub struct Codebook {
    vectors: Vec<f32>,
    width: usize,
    normalized: bool,
}

/// Smallest norm a vector is divided by.
const NORM_EPSILON: f32 = 1e-12;

/// Name of the table in every checkpoint.
pub const TABLE: &str = "quantize.embedding.weight";

impl Codebook {
    /// From vectors `[codes][width]`; `normalized` divides each, and what is compared with them, by its
    /// Euclidean norm.
    ///
    /// # Errors
    /// Numbers that are no table, or an empty one.
    pub fn new(vectors: Vec<f32>, width: usize, normalized: bool) -> Result<Self, ModelError> {
        if vectors.is_empty() || width == 0 || !vectors.len().is_multiple_of(width) {
            return Err(ModelError::Weights("the codebook is empty".into()));
        }
        let mut vectors = vectors;
        if normalized {
            vectors.chunks_mut(width).for_each(normalize);
        }
        Ok(Self { vectors, width, normalized })
    }

    /// Asks the source for [`TABLE`], `[codes, width]`.
    ///
    /// # Errors
    /// The table is missing or has another shape.
    pub fn request<S: LayerSource>(
        source: &S,
        codes: usize,
        width: usize,
    ) -> Result<S::Tensor, ModelError> {
        source.tensor((codes, width), TABLE)
    }

    /// Loads [`TABLE`], `[codes, width]`.
    ///
    /// # Errors
    /// The table is missing, has another shape, or is empty.
    pub fn load(
        weights: &Weights<'_>,
        codes: usize,
        width: usize,
        normalized: bool,
    ) -> Result<Self, ModelError> {
        let table = Self::request(weights, codes, width)?;
        Self::new(table.flatten_all()?.to_vec1()?, width, normalized)
    }

    /// The mean of all vectors, `[width]`.
    pub fn mean(&self) -> Vec<f32> {
        let mut mean = vec![0f64; self.width];
        for vector in self.vectors.chunks(self.width) {
            mean.iter_mut().zip(vector).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let codes = self.codes() as f64;
        mean.iter().map(|sum| (sum / codes) as f32).collect()
    }

    /// Numbers in the table.
    pub fn parameters(&self) -> u64 {
        self.vectors.len() as u64
    }
}

impl Quantizer for Codebook {
    fn codes(&self) -> usize {
        self.vectors.len() / self.width
    }

    fn width(&self) -> usize {
        self.width
    }

    fn push_vector(&self, code: u32, vectors: &mut Vec<f32>) -> Result<(), ModelError> {
        let start = (code as usize).saturating_mul(self.width);
        let vector = self.vectors.get(start..start.saturating_add(self.width));
        vectors.extend_from_slice(vector.ok_or(BEYOND_CODEBOOK)?);
        Ok(())
    }

    /// By squared distance, the lowest code on ties.
    fn nearest(&self, vector: &[f32]) -> Option<u32> {
        if vector.len() != self.width {
            return None;
        }
        let mut vector = vector.to_vec();
        if self.normalized {
            normalize(&mut vector);
        }
        let mut best = (f32::INFINITY, 0);
        for (code, entry) in (0u32..).zip(self.vectors.chunks(self.width)) {
            let distance = vector.iter().zip(entry).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
            if distance < best.0 {
                best = (distance, code);
            }
        }
        Some(best.1)
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
        Codebook::new(vec![3.0, 4.0, 0.0, -2.0, 0.0, -2.0], 2, normalized).unwrap()
    }

    #[test]
    fn rows_are_normalized_on_request() {
        assert_eq!(codebook(true).vectors(&[0, 1]).unwrap(), [0.6, 0.8, 0.0, -1.0]);
        assert_eq!(codebook(false).mean(), [1.0, 0.0]);
        assert_eq!(codebook(true).nearest(&[30.0, 40.0]), Some(0));
    }

    #[test]
    fn the_lowest_of_equal_codes_is_nearest() {
        assert_eq!(codebook(false).nearest(&[0.0, -9.0]), Some(1));
        assert_eq!(codebook(false).nearest(&[3.0, 3.0]), Some(0));
        assert_eq!(codebook(false).nearest(&[3.0]), None);
        assert!(codebook(false).vectors(&[3]).is_err());
    }
}
