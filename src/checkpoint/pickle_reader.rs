//! The bytes of a pickle, read from front to back. No length is believed before it is compared with what is
//! left.

use crate::checkpoint::pickle_value::{PickleError, Value};

/// The bytes and how far they are read.
#[derive(Default)]
pub(crate) struct PickleReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> PickleReader<'a> {
    /// Reads from the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes that were read.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The next bytes.
    ///
    /// # Errors
    /// So many are not left.
    pub(crate) fn take(&mut self, length: u64) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let Some(taken) = taken else {
            return PickleError::form(format!(
                "{length} bytes are claimed where {} are left",
                rest.len()
            ));
        };
        self.position += taken.len();
        Ok(taken)
    }

    /// The next byte.
    ///
    /// # Errors
    /// None is left.
    pub(crate) fn byte(&mut self) -> Result<u8, PickleError> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    /// Leaves bytes out.
    ///
    /// # Errors
    /// So many are not left.
    pub(crate) fn skip(&mut self, length: u64) -> Result<(), PickleError> {
        self.take(length).map(drop)
    }

    /// A little-endian unsigned number of 1 to 8 bytes.
    ///
    /// # Errors
    /// So many are not left.
    pub(crate) fn number(&mut self, bytes: u64) -> Result<u64, PickleError> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// A name up to the end of its line.
    ///
    /// # Errors
    /// It does not end or is not text.
    pub(crate) fn line(&mut self) -> Result<&'a str, PickleError> {
        let rest = self.bytes.get(self.position..).unwrap_or(&[]);
        let length = rest.iter().take(1024).position(|&byte| byte == b'\n');
        let line = length.and_then(|length| std::str::from_utf8(rest.get(..length)?).ok());
        let Some(line) = line else { return PickleError::form("a name does not end") };
        self.position += line.len() + 1;
        Ok(line)
    }

    /// A text of a stated number of bytes.
    ///
    /// # Errors
    /// So many are not left, or they are no text of Python.
    pub(crate) fn text(&mut self, length: u64) -> Result<Value, PickleError> {
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.into())),
            Err(_) if is_text_of_python(bytes) => Ok(Value::Opaque),
            Err(_) => PickleError::form("a text is not UTF-8"),
        }
    }
}

/// Whether bytes are UTF-8 but for halves of surrogate pairs, which texts of Python may hold: names of files
/// in no encoding.
fn is_text_of_python(mut bytes: &[u8]) -> bool {
    while let Err(error) = std::str::from_utf8(bytes) {
        match bytes.get(error.valid_up_to()..) {
            Some([0xed, 0xa0..=0xbf, 0x80..=0xbf, rest @ ..]) => bytes = rest,
            _ => return false,
        }
    }
    true
}
