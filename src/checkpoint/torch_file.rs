//! PyTorch's own files: the zip archive of today (`.pt`, `.pth`, `.bin`, `.ckpt`, TorchScript `.jit`),
//! packed or not, and the plain sequence of pickles of before version 1.6.

use crate::checkpoint::container_kind::ContainerKind;
use crate::checkpoint::entry::{ElementType, Stored, TensorEntry, TensorPlace};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::file_kind;
use crate::checkpoint::pickle::MAX_PICKLE;
use crate::checkpoint::pickle_value::{
    Node, Pickle, PickleError, Storage, TensorRef, Value, readable,
};
use crate::checkpoint::source::SourceFile;
use crate::checkpoint::state_dict;
use crate::checkpoint::state_dict::{NoWeights, StateDict};
use crate::checkpoint::unpacked::{LIST, Unpacked};
use crate::checkpoint::zip_directory;
use crate::checkpoint::zip_directory::ZipDirectory;
use std::collections::HashMap;
use std::path::Path;

/// What a PyTorch file holds.
pub(crate) struct TorchFile {
    pub(crate) kind: ContainerKind,
    pub(crate) entries: Vec<TensorEntry>,
    /// Names under which something else stands than a tensor, with what was called for it.
    pub(crate) unknown: Vec<(String, String)>,
    pub(crate) weight_set: Option<String>,
    pub(crate) alternatives: Vec<String>,
}

/// Reads the directory and the pickle of an archive, which is number `source` of its container.
pub(crate) fn read_zip(
    file: &SourceFile,
    source: usize,
    weight_set: Option<&str>,
) -> Result<TorchFile, CheckpointError> {
    let directory = ZipDirectory::read(file)?;
    // The folder inside the archive has any name; a TorchScript archive has other pickles deeper.
    let pickle_name = directory
        .names()
        .filter(|name| *name == LIST || name.ends_with("/data.pkl"))
        .min_by_key(|name| (name.len(), name.to_string()))
        .map(str::to_owned);
    let Some(pickle_name) = pickle_name else {
        let reason = file_kind::archive_without_weights(directory.names());
        return Err(CheckpointError::format(file.path(), reason));
    };
    let root = pickle_name.strip_suffix(LIST).unwrap_or_default().to_owned();
    let stored = |name: &str| directory.stored(file, &format!("{root}{name}"));
    read_archive(file, source, weight_set, stored)
}

/// Reads an archive that was unpacked to a folder.
pub(crate) fn read_unpacked(
    folder: &Path,
    weight_set: Option<&str>,
) -> Result<(SourceFile, TorchFile), CheckpointError> {
    let archive = Unpacked::open(folder)?;
    let torch = read_archive(&archive.file, 0, weight_set, |name| Ok(archive.stored(name)))?;
    Ok((archive.file, torch))
}

/// Reads the pickle of an archive, given where its members lie.
fn read_archive(
    file: &SourceFile,
    source: usize,
    weight_set: Option<&str>,
    stored: impl Fn(&str) -> Result<Option<Stored>, CheckpointError>,
) -> Result<TorchFile, CheckpointError> {
    if let Some(order) = stored("byteorder")?
        && block(file, order, 16)? == b"big"
    {
        let reason =
            "the weights were written on a big-endian machine; save them as safetensors there";
        return Err(CheckpointError::format(file.path(), reason));
    }
    let list = stored(LIST)?.map(|stored| block(file, stored, MAX_PICKLE)).transpose()?;
    let pickle =
        Pickle::parse(&list.unwrap_or_default()).map_err(|error| pickle_error(file, error))?;
    let found = state_dict::collect(&pickle, weight_set).map_err(|why| no_tensors(file, why))?;
    let kind = if found.scripted { ContainerKind::TorchScript } else { ContainerKind::TorchZip };
    into_torch_file(file, source, kind, found, |storage| stored(&format!("data/{}", storage.key)))
}

/// Reads the pickles of the old format and finds the blocks behind them.
pub(crate) fn read_legacy(
    file: &SourceFile,
    source: usize,
    weight_set: Option<&str>,
) -> Result<TorchFile, CheckpointError> {
    let bytes = file.bytes(0, file.length().min(MAX_PICKLE))?;
    let mut position = 0;
    let mut next = || {
        let rest = bytes.get(position..).unwrap_or(&[]);
        let pickle = Pickle::parse(rest).map_err(|error| pickle_error(file, error))?;
        position += pickle.length;
        Ok::<_, CheckpointError>((pickle, position))
    };
    // Magic number, protocol version, machine, weights, order of the storages.
    next()?;
    next()?;
    let (machine, _) = next()?;
    if matches!(machine.get(&machine.root, "little_endian"), Some(Value::Bool(false))) {
        let reason =
            "the weights were written on a big-endian machine; save them as safetensors there";
        return Err(CheckpointError::format(file.path(), reason));
    }
    let (pickle, _) = next()?;
    let (order, blocks_start) = next()?;
    let storages = legacy_storages(file, &pickle, &order, blocks_start as u64)?;
    let found =
        state_dict::collect(&pickle, weight_set).map_err(|found| no_tensors(file, found))?;
    into_torch_file(file, source, ContainerKind::TorchLegacy, found, |storage| {
        Ok(storages.get(&*storage.key).copied())
    })
}

