//! What a person asks to open, and the resources of the machine that it is opened on.

use crate::compute::device_kind::DeviceKind;
use crate::compute::precision::Precision;
use crate::opening::companions::cache_roots;
use crate::opening::memory;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a person asks to open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OpenRequest {
    /// Weight files, an index, folders; the decoder among them, companions too if they lie elsewhere.
    pub paths: Vec<PathBuf>,
    /// The image tokenizer, where it is not found beside the decoder.
    pub tokenizer: Option<PathBuf>,
    /// How linear layers are stored; `None` is the number type of the file ([`memory::default_precision`]).
    pub precision: Option<Precision>,
    /// Rows and columns of the token grid, where the weights do not fix it; `None` is the guess.
    pub grid: Option<(usize, usize)>,
    /// Key of a training file whose weights are taken, for example `ema`.
    pub weight_set: Option<String>,
    /// Where the decoder is put.
    pub device: DeviceKind,
}

impl OpenRequest {
    /// Opens `paths` as they are.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { paths: paths.into_iter().collect(), ..Self::default() }
    }
}

/// What opening depends on beside the files: places of caches and free memory.
#[derive(Debug, Clone, Default)]
pub struct SystemResources {
    /// Folders of the Hugging Face cache, where companions are looked for.
    pub caches: Vec<PathBuf>,
    /// Bytes of memory free; `None` is unknown and refuses nothing.
    pub free_memory: Option<u64>,
    /// Bytes more that closing the model in use would free.
    pub reclaimable: u64,
}

impl SystemResources {
    /// Those of this machine, now.
    pub fn of_this_machine() -> Self {
        Self { caches: cache_roots(), free_memory: memory::free_memory(), reclaimable: 0 }
    }

    /// The same for a decoder on a device: how much memory others than the CPU have is not known here,
    /// and theirs to refuse.
    pub(crate) fn on(self, device: DeviceKind) -> Self {
        Self { free_memory: self.free_memory.filter(|_| device == DeviceKind::Cpu), ..self }
    }
}
