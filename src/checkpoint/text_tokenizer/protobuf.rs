//! The fields of a protocol buffer, one after the other: numbers, and slices of the message itself.

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    /// A whole number or a switch.
    Number(u64),
    /// A float, or another number of 4 bytes.
    Four([u8; 4]),
    /// A number of 8 bytes.
    Eight([u8; 8]),
    /// Text, bytes or a message within.
    Bytes(&'a [u8]),
}

impl Field<'_> {
    /// The value of a float.
    pub(super) fn float(self) -> Option<f32> {
        if let Self::Four(bytes) = self { Some(f32::from_le_bytes(bytes)) } else { None }
    }
}

/// The numbers and values of a message's fields, as far as it is well formed; then one `None` if it
/// is cut short.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Those of a message.
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A number in groups of 7 bits, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Eight(self.take(8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Four(self.take(4)?.try_into().ok()?),
            // Groups are of an older time and stand in no such file.
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Field<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_of_every_kind_are_read() {
        let message = b"\x08\x96\x01\x15\0\0\x80\x3f\x1a\x02hi\xa1\x01\x01\0\0\0\0\0\0\0";
        let fields: Vec<_> = Fields::of(message).map(Option::unwrap).collect();
        let expected = [
            (1, Field::Number(150)),
            (2, Field::Four(1f32.to_le_bytes())),
            (3, Field::Bytes(b"hi")),
            (20, Field::Eight(1u64.to_le_bytes())),
        ];
        assert_eq!(fields, expected);
        assert_eq!(fields[1].1.float(), Some(1.0));
    }

    #[test]
    fn what_is_cut_short_ends_with_none() {
        for message in [&b"\x1a\x05hi"[..], b"\x08", b"\x15\0", b"\x0b", &[0xff; 12]] {
            let fields: Vec<_> = Fields::of(message).collect();
            assert_eq!(fields, [None], "{message:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(message: Vec<u8>) {
            prop_assert!(Fields::of(&message).count() <= message.len());
        }
    }
}
