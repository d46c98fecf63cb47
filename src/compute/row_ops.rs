//! Operations on rows that model families have in two variants.

/// Statistics that a norm takes out of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// No mean removed, divided by the root mean square.
    Rms,
    /// Mean removed, divided by the standard deviation.
    Layer,
}

/// Which channels form a rotated pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// Channel i with channel i + head_dim/2.
    HalfSplit,
    /// Channel 2i with channel 2i + 1.
    Interleaved,
}
