//! The names of the fields that a type reads from JSON, asked of its own deserializer: a list beside the
//! type would go stale.

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// Names of the fields of `T`, none if it is no struct.
pub(crate) fn of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // Always an error: a value is not wanted.
    drop(T::deserialize(Asked(&mut fields)));
    fields
}

/// Notes the fields that are asked for, and gives none.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(Self::Error::custom("only the names are wanted"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only the names are asked for")]
    struct Sizes {
        width: usize,
        #[serde(rename = "depth")]
        layers: Option<usize>,
    }

    #[derive(Deserialize)]
    #[serde(try_from = "Sizes")]
    struct Checked;

    impl TryFrom<Sizes> for Checked {
        type Error = String;

        fn try_from(_: Sizes) -> Result<Self, String> {
            Ok(Self)
        }
    }

    #[test]
    fn names_are_those_of_the_json() {
        assert_eq!(of::<Sizes>(), ["width", "depth"]);
        assert_eq!(of::<Checked>(), ["width", "depth"]);
        assert!(of::<Vec<usize>>().is_empty());
    }
}
