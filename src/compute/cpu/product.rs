//! Products of a packed matrix with rows: into memory that was never written, or over what is there.
//!
//! A product writes every number of its output. Zeros written there before would travel to memory and
//! back at every step.

use super::isa::Isa;
use super::packed::PackedMatrix;
use crate::compute::error::ModelError;
use std::mem::MaybeUninit;
use std::ptr;

impl PackedMatrix {
    /// `W x[row] + bias`, `[rows, outputs]`, for `x` `[rows, inputs]`.
    ///
    /// # Errors
    /// Slices of other lengths.
    pub(crate) fn product(
        &self,
        isa: Isa,
        x: &[f32],
        bias: Option<&[f32]>,
    ) -> Result<Vec<f32>, ModelError> {
        let (outputs, inputs) = self.shape();
        let count = x.len() / inputs * outputs;
        let mut out = Vec::with_capacity(count);
        self.write_product(isa, x, bias, &mut out.spare_capacity_mut()[..count])?;
        // SAFETY: there is room for as many, and without an error all of them are written.
        unsafe { out.set_len(count) }
        Ok(out)
    }

    /// The same over `out`.
    ///
    /// # Errors
    /// Slices of other lengths.
    pub(crate) fn multiply(
        &self,
        isa: Isa,
        x: &[f32],
        bias: Option<&[f32]>,
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        // SAFETY: the same memory and length; products write numbers only, so it stays initialised.
        let out = unsafe { &mut *(ptr::from_mut(out) as *mut [MaybeUninit<f32>]) };
        self.write_product(isa, x, bias, out)
    }
}
