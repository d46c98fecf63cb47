//! One abstraction over every container of weights: names, shapes and number types, tensors read by
//! name, and a backend of candle's `VarBuilder`, so that a model file never knows what it is read from.

use crate::checkpoint::container_kind::ContainerKind;
use crate::checkpoint::entry::{ElementType, TensorEntry};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::file_kind::FileKind;
use crate::checkpoint::files;
use crate::checkpoint::files::{WeightFiles, file_name};
use crate::checkpoint::hash::sha256;
use crate::checkpoint::progress::LoadProgress;
use crate::checkpoint::read_tensor::Values;
use crate::checkpoint::source::SourceFile;
use crate::checkpoint::torch_file;
use crate::checkpoint::torch_file::TorchFile;
use crate::checkpoint::{read_tensor, safetensors_file, sharded, state_dict, zeros};
use crate::compute::error::tensor_message;
use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Named tensors in one or several open files. Nothing but headers is in memory.
#[derive(Debug)]
pub struct Container {
    kind: ContainerKind,
    sources: Vec<Arc<SourceFile>>,
    entries: Vec<TensorEntry>,
    by_name: HashMap<String, usize>,
    /// Names under which something else stands than a tensor, with what was called for it.
    unknown: Vec<(String, String)>,
    weight_set: Option<String>,
    alternatives: Vec<String>,
}

