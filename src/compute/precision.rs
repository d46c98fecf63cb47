//! How numbers are stored where memory traffic counts: weights, and activations that are read again.

use serde::{Deserialize, Serialize};

/// How weights are stored. Sums and what is done between products are f32 always.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats.
    Bf16,
    /// 8-bit integers with one scale per output row.
    Int8,
}

/// How activations are stored where they are read again: keys and values in a cache, and the inputs of
/// products with bf16 weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActivationNumber {
    /// 32-bit floats: what was computed.
    #[default]
    F32,
    /// 16-bit brain floats: half of the memory, and half of the time to read it.
    Bf16,
}

impl ActivationNumber {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::Bf16 => size_of::<u16>(),
        }
    }
}
