//! The directory of a zip archive, zip64 included: which member lies where.
//!
//! Only what PyTorch's archives need: the end record, the central directory, and the length of each
//! member's local header. Members are read by position, so they need no second copy in memory and
//! count towards the progress. Sizes are compared with the file before anything is reserved.

use crate::checkpoint::entry::Stored;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::source::SourceFile;
use flate2::read::DeflateDecoder;
use std::collections::HashMap;
use std::io::Read;

/// Largest central directory that is read; a file with a million members stays below it.
const MAX_DIRECTORY: u64 = 128 << 20;
/// How much larger than the file its unpacked members may be. Weights hardly shrink when deflated,
/// so more than this is a bomb.
const MAX_EXPANSION: u64 = 100;

#[derive(Debug, Clone, Copy)]
struct Member {
    header: u64,
    compressed: u64,
    length: u64,
    deflated: bool,
}

/// The members of an archive.
#[derive(Debug)]
pub(crate) struct ZipDirectory {
    members: HashMap<String, Member>,
}

impl ZipDirectory {
    /// Reads the directory of `file`.
    ///
    /// # Errors
    /// A truncated, damaged, encrypted or otherwise packed archive.
    pub(crate) fn read(file: &SourceFile) -> Result<Self, CheckpointError> {
        let (start, length) = Self::locate(file)?;
        if length > MAX_DIRECTORY {
            return Err(damaged(file, "its directory is larger than any model's"));
        }
        let directory = file.bytes(start, length)?;
        let mut fields = Fields { bytes: &directory };
        let mut members = HashMap::new();
        let mut unpacked = 0u64;
        while !fields.bytes.is_empty() {
            let (name, member) =
                fields.member().ok_or_else(|| damaged(file, "its directory is cut short"))?;
            let member = member.map_err(|reason| damaged(file, &reason))?;
            let end = member.header.checked_add(member.compressed);
            if end.is_none_or(|end| end > start) {
                return Err(damaged(file, &format!("member {name} lies beyond the end")));
            }
            if member.deflated {
                unpacked = unpacked.saturating_add(member.length);
            } else if member.length != member.compressed {
                return Err(damaged(file, &format!("member {name} has two lengths")));
            }
            if members.insert(name.clone(), member).is_some() {
                return Err(damaged(file, &format!("member {name} stands twice")));
            }
        }
        if unpacked > file.length().saturating_mul(MAX_EXPANSION) {
            let reason = format!(
                "the archive would unpack to {unpacked} bytes, over {MAX_EXPANSION} times its size, which weights \
                 never do; do not use this file"
            );
            return Err(CheckpointError::format(file.path(), reason));
        }
        Ok(Self { members })
    }

    /// Start and length of the central directory, from the end record.
    fn locate(file: &SourceFile) -> Result<(u64, u64), CheckpointError> {
        let tail_start = file.length().saturating_sub(22 + 65_535);
        let tail = file.bytes(tail_start, file.length() - tail_start)?;
        let end = (0..tail.len().saturating_sub(21))
            .rev()
            .find(|&at| tail.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x05\x06")))
            .ok_or_else(|| {
                damaged(file, "its end is missing, so the file is truncated or still being written")
            })?;
        let mut fields = Fields { bytes: tail.get(end + 12..).unwrap_or(&[]) };
        let cut = || damaged(file, "its end record is cut short");
        let length = fields.u32().ok_or_else(cut)?;
        let start = fields.u32().ok_or_else(cut)?;
        let (mut start, mut length) = (u64::from(start), u64::from(length));
        if let Some(locator) = end.checked_sub(20).and_then(|at| tail.get(at..end))
            && locator.starts_with(b"PK\x06\x07")
        {
            let mut fields = Fields { bytes: locator.get(8..).unwrap_or(&[]) };
            let record = file.bytes(fields.u64().ok_or_else(cut)?, 56)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Err(damaged(file, "its zip64 end record is missing"));
            }
            let mut fields = Fields { bytes: record.get(40..).unwrap_or(&[]) };
            (length, start) = (fields.u64().ok_or_else(cut)?, fields.u64().ok_or_else(cut)?);
        }
        match start.checked_add(length) {
            Some(end) if end <= file.length() => Ok((start, length)),
            _ => Err(damaged(file, "its directory lies beyond the end")),
        }
    }