impl Container {
    /// Opens a weight file of any kind, an index with its shards, or a folder with one model.
    ///
    /// # Errors
    /// Everything in [`CheckpointError`] that concerns files and their form.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        Self::open_weight_set(path, None)
    }

    /// As [`Container::open`], taking the weights that a training file keeps under `weight_set`, for
    /// example `ema`, instead of those it is usually sampled with.
    ///
    /// # Errors
    /// Those of [`Container::open`], and a file without this entry.
    pub fn open_weight_set(path: &Path, weight_set: Option<&str>) -> Result<Self, CheckpointError> {
        match files::resolve(path)? {
            WeightFiles::Single(path) => Self::open_file(&path, weight_set),
            WeightFiles::Unpacked(folder) => {
                let (file, torch) = torch_file::read_unpacked(&folder, weight_set)?;
                Self::of_torch(file, torch, &folder)
            }
            WeightFiles::Sharded(index) => {
                let (sources, entries) = sharded::open(&index)?;
                Self::build(ContainerKind::Sharded, sources, entries, &index)
            }
            WeightFiles::Several(files) => {
                let names: Vec<String> = files.iter().map(|file| file_name(file)).collect();
                let reason = format!(
                    "the folder holds several weight files ({}); choose one of them",
                    names.join(", ")
                );
                Err(CheckpointError::format(path, reason))
            }
        }
    }

    /// Opens one file by its contents, whatever its name.
    pub(crate) fn open_file(
        path: &Path,
        weight_set: Option<&str>,
    ) -> Result<Self, CheckpointError> {
        let file = SourceFile::open(path)?;
        let torch = match FileKind::of_file(&file)? {
            FileKind::Zip => torch_file::read_zip(&file, 0, weight_set)?,
            FileKind::TorchLegacy => torch_file::read_legacy(&file, 0, weight_set)?,
            FileKind::Safetensors => {
                let entries = safetensors_file::entries(&file, 0)?;
                return Self::build(ContainerKind::Safetensors, vec![file], entries, path);
            }
            other => return Err(CheckpointError::format(path, other.refusal("this"))),
        };
        Self::of_torch(file, torch, path)
    }

    fn of_torch(file: SourceFile, torch: TorchFile, path: &Path) -> Result<Self, CheckpointError> {
        let mut container = Self::build(torch.kind, vec![file], torch.entries, path)?;
        container.unknown = torch.unknown;
        container.weight_set = torch.weight_set;
        container.alternatives = torch.alternatives;
        Ok(container)
    }

    /// Opens a safetensors file inside the binary; `name` is what errors call it.
    ///
    /// # Errors
    /// Any deviation from the format.
    pub(crate) fn embedded(name: &str, bytes: &'static [u8]) -> Result<Self, CheckpointError> {
        let file = SourceFile::embedded(name, bytes);
        let entries = safetensors_file::entries(&file, 0)?;
        Self::build(ContainerKind::Safetensors, vec![file], entries, Path::new(name))
    }

    /// Puts entries of open files together under their cleaned names.
    fn build(
        kind: ContainerKind,
        sources: Vec<SourceFile>,
        mut entries: Vec<TensorEntry>,
        path: &Path,
    ) -> Result<Self, CheckpointError> {
        if entries.is_empty() {
            let found = "an empty list of tensors".to_owned();
            return Err(CheckpointError::NoTensors { found, path: path.to_path_buf() });
        }
        let mut names: Vec<&mut String> = entries.iter_mut().map(|entry| &mut entry.name).collect();
        state_dict::strip_wrappers(&mut names);
        let mut by_name = HashMap::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            if by_name.insert(entry.name.clone(), index).is_some() {
                let reason = format!("tensor {} stands twice; get another copy", entry.name);
                return Err(CheckpointError::format(path, reason));
            }
        }
        let sources = sources.into_iter().map(Arc::new).collect();
        Ok(Self {
            kind,
            sources,
            entries,
            by_name,
            unknown: Vec::new(),
            weight_set: None,
            alternatives: Vec::new(),
        })
    }

    /// The same tensors without `prefix` in front of their names; those without it are left out.
    pub fn without_prefix(mut self, prefix: &str) -> Self {
        if prefix.is_empty() {
            return self;
        }
        self.entries.retain_mut(|entry| match entry.name.strip_prefix(prefix) {
            Some(name) => {
                entry.name = name.to_owned();
                true
            }
            None => false,
        });
        let names = self.entries.iter().enumerate();
        self.by_name = names.map(|(index, entry)| (entry.name.clone(), index)).collect();
        self
    }

    /// What kind of file it is.
    pub fn kind(&self) -> ContainerKind {
        self.kind
    }

    /// The file, or the first shard.
    pub fn path(&self) -> &Path {
        self.sources.first().map_or(Path::new(""), |file| file.path())
    }

    /// All open files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|file| file.path())
    }

    /// The open files, to be read beside the tensors.
    pub(crate) fn files(&self) -> Vec<Arc<SourceFile>> {
        self.sources.clone()
    }

    /// Every tensor.
    pub fn entries(&self) -> &[TensorEntry] {
        &self.entries
    }

    /// The tensor of this name.
    pub fn entry(&self, name: &str) -> Option<&TensorEntry> {
        self.by_name.get(name).and_then(|&index| self.entries.get(index))
    }

    /// The key of a training file whose weights were taken, for example `model`.
    pub fn weight_set(&self) -> Option<&str> {
        self.weight_set.as_deref()
    }

    /// Keys of other weights in the file, for example `ema`.
    pub fn alternatives(&self) -> &[String] {
        &self.alternatives
    }

    /// Reads a tensor in the file's own number type.
    ///
    /// # Errors
    /// The tensor is missing, of a type that cannot be read, not finite, nothing but zeros where no sound
    /// file has them, or the file changed.
    pub fn tensor(&self, name: &str) -> Result<Tensor, CheckpointError> {
        self.tensor_as(name, None, &LoadProgress::default())
    }

    /// Reads a tensor, floats widened to f32 on the way if `dtype` asks for it.
    ///
    /// # Errors
    /// Those of [`Container::tensor`], and cancellation.
    pub fn tensor_as(
        &self,
        name: &str,
        dtype: Option<DType>,
        progress: &LoadProgress,
    ) -> Result<Tensor, CheckpointError> {
        let entry = self.entry(name).ok_or_else(|| self.missing(name))?;
        let values = self.read(entry, dtype, progress)?;
        if values.all_zero && zeros::is_never_zero(entry) {
            let file = self.sources.get(entry.place.source);
            let path = file.map_or(self.path(), |file| file.path()).to_path_buf();
            let tensors = zeros::describe(name, &self.sources, &self.entries, progress)?;
            return Err(CheckpointError::AllZero { tensors, path });
        }
        Ok(values.tensor)
    }

    /// Reads at most `rows` of a tensor's outermost dimension, and no more of the file than these if
    /// they lie there as they are.
    ///
    /// # Errors
    /// Those of [`Container::tensor`].
    pub fn first_rows(&self, name: &str, rows: usize) -> Result<Tensor, CheckpointError> {
        let mut entry = self.entry(name).cloned().ok_or_else(|| self.missing(name))?;
        if let Some(outermost) = entry.shape.first_mut() {
            *outermost = rows.min(*outermost);
        }
        // The first rows of a table may be padding.
        Ok(self.read(&entry, None, &LoadProgress::default())?.tensor)
    }

    fn read(
        &self,
        entry: &TensorEntry,
        dtype: Option<DType>,
        progress: &LoadProgress,
    ) -> Result<Values, CheckpointError> {
        let file = self.sources.get(entry.place.source).ok_or_else(|| self.missing(&entry.name))?;
        read_tensor::read(file, entry, dtype, progress)
    }

    fn missing(&self, name: &str) -> CheckpointError {
        let path = self.path().to_path_buf();
        let missing = CheckpointError::MissingTensor { tensor: name.to_owned(), path };
        self.not_understood(|found| found == name).unwrap_or(missing)
    }

    /// The error that one of these names stands for what a call would have made, which was not run. A name
    /// may have wrappers in front of it.
    pub(crate) fn not_understood(&self, wanted: impl Fn(&str) -> bool) -> Option<CheckpointError> {
        let within = |name: &str| {
            let ends = name.match_indices('.').map(|(dot, _)| dot + 1);
            ends.chain([0]).any(|start| name.get(start..).is_some_and(&wanted))
        };
        let (_, callable) = self.unknown.iter().find(|(name, _)| within(name))?;
        let path = self.path().to_path_buf();
        Some(CheckpointError::Unsafe { callable: callable.clone(), path })
    }

    /// A `VarBuilder` that reads each tensor from the file when a model asks for it, as f32 on the CPU.
    ///
    /// Peak memory is what the model keeps plus one tensor in f32. Errors of the file come out of the
    /// builder as candle errors with the message of the [`CheckpointError`]; after a cancellation
    /// [`LoadProgress::is_cancelled`] tells it from a fault.
    pub fn into_var_builder(self, progress: Arc<LoadProgress>) -> VarBuilder<'static> {
        let backend = ContainerBackend { container: self, progress };
        VarBuilder::from_backend(Box::new(backend), DType::F32, Device::Cpu)
    }

    /// SHA-256 over the files one after the other, in hexadecimal: the identity of a model's weights.
    ///
    /// # Errors
    /// Reading fails, or the person cancels.
    pub fn sha256(&self, progress: &LoadProgress) -> Result<String, CheckpointError> {
        sha256(&self.sources, progress, &AtomicBool::new(false))
    }

    /// The number type that most values of the given tensors have.
    pub(crate) fn main_type<'a>(&self, names: impl Iterator<Item = &'a str>) -> ElementType {
        let mut counts: HashMap<&ElementType, u64> = HashMap::new();
        for entry in names.filter_map(|name| self.entry(name)) {
            *counts.entry(&entry.dtype).or_default() += entry.elements();
        }
        // Ties are broken by name, so that the answer does not depend on the map's order.
        let largest = counts.into_iter().max_by_key(|(dtype, count)| (*count, dtype.to_string()));
        largest.map_or(ElementType::F32, |(dtype, _)| dtype.clone())
    }
}