/// The blocks follow the pickles: for each key a count of 8 bytes, then the values.
fn legacy_storages(
    file: &SourceFile,
    pickle: &Pickle,
    order: &Pickle,
    mut position: u64,
) -> Result<HashMap<String, Stored>, CheckpointError> {
    let damaged = || {
        CheckpointError::format(
            file.path(),
            "the blocks of weights are damaged; download the file again",
        )
    };
    let sizes: HashMap<&str, Option<u64>> = pickle
        .nodes
        .iter()
        .filter_map(|node| match node {
            Node::Storage(storage) => Some((&*storage.key, block_size(&storage.dtype))),
            _ => None,
        })
        .collect();
    let Some(Node::List(keys)) = order.node(&order.root) else { return Err(damaged()) };
    let mut storages = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else { return Err(damaged()) };
        // The length of a block of unknown type is unknown, and so is where the next begins.
        let size = sizes.get(&**key).copied().flatten().ok_or_else(damaged)?;
        let mut count = [0; 8];
        file.read_at(position, &mut count)?;
        let length = u64::from_le_bytes(count).checked_mul(size).ok_or_else(damaged)?;
        let start = position + 8;
        position =
            start.checked_add(length).filter(|&end| end <= file.length()).ok_or_else(damaged)?;
        storages.insert(key.to_string(), Stored::Plain { start, length });
    }
    Ok(storages)
}

/// Bytes of a value in a block, of types that cannot be read as well.
fn block_size(dtype: &ElementType) -> Option<u64> {
    let ElementType::Other(name) = dtype else { return dtype.size() };
    match name.as_str() {
        "Bool" | "Char" | "QInt8" | "QUInt8" => Some(1),
        "Short" => Some(2),
        "QInt32" => Some(4),
        "ComplexFloat" => Some(8),
        "ComplexDouble" => Some(16),
        _ => None,
    }
}

fn into_torch_file(
    file: &SourceFile,
    source: usize,
    kind: ContainerKind,
    found: StateDict,
    place: impl Fn(&Storage) -> Result<Option<Stored>, CheckpointError>,
) -> Result<TorchFile, CheckpointError> {
    let mut entries = Vec::with_capacity(found.tensors.len());
    for (name, tensor) in found.tensors {
        let Some(stored) = place(&tensor.storage)? else {
            let reason = format!(
                "the numbers of {name} (block {}) are missing; the file is incomplete, download it again",
                tensor.storage.key
            );
            return Err(CheckpointError::format(file.path(), reason));
        };
        check_length(file, &name, &tensor, stored)?;
        let strides = if tensor.is_contiguous() { None } else { Some(tensor.strides) };
        entries.push(TensorEntry {
            name,
            shape: tensor.shape,
            dtype: tensor.storage.dtype,
            place: TensorPlace { source, stored, offset: tensor.offset, strides },
        });
    }
    let unknown = found.unknown.iter().map(|(name, called)| (name.clone(), readable(called)));
    Ok(TorchFile {
        kind,
        entries,
        unknown: unknown.collect(),
        weight_set: found.weight_set,
        alternatives: found.alternatives,
    })
}

fn check_length(
    file: &SourceFile,
    name: &str,
    tensor: &TensorRef,
    stored: Stored,
) -> Result<(), CheckpointError> {
    // Of a type that cannot be read, the tensor is only listed.
    let Some(size) = tensor.storage.dtype.size() else { return Ok(()) };
    let claimed = tensor.storage.count.checked_mul(size);
    if claimed.is_some_and(|claimed| claimed <= stored.length()) {
        return Ok(());
    }
    let reason = format!(
        "{name} claims {} values of {} where {} bytes are stored; the file is damaged, download it again",
        tensor.storage.count,
        tensor.storage.dtype,
        stored.length()
    );
    Err(CheckpointError::format(file.path(), reason))
}

/// A whole block of at most `limit` bytes.
fn block(file: &SourceFile, stored: Stored, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    if stored.length() > limit {
        let reason =
            format!("a part of the archive has {} bytes, more than {limit}", stored.length());
        return Err(CheckpointError::format(file.path(), format!("{reason}; get another copy")));
    }
    match stored {
        Stored::Plain { start, length } => file.bytes(start, length),
        Stored::Deflated { start, compressed, length } => {
            zip_directory::inflate(file, start, compressed, length)
        }
    }
}

fn no_tensors(file: &SourceFile, why: NoWeights) -> CheckpointError {
    let path = file.path().to_path_buf();
    match why {
        NoWeights::Instead(found) => CheckpointError::NoTensors { found, path },
        NoWeights::NoEntry(reason) => CheckpointError::Format { reason, path },
        NoWeights::Unknown(called) => CheckpointError::Unsafe { callable: readable(&called), path },
    }
}

fn pickle_error(file: &SourceFile, error: PickleError) -> CheckpointError {
    match error {
        PickleError::Call(callable) => {
            CheckpointError::Unsafe { callable, path: file.path().to_path_buf() }
        }
        PickleError::Form(reason) => {
            let reason =
                format!("the list of tensors is not usable: {reason}; download the file again");
            CheckpointError::format(file.path(), reason)
        }
    }
}
