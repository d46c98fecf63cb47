//! Settings of a lane in files: one value a key, as the table has them.

use crate::engine::settings::key::SettingKey;
use crate::engine::settings::lane::LaneSettings;
use crate::engine::settings::table::SETTINGS;
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

impl Serialize for LaneSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for setting in &SETTINGS {
            if let Some(value) = setting.get(self) {
                map.serialize_entry::<str, _>(setting.key.into(), &value)?;
            }
        }
        map.end()
    }
}

/// What is absent has its default; keys of other versions are passed over.
impl<'de> Deserialize<'de> for LaneSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SettingsVisitor)
    }
}

struct SettingsVisitor;

impl<'de> Visitor<'de> for SettingsVisitor {
    type Value = LaneSettings;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("the settings of a lane")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut lane = LaneSettings::default();
        while let Some(key) = map.next_key::<String>()? {
            let value: serde_json::Value = map.next_value()?;
            if let Ok(key) = key.parse::<SettingKey>() {
                key.setting().set_json(&mut lane, &value).map_err(|error| {
                    A::Error::custom(format_args!("{}: {error}", key.setting().noun))
                })?;
            }
        }
        Ok(lane)
    }
}
