//! What a container says of one tensor: name, shape, number type, and where its bytes lie.

use candle_core::DType;
use std::fmt;

/// Largest dimension that is believed. No model comes near, and products of two dimensions stay far
/// from overflowing.
pub(crate) const MAX_DIMENSION: usize = i32::MAX as usize;

/// Most dimensions that are believed.
pub(crate) const MAX_RANK: usize = 8;

/// Number type of a stored tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit IEEE float.
    F16,
    /// 16-bit brain float.
    Bf16,
    /// 64-bit integer.
    I64,
    /// 32-bit integer.
    I32,
    /// 8-bit unsigned integer.
    U8,
    /// Anything else, by the container's own name; such tensors are listed and cannot be read.
    Other(String),
}

impl ElementType {
    /// Bytes per value, where the type can be read.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::F64 | Self::I64 => Some(8),
            Self::F32 | Self::I32 => Some(4),
            Self::F16 | Self::Bf16 => Some(2),
            Self::U8 => Some(1),
            Self::Other(_) => None,
        }
    }

    /// Whether weights can be of this type.
    pub fn is_float(&self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16)
    }

    /// The tensor library's name of it.
    pub fn candle(&self) -> Option<DType> {
        match self {
            Self::F64 => Some(DType::F64),
            Self::F32 => Some(DType::F32),
            Self::F16 => Some(DType::F16),
            Self::Bf16 => Some(DType::BF16),
            Self::I64 => Some(DType::I64),
            Self::I32 => Some(DType::I32),
            Self::U8 => Some(DType::U8),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::U8 => "u8",
            Self::Other(name) => name,
        })
    }
}

/// How a block of bytes lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// As it is.
    Plain {
        /// First byte in the file.
        start: u64,
        /// Bytes.
        length: u64,
    },
    /// Deflated.
    Deflated {
        /// First byte in the file.
        start: u64,
        /// Bytes in the file.
        compressed: u64,
        /// Bytes it becomes; more is an error.
        length: u64,
    },
}

impl Stored {
    /// Bytes after unpacking.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Plain { length, .. } | Self::Deflated { length, .. } => *length,
        }
    }
}

/// Where the bytes of a tensor lie. The ranges were checked against the file when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorPlace {
    /// Index of the file in the container.
    pub(crate) source: usize,
    /// The block that holds the tensor.
    pub(crate) stored: Stored,
    /// First value in the block, counted in values.
    pub(crate) offset: u64,
    /// Steps in values per dimension; `None` if the values lie in row-major order.
    pub(crate) strides: Option<Vec<u64>>,
}

/// One tensor of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorEntry {
    /// Name without wrappers such as `module.`.
    pub name: String,
    /// Dimensions, the outermost first.
    pub shape: Vec<usize>,
    /// Number type in the file.
    pub dtype: ElementType,
    pub(crate) place: TensorPlace,
}

impl TensorEntry {
    /// Number of values. Cannot overflow: the container checked the product when it was opened.
    pub fn elements(&self) -> u64 {
        self.shape.iter().map(|&dimension| dimension as u64).product()
    }

    /// Whether its first rows can be read without the rest, or the rest is at most `whole` bytes.
    pub(crate) fn readable_in_part(&self, whole: u64) -> bool {
        let plain =
            matches!(self.place.stored, Stored::Plain { .. }) && self.place.strides.is_none();
        self.dtype.is_float() && (plain || self.place.stored.length() <= whole)
    }

    /// Bytes in the file's number type, 0 for types that cannot be read.
    pub fn bytes(&self) -> u64 {
        self.elements() * self.dtype.size().unwrap_or(0)
    }
}

/// The number of values of a shape, or what is wrong with it.
///
/// # Errors
/// Too many dimensions, a dimension that no model has, or a product beyond any file.
pub(crate) fn checked_elements(shape: &[usize]) -> Result<u64, String> {
    if shape.len() > MAX_RANK {
        return Err(format!("it has {} dimensions, more than {MAX_RANK}", shape.len()));
    }
    if let Some(dimension) = shape.iter().find(|&&dimension| dimension > MAX_DIMENSION) {
        return Err(format!("the dimension {dimension} is larger than any model's"));
    }
    shape
        .iter()
        .try_fold(1u64, |product, &dimension| product.checked_mul(dimension as u64))
        .filter(|&product| product < 1 << 56)
        .ok_or_else(|| "its dimensions multiply to more than any file holds".to_owned())
}