struct ContainerBackend {
    container: Container,
    progress: Arc<LoadProgress>,
}

impl ContainerBackend {
    fn read(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor, CheckpointError> {
        let tensor = self.container.tensor_as(name, Some(dtype), &self.progress)?;
        let path = self.container.path();
        let failed = |error: candle_core::Error| {
            let reason = format!(
                "tensor {name} cannot be converted ({}); get another copy",
                tensor_message(&error)
            );
            CheckpointError::format(path, reason)
        };
        tensor.to_dtype(dtype).and_then(|tensor| tensor.to_device(device)).map_err(failed)
    }
}

impl ContainerBackend {
    fn fail(&self, error: CheckpointError) -> candle_core::Error {
        let text = error.to_string();
        self.progress.fail(error);
        candle_core::Error::msg(text)
    }
}

impl SimpleBackend for ContainerBackend {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        // Compared before reading: the header shows a wrong file.
        if let Some(entry) = self.container.entry(name)
            && entry.shape != shape.dims()
        {
            return Err(self.fail(CheckpointError::Shape {
                tensor: name.to_owned(),
                found: entry.shape.clone(),
                expected: shape.dims().to_vec(),
                path: self.container.path().to_path_buf(),
            }));
        }
        self.get_unchecked(name, dtype, device)
    }

    fn get_unchecked(
        &self,
        name: &str,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        self.read(name, dtype, device).map_err(|error| self.fail(error))
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.container.entry(name).is_some()
    }
}
