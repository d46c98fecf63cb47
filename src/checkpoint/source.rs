//! An open weight file: positioned reads that notice when another program writes to it.
//!
//! Files are read, not mapped. A mapped file that shrinks kills the process with a signal; a read
//! returns an error that can be shown.

use crate::checkpoint::error::CheckpointError;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// An open file, or one inside the binary.
#[derive(Debug)]
pub(crate) struct SourceFile {
    path: PathBuf,
    length: u64,
    data: Data,
}

#[derive(Debug)]
enum Data {
    /// With the time of change it had when it was opened. The handle stays open, so a file that is
    /// deleted or replaced meanwhile is still read whole.
    Disk {
        file: Mutex<File>,
        modified: Option<SystemTime>,
    },
    Embedded(&'static [u8]),
    /// Several files, read as one. They may be too many to be held open.
    Joined(Vec<Part>),
}

/// A file among several.
#[derive(Debug)]
struct Part {
    path: PathBuf,
    start: u64,
    length: u64,
    modified: Option<SystemTime>,
}

impl SourceFile {
    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// The system refuses, or the path is a folder, a device or a pipe, or the file is empty.
    pub(crate) fn open(path: &Path) -> Result<Self, CheckpointError> {
        let read = |cause| CheckpointError::read(path, cause);
        // Asked before opening: opening a pipe would wait for a writer.
        let metadata = std::fs::metadata(path).map_err(read)?;
        if !metadata.is_file() {
            return Err(CheckpointError::format(path, "this is not a file; choose a weight file"));
        }
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if metadata.len() == 0 {
            return Err(CheckpointError::format(path, "the file is empty; download it again"));
        }
        Ok(Self {
            path: path.to_path_buf(),
            length: metadata.len(),
            data: Data::Disk { modified: metadata.modified().ok(), file: Mutex::new(file) },
        })
    }

    /// The files of a folder one after the other, with the start and the length of each.
    ///
    /// # Errors
    /// The system refuses, or one is no regular file.
    pub(crate) fn joined(
        folder: &Path,
        paths: Vec<PathBuf>,
    ) -> Result<(Self, Vec<(u64, u64)>), CheckpointError> {
        let (mut parts, mut end) = (Vec::with_capacity(paths.len()), 0u64);
        for path in paths {
            let metadata =
                std::fs::metadata(&path).map_err(|cause| CheckpointError::read(&path, cause))?;
            let (start, length) = (end, metadata.len());
            end = start.checked_add(length).filter(|_| metadata.is_file()).ok_or_else(|| {
                CheckpointError::format(&path, "this is not a file; unpack the archive again")
            })?;
            parts.push(Part { path, start, length, modified: metadata.modified().ok() });
        }
        let places = parts.iter().map(|part| (part.start, part.length)).collect();
        let path = folder.to_path_buf();
        Ok((Self { path, length: end, data: Data::Joined(parts) }, places))
    }

    /// A file inside the binary; `name` is what errors call it.
    pub(crate) fn embedded(name: &str, bytes: &'static [u8]) -> Self {
        Self { path: PathBuf::from(name), length: bytes.len() as u64, data: Data::Embedded(bytes) }
    }

    /// Where it was opened.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes it had when it was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// The range lies beyond the end, the file changed since it was opened, or the system refuses.
    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), CheckpointError> {
        let end = offset.checked_add(buffer.len() as u64).filter(|&end| end <= self.length);
        let Some(end) = end else {
            let reason = "the file ends before its contents do; it is truncated, download it again";
            return Err(CheckpointError::format(&self.path, reason));
        };
        match &self.data {
            Data::Disk { file, modified } => self.read_disk(file, *modified, offset, buffer),
            Data::Embedded(bytes) => {
                // Within the length, which is that of the bytes in memory.
                buffer
                    .copy_from_slice(bytes.get(offset as usize..end as usize).unwrap_or_default());
                Ok(())
            }
            Data::Joined(parts) => read_parts(parts, offset, buffer),
        }
    }

    fn read_disk(
        &self,
        file: &Mutex<File>,
        modified: Option<SystemTime>,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), CheckpointError> {
        // A thread that panicked while holding the lock leaves only a position, which is set here anyway.
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        read_unchanged(&mut file, &self.path, (self.length, modified), offset, buffer)
    }

