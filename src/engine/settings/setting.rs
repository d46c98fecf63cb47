//! What one setting is: its names, its range, how it is read, written, parsed and printed.

use crate::engine::settings::key::SettingKey;
use crate::engine::settings::lane::LaneSettings;
use crate::engine::settings::number;
use crate::engine::settings::number::NumberError;
use crate::engine::settings::value::{OFF, Value, ValueError};
use std::ops::RangeInclusive;

/// Numbers that classes have.
const CLASSES: RangeInclusive<usize> = 0..=u32::MAX as usize;

/// One row of the table of settings.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its key.
    pub key: SettingKey,
    /// How the command line sets it.
    pub argument: Argument,
    /// Name in the panel.
    pub label: &'static str,
    /// Name where there is little room.
    pub short: &'static str,
    /// Name within a sentence, with its article.
    pub noun: &'static str,
    /// What it counts or measures; empty where it is a bare number.
    pub unit: &'static str,
    /// Who decides what it is unless it is set.
    pub default: DefaultFrom,
    /// What it does, one sentence or two.
    pub does: &'static str,
    /// The paper's term and equation; empty where there is none.
    pub term: &'static str,
    /// Its type, and where it stands.
    pub kind: Kind,
}

/// How the command line sets a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// Not at all, or by arguments that need the model to be understood.
    None,
    /// `--key value`.
    Value,
    /// A flag of this name, which sets a switch so.
    Flag(&'static str, bool),
}

/// Where a default comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultFrom {
    /// The program: the same for all models.
    Program,
    /// What the model's authors sample with.
    Authors,
}

/// Numbers that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberRange {
    /// Smallest, or what all are larger than.
    pub low: f32,
    /// Whether `low` itself is too small.
    pub above: bool,
    /// Largest; infinite where there is none.
    pub high: f32,
    /// What one of them means, to be added to a message; may be empty.
    pub neutral: &'static str,
    /// What a slider covers.
    pub slider: (f32, f32),
    /// Digits after the point.
    pub decimals: usize,
}

/// One of several options: its key in files, and its label in the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Key.
    pub key: &'static str,
    /// Label.
    pub label: &'static str,
}

/// Reads a setting of a lane.
pub(super) type Get<T> = fn(&LaneSettings) -> T;
/// Writes it.
pub(super) type Set<T> = fn(&mut LaneSettings, T);

/// Type of a setting and its place in [`LaneSettings`].
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A real number.
    Number {
        /// Where it may lie.
        range: NumberRange,
        /// Reads it.
        get: Get<f32>,
        /// Writes it.
        set: Set<f32>,
    },
    /// Any whole number.
    Whole {
        /// Reads it.
        get: Get<u64>,
        /// Writes it.
        set: Set<u64>,
    },
    /// A count, which may be off.
    Count {
        /// Reads it.
        get: Get<Option<usize>>,
        /// Writes it.
        set: Set<Option<usize>>,
    },
    /// On or off.
    Switch {
        /// Reads it.
        get: Get<bool>,
        /// Writes it.
        set: Set<bool>,
    },
    /// One of several; `set` leaves things as they are where a key is none of them.
    Choice {
        /// What can be chosen.
        options: &'static [Choice],
        /// Reads it.
        get: Get<&'static str>,
        /// Writes it.
        set: Set<&'static str>,
    },
    /// A text; `get` gives nothing where the lane draws a class.
    Text {
        /// Reads it.
        get: Get<Option<Option<String>>>,
        /// Writes it.
        set: Set<Option<String>>,
    },
    /// Number of a class; `get` gives nothing where the lane draws a prompt.
    Class {
        /// Reads it.
        get: Get<Option<u32>>,
        /// Writes it.
        set: Set<u32>,
    },
}

impl NumberRange {
    /// Whether a number lies within; what is no number does not.
    pub fn contains(&self, value: f32) -> bool {
        let enough = if self.above { value > self.low } else { value >= self.low };
        value.is_finite() && enough && value <= self.high
    }

    /// "0 or more", "above 0 and up to 1".
    pub fn words(&self) -> String {
        let Self { low, above, high, .. } = self;
        match (above, high.is_finite()) {
            (false, false) => format!("{low} or more"),
            (true, false) => format!("above {low}"),
            (false, true) => format!("from {low} to {high}"),
            (true, true) => format!("above {low} and up to {high}"),
        }
    }

    /// What a slider covers.
    pub fn slider(&self) -> RangeInclusive<f32> {
        self.slider.0..=self.slider.1
    }

    /// What to use instead of what is not within.
    fn advice(&self) -> String {
        let a_number = if self.above || self.high.is_finite() { "a number" } else { "a number of" };
        let neutral =
            if self.neutral.is_empty() { String::new() } else { format!("; {}", self.neutral) };
        format!("{a_number} {}{neutral}", self.words())
    }
}

impl Setting {
    /// Its value in a lane; nothing for a prompt where a class is drawn, and the other way round.
    pub fn get(&self, lane: &LaneSettings) -> Option<Value> {
        Some(match self.kind {
            Kind::Number { get, .. } => Value::Number(get(lane)),
            Kind::Whole { get, .. } => Value::Whole(get(lane)),
            Kind::Count { get, .. } => Value::Count(get(lane)),
            Kind::Switch { get, .. } => Value::Switch(get(lane)),
            Kind::Choice { get, .. } => Value::Choice(get(lane)),
            Kind::Text { get, .. } => Value::Text(get(lane)?),
            Kind::Class { get, .. } => Value::Whole(get(lane)?.into()),
        })
    }

