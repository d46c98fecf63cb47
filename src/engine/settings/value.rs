//! Values of settings as they stand in texts and files, whatever their type.

use serde::Serialize;
use std::fmt;
use thiserror::Error;

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A real number.
    Number(f32),
    /// A whole number.
    Whole(u64),
    /// A count, or off.
    Count(Option<usize>),
    /// On or off.
    Switch(bool),
    /// The key of one of several options.
    Choice(&'static str),
    /// A text, or the model's own.
    Text(Option<String>),
}

/// How a count that is off, and a text that is the model's own, are written.
pub(super) const OFF: &str = "off";

impl fmt::Display for Value {
    /// As [`super::setting::Setting::parse`] reads it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => value.fmt(formatter),
            Self::Whole(value) => value.fmt(formatter),
            Self::Count(Some(value)) => value.fmt(formatter),
            Self::Count(None) | Self::Text(None) => OFF.fmt(formatter),
            Self::Switch(on) => (if *on { "on" } else { OFF }).fmt(formatter),
            Self::Choice(key) => key.fmt(formatter),
            Self::Text(Some(text)) => text.fmt(formatter),
        }
    }
}

/// A text that is no value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{fault}; use {allowed}", quoted(text))]
pub struct ValueError {
    /// What was written.
    pub text: String,
    /// What is wrong with it; follows the text.
    pub fault: String,
    /// What can be.
    pub allowed: String,
}

/// A text in quotation marks before what is wrong with it; nothing for an empty one.
fn quoted(text: &str) -> String {
    if text.trim().is_empty() { String::new() } else { format!("“{text}” ") }
}
