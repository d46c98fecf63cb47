//! The weights of a Hugging Face folder: `model.safetensors`, or shards named by
//! `model.safetensors.index.json`. Headers are checked when the folder is opened; each tensor is
//! read from its place when it is asked for, so that loading needs the memory of one tensor beside
//! the model's.

use crate::models::error::ModelError;
use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Largest header the safetensors format allows.
const LARGEST_HEADER: u64 = 100_000_000;

/// Reads a whole file.
///
/// # Errors
/// [`ModelError::Read`] with the path.
pub fn read_file(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|cause| ModelError::Read { cause, path: path.into() })
}

/// Shards and the tensors in them.
pub struct SafetensorsFolder {
    shards: Vec<Shard>,
    /// Shard of each tensor.
    tensors: HashMap<String, usize>,
}

struct Shard {
    path: PathBuf,
    file: Mutex<File>,
    metadata: Metadata,
    /// Where the tensors' bytes begin.
    data_start: u64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl SafetensorsFolder {
    /// Opens the weights of a folder and checks their headers.
    ///
    /// # Errors
    /// No weights, an index that is damaged, names a file that is missing or lies outside the folder, or
    /// a tensor that its shard does not have; a damaged header.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let index = folder.join("model.safetensors.index.json");
        if index.is_file() {
            Self::open_index(folder, &index)
        } else {
            Self::open_files(&[folder.join("model.safetensors")])
        }
    }

    /// Opens files that together hold all tensors.
    ///
    /// # Errors
    /// A file that is missing or damaged.
    pub fn open_files(paths: &[PathBuf]) -> Result<Self, ModelError> {
        let shards = paths.iter().map(|path| Shard::open(path)).collect::<Result<Vec<_>, _>>()?;
        let tensors = shards
            .iter()
            .enumerate()
            .flat_map(|(index, shard)| {
                shard.metadata.offset_keys().into_iter().map(move |name| (name, index))
            })
            .collect();
        Ok(Self { shards, tensors })
    }

    fn open_index(folder: &Path, path: &Path) -> Result<Self, ModelError> {
        let damaged = |reason: String| ModelError::Format { reason, path: path.into() };
        let index: Index = serde_json::from_slice(&read_file(path)?).map_err(|error| {
            damaged(format!("the index of the weights is damaged ({error}); download it again"))
        })?;
        let names: BTreeSet<&String> = index.weight_map.values().collect();
        let mut shards = Vec::with_capacity(names.len());
        for name in &names {
            if !is_plain_name(name) {
                return Err(damaged(format!(
                    "the index names “{name}”, which is not a file of this folder; do not use it"
                )));
            }
            let shard = folder.join(name);
            if !shard.is_file() {
                return Err(damaged(format!(
                    "the file {name} is missing from the folder; download it too"
                )));
            }
            shards.push(Shard::open(&shard)?);
        }
        let mut tensors = HashMap::with_capacity(index.weight_map.len());
        for (tensor, name) in &index.weight_map {
            let number = names.iter().position(|other| *other == name);
            match number.filter(|&n| shards.get(n).is_some_and(|s: &Shard| s.has(tensor))) {
                Some(number) => tensors.insert(tensor.clone(), number),
                None => {
                    return Err(damaged(format!(
                        "the file {name} does not hold the tensor {tensor} that the index promises; \
                         download the folder again"
                    )));
                }
            };
        }
        Ok(Self { shards, tensors })
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The files, for hashing.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().map(|shard| shard.path.as_path())
    }

    /// Tensors by name, in f32.
    pub fn into_var_builder(self) -> VarBuilder<'static> {
        self.into_var_builder_of(DType::F32)
    }

    /// Tensors by name in another float type, for models that are not packed by our own layers.
    pub fn into_var_builder_of(self, dtype: DType) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self), dtype, Device::Cpu)
    }

    fn find(&self, name: &str) -> candle_core::Result<&Shard> {
        self.tensors
            .get(name)
            .and_then(|&index| self.shards.get(index))
            .ok_or_else(|| candle_core::Error::Msg(format!("the tensor {name} is missing")))
    }
}

/// Whether a name stands for a file directly inside its folder.
fn is_plain_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

impl Shard {
    fn open(path: &Path) -> Result<Self, ModelError> {
        let read = |cause| ModelError::Read { cause, path: path.into() };
        let damaged = |what: &str| ModelError::Format {
            reason: format!("the safetensors file is damaged ({what}); download it again"),
            path: path.into(),
        };
        let mut file = File::open(path).map_err(read)?;
        let size = file.metadata().map_err(read)?.len();
        let mut length = [0u8; 8];
        if size < 8 {
            return Err(damaged("too short for a header"));
        }
        file.read_exact(&mut length).map_err(read)?;
        let length = u64::from_le_bytes(length);
        if length > LARGEST_HEADER || length > size - 8 {
            return Err(damaged("its header is longer than the file"));
        }
        let mut header = vec![0u8; length as usize];
        file.read_exact(&mut header).map_err(read)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| damaged(&error.to_string()))?;
        let data_start = 8 + length;
        match size.checked_sub(data_start) {
            Some(bytes) if bytes == metadata.data_len() as u64 => {}
            Some(bytes) if bytes < metadata.data_len() as u64 => {
                return Err(damaged("it ends before its last tensor"));
            }
            _ => return Err(damaged("bytes follow its last tensor")),
        }
        Ok(Self { path: path.into(), file: Mutex::new(file), metadata, data_start })
    }

    fn has(&self, tensor: &str) -> bool {
        self.metadata.info(tensor).is_some()
    }

    fn read(&self, name: &str, dtype: DType) -> candle_core::Result<Tensor> {
        let info = self
            .metadata
            .info(name)
            .ok_or_else(|| candle_core::Error::Msg(format!("the tensor {name} is missing")))?;
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0u8; end - start];
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.seek(SeekFrom::Start(self.data_start + start as u64))?;
            file.read_exact(&mut bytes)?;
        }
        let stored = match info.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F64 => DType::F64,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => {
                let path = self.path.display();
                candle_core::bail!("the tensor {name} holds {other:?}, not floats: {path}")
            }
        };
        Tensor::from_raw_buffer(&bytes, stored, &info.shape, &Device::Cpu)?.to_dtype(dtype)
    }
}

impl SimpleBackend for SafetensorsFolder {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: candle_nn::Init,
        dtype: DType,
        _: &Device,
    ) -> candle_core::Result<Tensor> {
        let shard = self.find(name)?;
        let found = shard.metadata.info(name).map_or(&[][..], |info| &info.shape);
        if found != shape.dims() {
            let path = shard.path.display();
            candle_core::bail!("{name} has the shape {found:?}, not {:?}: {path}", shape.dims())
        }
        shard.read(name, dtype)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, _: &Device) -> candle_core::Result<Tensor> {
        self.find(name)?.read(name, dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}
