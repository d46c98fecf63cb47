//! What is known of a decoder before it runs.

/// Sizes of a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderInfo {
    /// Number of codes that can be sampled.
    pub codebook_size: usize,
    /// Logits entries per row; the codes are the last `codebook_size` of them.
    pub logits_width: usize,
    /// Weights, in numbers.
    pub parameters: u64,
    /// Bytes of weights that one step reads, whatever the number of rows.
    pub step_weight_bytes: u64,
}

impl DecoderInfo {
    /// The part of a row's logits that belongs to the codes: what may be sampled.
    pub fn code_logits<'a>(&self, row: &'a [f32]) -> &'a [f32] {
        row.get(row.len().saturating_sub(self.codebook_size)..).unwrap_or(&[])
    }
}
