//! Headers of safetensors files: 8 bytes of header length, a JSON object of names, types, shapes and
//! byte ranges, then the data. The ranges have to cover the data exactly once; the format's own
//! description demands it, and it leaves nothing for two readers to disagree about.

use crate::checkpoint::entry::{ElementType, Stored, TensorEntry, TensorPlace, checked_elements};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::source::SourceFile;
use serde::Deserialize;
use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Longest header that is read; a model with a million tensors stays below it.
const MAX_HEADER: u64 = 100 << 20;

/// Whether a file of `length` bytes that begins with `start` has a header that lies within it.
pub(crate) fn looks_whole(start: &[u8], length: u64) -> bool {
    begins_header(start) && claimed(start).is_some_and(|header| fits(header, length))
}

/// Whether the file begins like a safetensors file: where the header begins there is one, or the length
/// before it is as long as headers are.
pub(crate) fn looks_like(start: &[u8]) -> bool {
    begins_header(start) || claimed(start).is_some_and(|header| header <= MAX_HEADER)
}

fn begins_header(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{')
}

fn claimed(start: &[u8]) -> Option<u64> {
    start.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn fits(header: u64, length: u64) -> bool {
    header <= MAX_HEADER && length.checked_sub(8).is_some_and(|rest| header <= rest)
}

/// Why a header is refused, and whether another copy of the file can be better.
struct Fault {
    reason: String,
    advice: &'static str,
}

/// What is cut off or changed on the way.
const AGAIN: &str = "download the file again";
/// What whoever wrote the file did wrong.
const REWRITE: &str = "save the weights again, or get the file from its authors";

impl Fault {
    fn damaged(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), advice: AGAIN }
    }

    fn written(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), advice: REWRITE }
    }
}

/// Reads the header of `file`, which is number `source` of its container.
///
/// # Errors
/// Any deviation from the format, named.
pub(crate) fn entries(
    file: &SourceFile,
    source: usize,
) -> Result<Vec<TensorEntry>, CheckpointError> {
    let wrong = |Fault { reason, advice }| {
        let reason = format!("the safetensors header is not usable: {reason}; {advice}");
        CheckpointError::format(file.path(), reason)
    };
    if file.length() < 8 {
        return Err(wrong(Fault::damaged("the file is shorter than 8 bytes")));
    }
    let mut length = [0; 8];
    file.read_at(0, &mut length)?;
    let length = u64::from_le_bytes(length);
    if !fits(length, file.length()) {
        let reason = format!("it claims {length} bytes of {}", file.length());
        return Err(wrong(Fault::damaged(reason)));
    }
    let header = file.bytes(8, length)?;
    let header =
        std::str::from_utf8(&header).map_err(|_| wrong(Fault::damaged("it is not UTF-8")))?;
    let header = Header::parse(header).map_err(|error| {
        // A header that is JSON was written as it is.
        let fault = if error.is_data() { Fault::written } else { Fault::damaged };
        wrong(fault(error.to_string()))
    })?;
    let data = 8 + length;
    header.into_entries(source, data, file.length() - data).map_err(wrong)
}

/// The fields of one tensor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// Tensors in the order of the header. serde's maps keep the last of two equal keys without a word,
/// hence the visitor.
struct Header(Vec<(String, Fields)>);

impl Header {
    fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let header = deserializer.deserialize_map(HeaderVisitor)?;
        deserializer.end()?;
        Ok(header)
    }

    fn into_entries(
        mut self,
        source: usize,
        data: u64,
        data_length: u64,
    ) -> Result<Vec<TensorEntry>, Fault> {
        self.0.sort_by_key(|(_, fields)| fields.data_offsets);
        let mut next = 0;
        let mut entries = Vec::with_capacity(self.0.len());
        for (name, Fields { dtype, shape, data_offsets: (start, end) }) in self.0 {
            let dtype = element_type(dtype);
            let elements = checked_elements(&shape)
                .map_err(|error| Fault::written(format!("{name}: {error}")))?;
            if start != next {
                let what = if start < next { "overlap" } else { "leave a hole before" };
                let reason = format!("the bytes {start}..{end} of {name} {what} its neighbour's");
                return Err(Fault::written(reason));
            }
            let length =
                end.checked_sub(start).filter(|_| end <= data_length).ok_or_else(|| {
                    let claim = format!("{name} claims the bytes {start}..{end} of {data_length}");
                    Fault::damaged(format!("{claim}, so the file is truncated"))
                })?;
            if let Some(size) = dtype.size()
                && elements.checked_mul(size) != Some(length)
            {
                let reason = format!("{name} {shape:?} of {dtype} does not take {length} bytes");
                return Err(Fault::written(reason));
            }
            let stored = Stored::Plain { start: data + start, length };
            let place = TensorPlace { source, stored, offset: 0, strides: None };
            entries.push(TensorEntry { name, shape, dtype, place });
            next = end;
        }
        if next != data_length {
            let more = data_length - next;
            let reason = format!("{more} bytes after the last tensor belong to none");
            return Err(Fault::damaged(reason));
        }
        Ok(entries)
    }
}

fn element_type(name: String) -> ElementType {
    match name.as_str() {
        "F64" => ElementType::F64,
        "F32" => ElementType::F32,
        "F16" => ElementType::F16,
        "BF16" => ElementType::Bf16,
        "I64" => ElementType::I64,
        "I32" => ElementType::I32,
        "U8" => ElementType::U8,
        _ => ElementType::Other(name),
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut names = HashSet::new();
        let mut tensors = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format!("{name} stands twice")));
            }
            if name == "__metadata__" {
                // Remarks of whoever wrote the file. The format asks for texts; numbers harm nobody.
                map.next_value::<IgnoredAny>()?;
            } else {
                tensors.push((name, map.next_value()?));
            }
        }
        Ok(Header(tensors))
    }
}
