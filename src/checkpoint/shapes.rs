//! Names and shapes of a checkpoint's tensors: what the families read their sizes from before any
//! weight is loaded.

use crate::checkpoint::container::Container;
use crate::compute::error::ModelError;
use std::collections::{BTreeMap, BTreeSet};

/// Shape of every float tensor of a checkpoint, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TensorShapes {
    shapes: BTreeMap<String, Vec<usize>>,
}

impl FromIterator<(String, Vec<usize>)> for TensorShapes {
    fn from_iter<I: IntoIterator<Item = (String, Vec<usize>)>>(tensors: I) -> Self {
        Self { shapes: tensors.into_iter().collect() }
    }
}

impl TensorShapes {
    /// The float tensors of a container whose names begin with `prefix`, named without it.
    pub fn of(container: &Container, prefix: &str) -> Self {
        let floats = container.entries().iter().filter(|entry| entry.dtype.is_float());
        let below = floats.filter_map(|entry| {
            Some((entry.name.strip_prefix(prefix)?.to_owned(), entry.shape.clone()))
        });
        below.collect()
    }

    /// Names with every number replaced by `#`, so that all layers are one.
    pub(crate) fn patterns(&self) -> BTreeSet<String> {
        self.shapes.keys().map(|name| pattern(name)).collect()
    }

    /// The shape of a tensor, if there is one of this name.
    pub fn get(&self, name: &str) -> Option<&[usize]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    /// Whether a tensor of this name exists.
    pub fn contains(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// Names and shapes in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()))
    }

    /// Numbers in all tensors whose names `counts` lets through.
    pub fn elements(&self, counts: impl Fn(&str) -> bool) -> u64 {
        let counted = self.iter().filter(|(name, _)| counts(name));
        counted.map(|(_, shape)| shape.iter().map(|&axis| axis as u64).product::<u64>()).sum()
    }

    /// The axes of a tensor that must have `N` of them.
    ///
    /// # Errors
    /// The tensor is missing, has another number of axes, or an axis of length 0.
    pub fn axes<const N: usize>(&self, name: &str) -> Result<[usize; N], ModelError> {
        let shape = self
            .get(name)
            .ok_or_else(|| ModelError::Weights(format!("there is no tensor \"{name}\"")))?;
        <[usize; N]>::try_from(shape).ok().filter(|axes| !axes.contains(&0)).ok_or_else(|| {
            ModelError::Weights(format!("\"{name}\" has shape {shape:?}, not {N} axes above 0"))
        })
    }

    /// Dimension `axis` of a tensor.
    ///
    /// # Errors
    /// The tensor is missing, has fewer axes, or none of length above 0 there.
    pub fn dimension(&self, name: &str, axis: usize) -> Result<usize, ModelError> {
        let length = self.get(name).and_then(|shape| shape.get(axis)).copied();
        length.filter(|&length| length > 0).ok_or_else(|| {
            ModelError::Weights(format!(
                "axis {axis} of \"{name}\", which tells its size, is missing"
            ))
        })
    }

    /// How many layers there are: the first index `i`, counted from 0, for which the tensor named
    /// `before` + i + `after` is missing.
    pub fn count(&self, before: &str, after: &str) -> usize {
        let mut count = 0;
        while self.contains(&format!("{before}{count}{after}")) {
            count += 1;
        }
        count
    }
}

/// `layers.#.wo.weight` of `layers.12.wo.weight`.
pub(crate) fn pattern(name: &str) -> String {
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> =
        name.split('.').map(|part| if digits(&part) { "#" } else { part }).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes() -> TensorShapes {
        [("blocks.0.w", vec![2, 3]), ("blocks.1.w", vec![2, 0]), ("blocks.3.w", vec![1])]
            .map(|(name, shape)| (name.to_string(), shape))
            .into_iter()
            .collect()
    }

    #[test]
    fn counts_up_to_the_first_gap() {
        assert_eq!(shapes().count("blocks.", ".w"), 2);
        assert_eq!(shapes().count("layers.", ".w"), 0);
    }

    #[test]
    fn refuses_other_ranks_and_empty_axes() {
        assert_eq!(shapes().axes::<2>("blocks.0.w").unwrap(), [2, 3]);
        for name in ["blocks.1.w", "blocks.3.w", "missing"] {
            let message = shapes().axes::<2>(name).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