    /// The bytes `offset..offset + length` in memory of their own.
    ///
    /// # Errors
    /// Those of [`SourceFile::read_at`], and memory that is not there.
    pub(crate) fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, CheckpointError> {
        if length > self.length {
            let reason = "the file claims more bytes than it has; it is damaged, download it again";
            return Err(CheckpointError::format(&self.path, reason));
        }
        let mut buffer = reserve(&self.path, length)?;
        buffer.resize(length as usize, 0);
        self.read_at(offset, &mut buffer)?;
        Ok(buffer)
    }
}

/// Fills `buffer` from a file that has to be as long and as old as when it was opened.
fn read_unchanged(
    file: &mut File,
    path: &Path,
    opened: (u64, Option<SystemTime>),
    offset: u64,
    buffer: &mut [u8],
) -> Result<(), CheckpointError> {
    let read = |cause| CheckpointError::read(path, cause);
    let outcome = file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(buffer));
    let metadata = file.metadata().map_err(read)?;
    if (metadata.len(), metadata.modified().ok()) != opened {
        return Err(CheckpointError::Changed { path: path.to_path_buf() });
    }
    outcome.map_err(read)
}

/// Fills `buffer` from the files that lie at `offset` and behind it.
fn read_parts(parts: &[Part], offset: u64, buffer: &mut [u8]) -> Result<(), CheckpointError> {
    let (mut offset, mut rest) = (offset, buffer);
    let first = parts.partition_point(|part| part.start + part.length <= offset);
    for part in parts.iter().skip(first) {
        if rest.is_empty() {
            break;
        }
        let within = offset - part.start;
        let count = (part.length - within).min(rest.len() as u64);
        let (now, later) = std::mem::take(&mut rest).split_at_mut(count as usize);
        let read = |cause| CheckpointError::read(&part.path, cause);
        let mut file = File::open(&part.path).map_err(read)?;
        read_unchanged(&mut file, &part.path, (part.length, part.modified), within, now)?;
        (offset, rest) = (offset + count, later);
    }
    Ok(())
}

/// An empty vector with room for `count` values, or an error instead of an abort.
///
/// # Errors
/// The memory is not there.
pub(crate) fn reserve<T>(path: &Path, count: u64) -> Result<Vec<T>, CheckpointError> {
    let mut vector = Vec::new();
    let fits = usize::try_from(count).is_ok_and(|count| vector.try_reserve_exact(count).is_ok());
    if fits {
        return Ok(vector);
    }
    Err(CheckpointError::Memory(format!(
        "there is no memory for {} bytes; close other programs or choose a smaller precision: {}",
        count.saturating_mul(size_of::<T>() as u64),
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedded_file_is_read_within_its_bounds() {
        let file = SourceFile::embedded("a.safetensors", b"abcdef");
        assert_eq!(file.bytes(2, 3).unwrap(), b"cde");
        for (offset, length) in [(4, 3), (u64::MAX, 1), (0, 7)] {
            let message = file.bytes(offset, length).unwrap_err().to_string();
            assert!(message.ends_with("a.safetensors"), "{message}");
        }
    }

    #[test]
    fn files_one_after_the_other_are_read_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let texts = ["abc", "", "d", "efgh"];
        let paths: Vec<PathBuf> =
            (0..4).map(|index| folder.path().join(index.to_string())).collect();
        for (path, text) in paths.iter().zip(texts) {
            std::fs::write(path, text).unwrap();
        }
        let (file, places) = SourceFile::joined(folder.path(), paths.clone()).unwrap();
        assert_eq!(places, [(0, 3), (3, 0), (3, 1), (4, 4)]);
        for start in 0..=8 {
            for end in start..=8 {
                let bytes = file.bytes(start, end - start).unwrap();
                assert_eq!(bytes, b"abcdefgh"[start as usize..end as usize]);
            }
        }
        assert!(file.bytes(7, 2).is_err());
        std::fs::write(&paths[2], "dd").unwrap();
        assert!(matches!(file.bytes(2, 3), Err(CheckpointError::Changed { .. })));
        assert!(file.bytes(5, 3).is_ok());
    }
}
