//! What the golden tests of the class-conditional models share: reading cases, comparing numbers,
//! replaying forced tokens, and the arithmetic of guidance, written here a second
//! time so that it does not depend on the program's.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod arithmetic;
pub mod replay;
pub mod softcfg;

use super::golden_folder::is_own;
use super::test_device::device;
use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use safetensors::SafeTensors;
use serde::de::DeserializeOwned;
use softcfg_studio::checkpoint::shapes::TensorShapes;
use softcfg_studio::checkpoint::{Container, LoadProgress};
use softcfg_studio::compute::precision::Precision;
use softcfg_studio::compute::weights::Weights;
use softcfg_studio::opening::opened::Opened;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A JSON file.
pub fn json<T: DeserializeOwned>(path: &Path) -> T {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The weight file of a folder, whatever its container: the authors' own kind before safetensors,
/// which `golden_containers` compares with it bit by bit.
fn weight_file(folder: &Path) -> PathBuf {
    let files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "expected"))
        .collect();
    let mut containers = ["bin", "pt", "pth", "ckpt", "safetensors"].iter().flat_map(|extension| {
        files.iter().filter(move |path| path.extension().is_some_and(|found| found == *extension))
    });
    let found = containers.next();
    found.unwrap_or_else(|| panic!("no weights in {}", folder.display())).clone()
}

/// Weights of a folder for an image tokenizer, through the guard that the program opens files with.
/// Single blocks are no model that could be identified; their names have no prefix to take away.
pub fn var_builder(folder: &Path) -> (VarBuilder<'static>, TensorShapes) {
    let file = weight_file(folder);
    let container = match Opened::open(&file, None) {
        Ok(opened) => opened.container,
        Err(_) => Container::open(&file).unwrap_or_else(|error| panic!("{error}")),
    };
    let shapes =
        container.entries().iter().map(|entry| (entry.name.clone(), entry.shape.clone())).collect();
    (container.into_var_builder(Arc::new(LoadProgress::default())), shapes)
}

/// Weights of a folder for a decoder, kept in f32.
pub fn weights(folder: &Path) -> (Weights<'static>, TensorShapes) {
    let (builder, shapes) = var_builder(folder);
    (Weights::new(builder, Precision::F32).on(&device()), shapes)
}

/// An array of any recorded type, as f64.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

impl Array {
    /// Everything at `index` of the first axes.
    pub fn at(&self, index: &[usize]) -> &[f64] {
        let (mut start, mut size) = (0, self.data.len());
        for (&i, &axis) in index.iter().zip(&self.shape) {
            assert!(i < axis, "index {index:?} of an array {:?}", self.shape);
            size /= axis;
            start += i * size;
        }
        &self.data[start..start + size]
    }

    /// As ids.
    pub fn ids(&self) -> Vec<u32> {
        self.data.iter().map(|&x| x as u32).collect()
    }

    /// As row or step numbers.
    pub fn indices(&self) -> Vec<usize> {
        self.data.iter().map(|&x| x as usize).collect()
    }

    /// As an f32 tensor.
    pub fn tensor(&self) -> Tensor {
        let data: Vec<f32> = self.data.iter().map(|&x| x as f32).collect();
        Tensor::from_vec(data, self.shape.as_slice(), &Device::Cpu).unwrap()
    }
}

/// The recorded tensors of a case.
pub struct Expected {
    case: String,
    arrays: HashMap<String, Array>,
}

impl Expected {
    /// Reads `expected.safetensors` of a case.
    pub fn read(folder: &Path) -> Self {
        let bytes = fs::read(folder.join("expected.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let arrays = tensors.tensors().into_iter().map(|(name, view)| {
            let (size, raw) = (view.dtype().bitsize() / 8, view.data());
            let number = |bytes: &[u8]| match view.dtype() {
                safetensors::Dtype::F64 => f64::from_le_bytes(bytes.try_into().unwrap()),
                safetensors::Dtype::F32 => f32::from_le_bytes(bytes.try_into().unwrap()).into(),
                safetensors::Dtype::I64 => i64::from_le_bytes(bytes.try_into().unwrap()) as f64,
                safetensors::Dtype::I32 => i32::from_le_bytes(bytes.try_into().unwrap()).into(),
                safetensors::Dtype::U8 => bytes[0].into(),
                other => panic!("{name} is {other:?}"),
            };
            let data = raw.chunks_exact(size).map(number).collect();
            (name.clone(), Array { shape: view.shape().to_vec(), data })
        });
        let arrays = arrays.collect();
        Self { case: folder.display().to_string(), arrays }
    }

