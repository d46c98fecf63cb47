//! Errors of opening checkpoints: what is wrong; what to do; the path last. A person has to be able to
//! act on each of them, so none says just "invalid".

use crate::compute::error::ModelError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Anything that can go wrong between a path and loaded tensors.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The system refused to open or read.
    #[error("cannot read ({cause}); check that it exists and that you may read it: {}", path.display())]
    Read {
        /// The system's message.
        cause: std::io::Error,
        /// File or folder.
        path: PathBuf,
    },
    /// A structure that no program of the authors writes: truncated, lying, or another kind of file.
    #[error("{reason}: {}", path.display())]
    Format {
        /// What is wrong and what to do.
        reason: String,
        /// File.
        path: PathBuf,
    },
    /// A pickle that asks to run something.
    #[error(
        "the file asks to run \"{callable}\", which loading weights never needs; nothing was run; get the file \
         from its authors again, or save its state dict alone: {}", path.display()
    )]
    Unsafe {
        /// Module and name that the pickle calls.
        callable: String,
        /// File.
        path: PathBuf,
    },
    /// A weight of a number type that cannot be read.
    #[error(
        "tensor {tensor} is stored as {dtype}, which this program does not read; convert it to f32, f16 or bf16: {}",
        path.display()
    )]
    UnsupportedType {
        /// Name of the tensor.
        tensor: String,
        /// Its number type, as the file calls it.
        dtype: String,
        /// File.
        path: PathBuf,
    },
    /// A well-formed file without a single weight.
    #[error("the file holds no weights ({found}); choose the model's weight file: {}", path.display())]
    NoTensors {
        /// What it holds instead.
        found: String,
        /// File.
        path: PathBuf,
    },
    /// Another program wrote to the file while it was open.
    #[error("the file changed while it was being read; wait until the download or copy is done and open it again: {}", path.display())]
    Changed {
        /// File.
        path: PathBuf,
    },
    /// NaN or infinity among the weights.
    #[error(
        "tensor {tensor} holds {count} values that are NaN or infinite (the first at {first}); the file is damaged or \
         the training failed, get another copy: {}", path.display()
    )]
    NotFinite {
        /// Name of the tensor.
        tensor: String,
        /// How many values.
        count: u64,
        /// Row-major index of the first.
        first: u64,
        /// File.
        path: PathBuf,
    },
    /// Nothing but zeros where a trained model has none.
    #[error(
        "{tensors} only zeros, which no trained model does; the download was probably not finished, download the \
         file again: {}", path.display()
    )]
    AllZero {
        /// Which tensors, with "hold" or "holds".
        tensors: String,
        /// File.
        path: PathBuf,
    },
    /// No tensor of this name.
    #[error("tensor {tensor} is missing; the file belongs to another model or is incomplete: {}", path.display())]
    MissingTensor {
        /// Name of the tensor.
        tensor: String,
        /// File.
        path: PathBuf,
    },
    /// A tensor of another shape than the model wants.
    #[error("tensor {tensor} is {found:?}, not {expected:?}; the file belongs to another size or family: {}", path.display())]
    Shape {
        /// Name of the tensor.
        tensor: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape that the model wants.
        expected: Vec<usize>,
        /// File.
        path: PathBuf,
    },
    /// A shard that the index names is not there.
    #[error("the shard {shard} that the index names is missing; download it into the same folder: {}", path.display())]
    MissingShard {
        /// File name.
        shard: String,
        /// Index.
        path: PathBuf,
    },
    /// The names and shapes are those of no model that this program draws with.
    #[error("{reason}: {}", path.display())]
    Unknown {
        /// The nearest family and the first mismatches.
        reason: String,
        /// File or folder.
        path: PathBuf,
    },
    /// Decoder, tokenizer and text encoder do not belong together.
    #[error("{reason}: {}", path.display())]
    Mismatch {
        /// Which two, and what differs.
        reason: String,
        /// The companion's file.
        path: PathBuf,
    },
    /// A file beside the weights cannot be used; its path is in the text.
    #[error("{0}")]
    Beside(String),
    /// A file that the model needs was not found.
    #[error("{0}")]
    MissingCompanion(String),
    /// The weights do not fit in memory.
    #[error("{0}")]
    Memory(String),
    /// The person cancelled.
    #[error("loading was cancelled; the model that was open stays open")]
    Cancelled,
}

impl CheckpointError {
    pub(crate) fn format(path: &Path, reason: impl Into<String>) -> Self {
        Self::Format { reason: reason.into(), path: path.to_path_buf() }
    }

    pub(crate) fn read(path: &Path, cause: std::io::Error) -> Self {
        Self::Read { cause, path: path.to_path_buf() }
    }
}

impl From<CheckpointError> for ModelError {
    fn from(error: CheckpointError) -> Self {
        Self::Files(Box::new(error))
    }
}
