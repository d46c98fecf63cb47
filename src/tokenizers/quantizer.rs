//! Between codes and the vectors that a decoder reads and an encoder writes.

use crate::compute::error::ModelError;
use crate::tokenizers::layers::feature_map::FeatureMap;

/// A table, or a rule, that gives every code a vector.
pub trait Quantizer: Send + Sync {
    /// Number of codes.
    fn codes(&self) -> usize;

    /// Width of a code's vector.
    fn width(&self) -> usize;

    /// Appends the vector of a code to `vectors`.
    ///
    /// # Errors
    /// A code beyond the codebook.
    fn push_vector(&self, code: u32, vectors: &mut Vec<f32>) -> Result<(), ModelError>;

    /// The code nearest to an encoder's output for one token; `None` if it has another width.
    fn nearest(&self, vector: &[f32]) -> Option<u32>;

    /// Vectors of codes, `[codes][width]`.
    ///
    /// # Errors
    /// A code beyond the codebook.
    fn vectors(&self, codes: &[u32]) -> Result<Vec<f32>, ModelError> {
        let mut vectors = Vec::with_capacity(codes.len() * self.width());
        codes.iter().try_for_each(|&code| self.push_vector(code, &mut vectors))?;
        Ok(vectors)
    }

    /// Vectors of codes in raster order as a map.
    ///
    /// # Errors
    /// A code beyond the codebook, or codes that do not fill the grid.
    fn grid(&self, codes: &[u32], rows: usize, columns: usize) -> Result<FeatureMap, ModelError> {
        FeatureMap::new(rows, columns, self.width(), self.vectors(codes)?)
    }

    /// The codes nearest to an encoder's output, in raster order.
    ///
    /// # Errors
    /// A map of another width.
    fn quantize_grid(&self, vectors: &FeatureMap) -> Result<Vec<u32>, ModelError> {
        let codes = vectors.data.chunks(vectors.channels.max(1)).map(|vector| self.nearest(vector));
        let codes: Option<Vec<u32>> = codes.collect();
        codes.ok_or(ModelError::Internal("vectors of another width than the codebook's"))
    }
}

/// A code that no vector belongs to.
pub(super) const BEYOND_CODEBOOK: ModelError =
    ModelError::Internal("a code lies beyond the codebook");
