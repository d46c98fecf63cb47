//! What rows of the table of settings are made with.

use crate::engine::settings::key::SettingKey;
use crate::engine::settings::setting::{Argument, DefaultFrom, Kind, NumberRange, Setting};

/// A kind whose value stands at one place of the lane's settings.
macro_rules! at {
    ($kind:ident { $($more:tt)* } $($place:ident).+) => {
        Kind::$kind {
            $($more)*
            get: |lane| lane.$($place).+,
            set: |lane, value| lane.$($place).+ = value,
        }
    };
}

/// A choice that stands at one place of the lane's settings.
macro_rules! choice_at {
    ($($place:ident).+, [$($key:literal: $label:literal),* $(,)?]) => {
        Kind::Choice {
            options: &[$(Choice { key: $key, label: $label }),*],
            get: |lane| lane.$($place).+.into(),
            set: |lane, key| {
                if let Ok(value) = key.parse() {
                    lane.$($place).+ = value;
                }
            },
        }
    };
}

/// Any number from 0.
pub(super) const ANY: NumberRange = NumberRange {
    low: 0.0,
    above: false,
    high: f32::INFINITY,
    neutral: "",
    slider: (0.0, 10.0),
    decimals: 2,
};

/// What rows have in common.
pub(super) const ROW: Setting = Setting {
    key: SettingKey::Prompt,
    argument: Argument::Value,
    label: "",
    short: "",
    noun: "",
    unit: "",
    default: DefaultFrom::Program,
    does: "",
    term: "",
    kind: at!(Switch {} delta_context),
};

pub(super) use {at, choice_at};