    /// A recorded tensor.
    pub fn get(&self, name: &str) -> &Array {
        self.find(name).unwrap_or_else(|| panic!("{}: no tensor {name}", self.case))
    }

    /// A recorded tensor that not every case has.
    pub fn find(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// A comparison with the tensor `name`, with none where the case does not record it.
    ///
    /// # Panics
    /// The case is one of the project's own and does not record it.
    pub fn comparison(&self, name: &str, tolerance: f64) -> Comparison<'_> {
        if is_own() {
            return self.required(name, tolerance);
        }
        self.optional(name, tolerance)
    }

    /// A comparison with the tensor `name`.
    ///
    /// # Panics
    /// The case does not record it.
    pub fn required(&self, name: &str, tolerance: f64) -> Comparison<'_> {
        self.get(name);
        self.optional(name, tolerance)
    }

    /// A comparison with the tensor `name`, which some of the project's own cases do not record either.
    pub fn optional(&self, name: &str, tolerance: f64) -> Comparison<'_> {
        Comparison {
            name: format!("{}: {name}", self.case),
            recorded: self.find(name),
            tolerance,
            worst: 0.0,
            place: String::new(),
            compared: 0,
        }
    }
}

/// Collects the largest difference and fails at the end, so that a message tells how far it is off.
pub struct Comparison<'e> {
    name: String,
    recorded: Option<&'e Array>,
    tolerance: f64,
    worst: f64,
    place: String,
    compared: usize,
}

impl Comparison<'_> {
    /// Compares what is recorded at `index` of the first axes.
    pub fn at<T: Copy + Into<f64>>(&mut self, index: &[usize], actual: &[T]) {
        if let Some(recorded) = self.recorded {
            self.row(&format!("{index:?}"), actual, recorded.at(index));
        }
    }

    /// Whether the case records the tensor.
    pub fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    /// Length of what is recorded at an index of the first axes; 0 where nothing is.
    pub fn width(&self, axes: usize) -> usize {
        self.recorded.map_or(0, |recorded| recorded.shape[axes..].iter().product())
    }

    /// Compares two rows; `place` says where they stand.
    pub fn row<T: Copy + Into<f64>>(&mut self, place: &str, actual: &[T], expected: &[f64]) {
        assert_eq!(actual.len(), expected.len(), "{}: length at {place}", self.name);
        for (index, (&a, &e)) in actual.iter().zip(expected).enumerate() {
            let difference = (a.into() - e).abs();
            if difference > self.worst || difference.is_nan() {
                self.worst = if difference.is_nan() { f64::INFINITY } else { difference };
                self.place = format!("{place}[{index}]: {} instead of {e}", a.into());
            }
        }
        self.compared += actual.len();
    }

    /// Compares the whole tensor.
    pub fn whole(self, actual: &Tensor) {
        if let Some(recorded) = self.recorded {
            self.tensor(actual, recorded);
        }
    }

    /// Compares a tensor with a part of what is recorded.
    pub fn tensor(mut self, actual: &Tensor, expected: &Array) {
        assert_eq!(actual.dims(), expected.shape.as_slice(), "{}: shape", self.name);
        let actual: Vec<f32> = actual.flatten_all().unwrap().to_vec1().unwrap();
        self.row("", &actual, &expected.data);
        self.finish();
    }

    /// Fails if a difference was too large, or if nothing was compared with a recorded tensor.
    pub fn finish(self) {
        let Self { name, recorded, tolerance, worst, place, compared } = self;
        assert!(compared > 0 || recorded.is_none(), "{name}: nothing was compared");
        assert!(
            worst <= tolerance,
            "{name}: off by {worst:.3e} (tolerance {tolerance:.1e}) at {place}"
        );
    }
}
