//! Shared by the golden tests: reads the parameters and tensors of cases, and compares numbers with a
//! message that names case, tensor, index and the worst difference.

#![allow(dead_code, reason = "each test binary uses its own part")]

use super::golden_folder::{folders_with, is_own};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// All cases of a family: the folders at or below `<root>/<family>` with the file `parameters` (JSON).
/// Each must hold the file `expected` (safetensors) too.
///
/// # Panics
/// When the project's own folder has no case, so that a test cannot pass on nothing.
pub fn cases(family: &str, parameters: &str, expected: &str) -> Vec<Case> {
    let folders = folders_with(family, parameters);
    folders.iter().map(|folder| Case::open(folder, parameters, expected)).collect()
}

/// One golden case: parameters and recorded tensors.
pub struct Case {
    /// `family/folder`, for messages.
    pub name: String,
    /// Where its files are.
    pub folder: PathBuf,
    /// Its JSON file.
    pub parameters: Value,
    bytes: Vec<u8>,
}

impl Case {
    /// Reads one case folder.
    pub fn open(folder: &Path, parameters: &str, expected: &str) -> Self {
        let parts: Vec<_> =
            folder.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        let name = parts.into_iter().rev().collect::<Vec<_>>().join("/");
        let read = |file: &str| {
            let path = folder.join(file);
            std::fs::read(&path)
                .unwrap_or_else(|error| panic!("{name}: cannot read {}: {error}", path.display()))
        };
        let json = read(parameters);
        let value = serde_json::from_slice(&json)
            .unwrap_or_else(|error| panic!("{name}: {parameters} is not JSON: {error}"));
        let bytes = read(expected);
        Self { folder: folder.to_path_buf(), parameters: value, bytes, name }
    }

    /// A parameter by JSON pointer (`/test/soft_gamma`) or plain name, if the case has it.
    pub fn parameter(&self, name: &str) -> Option<&Value> {
        if name.starts_with('/') {
            self.parameters.pointer(name)
        } else {
            self.parameters.get(name)
        }
        .filter(|value| !value.is_null())
    }

    /// A number, which the case must have.
    pub fn number(&self, name: &str) -> f64 {
        self.parameter(name)
            .and_then(Value::as_f64)
            .unwrap_or_else(|| panic!("{}: parameter {name} is not a number", self.name))
    }

    /// A count or id, which the case must have.
    pub fn count(&self, name: &str) -> usize {
        self.parameter(name)
            .and_then(Value::as_u64)
            .and_then(|value| usize::try_from(value).ok())
            .unwrap_or_else(|| panic!("{}: parameter {name} is not a count", self.name))
    }

    /// A text, which the case must have.
    pub fn text(&self, name: &str) -> &str {
        self.parameter(name)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("{}: parameter {name} is not a text", self.name))
    }

    /// A switch, which the case must have.
    pub fn flag(&self, name: &str) -> bool {
        self.parameter(name)
            .and_then(Value::as_bool)
            .unwrap_or_else(|| panic!("{}: parameter {name} is not true or false", self.name))
    }

    /// Names of the recorded tensors.
    pub fn tensor_names(&self) -> Vec<String> {
        self.archive().names().into_iter().map(ToString::to_string).collect()
    }

    /// A recorded tensor, which cases of others need not have.
    ///
    /// # Panics
    /// The case is one of the project's own and has none of this name.
    pub fn tensor(&self, name: &str) -> Option<Golden> {
        let found = self.optional(name);
        assert!(found.is_some() || !is_own(), "{}: no tensor {name}", self.name);
        found
    }

    /// A recorded tensor, which every case must have.
    pub fn required(&self, name: &str) -> Golden {
        self.optional(name).unwrap_or_else(|| panic!("{}: no tensor {name}", self.name))
    }

    /// A recorded tensor, which some of the project's own cases do not have either.
    pub fn optional(&self, name: &str) -> Option<Golden> {
        let archive = self.archive();
        let view = archive.tensor(name).ok()?;
        let label = format!("{}: {name}", self.name);
        let values = decode(view.dtype(), view.data())
            .unwrap_or_else(|| panic!("{label}: cannot read type {:?}", view.dtype()));
        Some(Golden { label, shape: view.shape().to_vec(), values })
    }

    fn archive(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes)
            .unwrap_or_else(|error| panic!("{}: not a safetensors file: {error}", self.name))
    }
}