    /// Sets it in a lane. Values out of range can be set; a check of the lane names them.
    ///
    /// # Errors
    /// A value of another type.
    pub fn set(&self, lane: &mut LaneSettings, value: Value) -> Result<(), ValueError> {
        match (self.kind, value) {
            (Kind::Number { set, .. }, Value::Number(value)) => set(lane, value),
            (Kind::Whole { set, .. }, Value::Whole(value)) => set(lane, value),
            (Kind::Count { set, .. }, Value::Count(value)) => set(lane, value),
            (Kind::Switch { set, .. }, Value::Switch(on)) => set(lane, on),
            (Kind::Choice { set, .. }, Value::Choice(key)) => set(lane, key),
            (Kind::Text { set, .. }, Value::Text(text)) => set(lane, text),
            (Kind::Class { set, .. }, Value::Whole(id)) => {
                set(lane, u32::try_from(id).map_err(|_| self.unreadable(&id.to_string()))?);
            }
            (_, value) => return Err(self.unreadable(&value.to_string())),
        }
        Ok(())
    }

    /// Reads a text, as a command line, a list of an axis, or a field has it.
    ///
    /// # Errors
    /// A text that is no value of this setting; the message lists what is.
    pub fn parse(&self, text: &str) -> Result<Value, ValueError> {
        let trimmed = text.trim();
        let unreadable = || self.unreadable(text);
        let no_number = |error: NumberError| self.wrong(text, error.to_string());
        Ok(match self.kind {
            Kind::Number { .. } => Value::Number(number::real(text).map_err(no_number)?),
            Kind::Whole { .. } => Value::Whole(number::whole(text).map_err(no_number)?),
            Kind::Class { .. } => {
                Value::Whole(number::count(text, &CLASSES).map_err(no_number)? as u64)
            }
            Kind::Count { .. } if trimmed == OFF => Value::Count(None),
            Kind::Count { .. } => {
                Value::Count(Some(number::count(text, &(0..=usize::MAX)).map_err(no_number)?))
            }
            Kind::Switch { .. } => match trimmed {
                "on" | "true" => Value::Switch(true),
                OFF | "false" => Value::Switch(false),
                _ => return Err(unreadable()),
            },
            Kind::Choice { options, .. } => {
                let option = options.iter().find(|option| option.key == trimmed);
                Value::Choice(option.ok_or_else(unreadable)?.key)
            }
            Kind::Text { .. } => Value::Text(Some(text.to_owned())),
        })
    }

    /// Sets it as a file has it. JSON has no NaN: a number that is none is written as null, and leaves
    /// the lane as it was.
    ///
    /// # Errors
    /// A value of another type.
    pub(super) fn set_json(
        &self,
        lane: &mut LaneSettings,
        json: &serde_json::Value,
    ) -> Result<(), ValueError> {
        use serde_json::Value as Json;
        let value = match (self.kind, json) {
            (Kind::Number { .. }, Json::Null) => return Ok(()),
            (Kind::Number { .. }, Json::Number(number)) => {
                number.as_f64().map(|number| Value::Number(number as f32))
            }
            (Kind::Whole { .. } | Kind::Class { .. }, Json::Number(number)) => {
                number.as_u64().map(Value::Whole)
            }
            (Kind::Count { .. }, Json::Null) => Some(Value::Count(None)),
            (Kind::Count { .. }, Json::Number(number)) => {
                let count = number.as_u64().and_then(|count| usize::try_from(count).ok());
                count.map(|count| Value::Count(Some(count)))
            }
            (Kind::Switch { .. }, Json::Bool(on)) => Some(Value::Switch(*on)),
            (Kind::Choice { .. }, Json::String(key)) => Some(self.parse(key)?),
            (Kind::Text { .. }, Json::Null) => Some(Value::Text(None)),
            (Kind::Text { .. }, Json::String(text)) => Some(Value::Text(Some(text.clone()))),
            _ => None,
        };
        self.set(lane, value.ok_or_else(|| self.unreadable(&json.to_string()))?)
    }

    /// What is wrong with a value, whatever the model; `None` for nothing.
    pub fn problem(&self, lane: &LaneSettings) -> Option<String> {
        let Kind::Number { range, get, .. } = self.kind else { return None };
        let value = get(lane);
        (!range.contains(value))
            .then(|| format!("{} is {value}. Use {}.", capitalized(self.noun), range.advice()))
    }

    /// What can be written for it: "a number of 0 or more", "one of paper, released-code".
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Number { range, .. } => range.advice(),
            Kind::Whole { .. } => "a whole number of 0 or more".into(),
            Kind::Class { .. } => "the number of a class".into(),
            Kind::Count { .. } => format!("a whole number of {}, or {OFF}", self.unit),
            Kind::Switch { .. } => format!("on or {OFF}"),
            Kind::Choice { options, .. } => {
                let keys: Vec<&str> = options.iter().map(|option| option.key).collect();
                format!("one of {}", keys.join(", "))
            }
            Kind::Text { .. } => "a text".into(),
        }
    }

    fn unreadable(&self, text: &str) -> ValueError {
        self.wrong(text, "cannot be read".into())
    }

    fn wrong(&self, text: &str, fault: String) -> ValueError {
        ValueError { text: text.to_owned(), fault, allowed: self.allowed() }
    }
}

fn capitalized(noun: &str) -> String {
    let mut letters = noun.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}
