//! Values of arguments that are one of a list of names.

use crate::compute::device_kind::DeviceKind;
use anyhow::{Result, anyhow};
use std::str::FromStr;
use strum::VariantArray;

/// The choice that a flag names, if it is given.
///
/// # Errors
/// No such choice; the message lists them.
pub(super) fn parse<T: FromStr + VariantArray + ToString>(
    flag: &str,
    value: Option<&str>,
) -> Result<Option<T>> {
    value.map(|value| parse_choice(flag, value)).transpose()
}

/// Where to decode; the CPU where nothing is named.
///
/// # Errors
/// No such device.
pub(super) fn device(value: Option<&str>) -> Result<DeviceKind> {
    Ok(parse("--device", value)?.unwrap_or_default())
}

/// The choice that `value` names; `what` is what there is to choose.
///
/// # Errors
/// No such choice; the message lists them.
pub(super) fn parse_choice<T: FromStr + VariantArray + ToString>(
    what: &str,
    value: &str,
) -> Result<T> {
    T::from_str(value).map_err(|_| {
        let choices: Vec<String> = T::VARIANTS.iter().map(ToString::to_string).collect();
        anyhow!("unknown {what} “{value}”; use one of {}", choices.join(", "))
    })
}