fn decode(dtype: Dtype, data: &[u8]) -> Option<Vec<f64>> {
    fn numbers<const N: usize>(data: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        data.as_chunks().0.iter().map(|&bytes| read(bytes)).collect()
    }
    Some(match dtype {
        Dtype::F64 => numbers(data, f64::from_le_bytes),
        Dtype::F32 => numbers(data, |bytes| f32::from_le_bytes(bytes).into()),
        Dtype::F16 => numbers(data, |bytes| half::f16::from_le_bytes(bytes).into()),
        Dtype::BF16 => numbers(data, |bytes| half::bf16::from_le_bytes(bytes).into()),
        // Ids and flags are far below 2⁵³.
        Dtype::I64 => numbers(data, |bytes| i64::from_le_bytes(bytes) as f64),
        Dtype::I32 => numbers(data, |bytes| i32::from_le_bytes(bytes).into()),
        Dtype::U8 | Dtype::BOOL => data.iter().copied().map(f64::from).collect(),
        _ => return None,
    })
}

/// A recorded tensor, widened to double precision; row-major.
#[derive(Clone)]
pub struct Golden {
    /// `case: tensor`, for messages.
    pub label: String,
    /// Sizes of its axes.
    pub shape: Vec<usize>,
    /// Its elements.
    pub values: Vec<f64>,
}

impl Golden {
    /// Length of the last axis.
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows, all axes but the last taken together.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width().max(1)
    }

    /// A row along the last axis; rows of all other axes are counted through.
    pub fn row(&self, row: usize) -> &[f64] {
        let start = row * self.width();
        self.values
            .get(start..start + self.width())
            .unwrap_or_else(|| panic!("{}: no row {row} in shape {:?}", self.label, self.shape))
    }

    /// A row in single precision.
    pub fn row_f32(&self, row: usize) -> Vec<f32> {
        self.row(row).iter().map(|&value| value as f32).collect()
    }

    /// Everything in single precision.
    pub fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|&value| value as f32).collect()
    }

    /// Everything as ids or indices.
    pub fn to_indices(&self) -> Vec<usize> {
        self.values
            .iter()
            .map(|&value| {
                assert!(
                    value >= 0.0 && value.fract() == 0.0,
                    "{}: {value} is no index",
                    self.label
                );
                value as usize
            })
            .collect()
    }

    /// One element of a tensor with one axis.
    pub fn at(&self, index: usize) -> f64 {
        *self
            .values
            .get(index)
            .unwrap_or_else(|| panic!("{}: no index {index} in {:?}", self.label, self.shape))
    }

    /// Compares all elements.
    pub fn assert_close<T: Copy + Into<f64>>(&self, actual: &[T], tolerance: f64) {
        assert_close(&self.label, &self.values, actual, tolerance);
    }

    /// Compares one row (see [`Golden::row`]).
    pub fn assert_row_close<T: Copy + Into<f64>>(&self, row: usize, actual: &[T], tolerance: f64) {
        assert_close(&format!("{} row {row}", self.label), self.row(row), actual, tolerance);
    }

    /// Compares one element of a tensor with one axis.
    pub fn assert_at_close(&self, index: usize, actual: impl Into<f64>, tolerance: f64) {
        let label = format!("{} element {index}", self.label);
        assert_close(&label, &[self.at(index)], &[actual.into()], tolerance);
    }
}

/// Compares element by element; a NaN on either side fails.
///
/// # Panics
/// With the worst difference and where it is, when a difference exceeds the tolerance.
pub fn assert_close<T: Copy + Into<f64>>(
    label: &str,
    expected: &[f64],
    actual: &[T],
    tolerance: f64,
) {
    assert_eq!(expected.len(), actual.len(), "{label}: number of elements");
    let differences = expected.iter().zip(actual).map(|(&expected, &actual)| {
        let difference = (expected - actual.into()).abs();
        if difference.is_nan() { f64::INFINITY } else { difference }
    });
    let worst = differences.enumerate().max_by(|first, second| first.1.total_cmp(&second.1));
    if let Some((index, difference)) = worst {
        assert!(
            difference <= tolerance,
            "{label}: worst difference {difference:e} at index {index} exceeds {tolerance:e}: \
             expected {}, found {}",
            expected[index],
            actual[index].into()
        );
    }
}