    /// Names of all members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Where the contents of a member lie; `None` if there is none of this name.
    ///
    /// # Errors
    /// A damaged local header.
    pub(crate) fn stored(
        &self,
        file: &SourceFile,
        name: &str,
    ) -> Result<Option<Stored>, CheckpointError> {
        let Some(&member) = self.members.get(name) else { return Ok(None) };
        let header = file.bytes(member.header, 30)?;
        let mut fields = Fields { bytes: header.get(26..).unwrap_or(&[]) };
        let (Some(name_length), Some(extra_length), true) =
            (fields.u16(), fields.u16(), header.starts_with(b"PK\x03\x04"))
        else {
            return Err(damaged(file, &format!("member {name} has no header")));
        };
        let start = member.header + 30 + u64::from(name_length) + u64::from(extra_length);
        if start.checked_add(member.compressed).is_none_or(|end| end > file.length()) {
            return Err(damaged(file, &format!("member {name} lies beyond the end")));
        }
        Ok(Some(if member.deflated {
            Stored::Deflated { start, compressed: member.compressed, length: member.length }
        } else {
            Stored::Plain { start, length: member.length }
        }))
    }
}

/// Unpacks a deflated block, which has to give exactly `length` bytes.
///
/// # Errors
/// A block that gives fewer or more, or cannot be unpacked.
pub(crate) fn inflate(
    file: &SourceFile,
    start: u64,
    compressed: u64,
    length: u64,
) -> Result<Vec<u8>, CheckpointError> {
    let packed = file.bytes(start, compressed)?;
    let mut unpacked = crate::checkpoint::source::reserve(file.path(), length)?;
    let mut reader = DeflateDecoder::new(packed.as_slice()).take(length.saturating_add(1));
    let read = reader.read_to_end(&mut unpacked);
    if read.is_ok_and(|read| read as u64 == length) {
        return Ok(unpacked);
    }
    Err(damaged(file, "a packed member does not give the length it claims"))
}

fn damaged(file: &SourceFile, what: &str) -> CheckpointError {
    let reason = format!("the archive is damaged: {what}; download it again");
    CheckpointError::format(file.path(), reason)
}

/// Reads little-endian numbers off the front of a slice.
struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// One entry of the central directory; the inner error is a member that is not supported.
    fn member(&mut self) -> Option<(String, Result<Member, String>)> {
        if self.take(4)? != b"PK\x01\x02" {
            return None;
        }
        self.take(4)?;
        let (flags, method) = (self.u16()?, self.u16()?);
        self.take(8)?;
        let (mut compressed, mut length) = (u64::from(self.u32()?), u64::from(self.u32()?));
        let lengths = (self.u16()?, self.u16()?, self.u16()?);
        self.take(8)?;
        let mut header = u64::from(self.u32()?);
        let name = String::from_utf8_lossy(self.take(lengths.0.into())?).into_owned();
        let mut extra = Fields { bytes: self.take(lengths.1.into())? };
        self.take(lengths.2.into())?;
        while let (Some(id), Some(size)) = (extra.u16(), extra.u16()) {
            let Some(bytes) = extra.take(size.into()) else { break };
            if id == 1 {
                let mut wide = Fields { bytes };
                // Present only for the fields that do not fit 32 bits, in this order.
                for field in [&mut length, &mut compressed, &mut header] {
                    if *field == u64::from(u32::MAX) {
                        *field = wide.u64()?;
                    }
                }
            }
        }
        let member = match method {
            _ if flags & 1 == 1 => Err(format!("member {name} is encrypted")),
            0 => Ok(Member { header, compressed, length, deflated: false }),
            8 => Ok(Member { header, compressed, length, deflated: true }),
            other => Err(format!("member {name} is packed by method {other}")),
        };
        Some((name, member))
    }
}
