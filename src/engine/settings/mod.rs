//! What can be set for a run ([`RunSettings`]: what all lanes share, and the list of lanes; editable,
//! possibly wrong) and what a run is made from ([`RunSpec`]: complete lanes, validated, immutable).
//! Window and command line build both the same way.
//!
//! A setting of a lane is described once, in the table [`SETTINGS`]: its key in files and on the command
//! line, its names, range and help, where it stands in [`LaneSettings`], how it is read and printed.

mod json;
mod key;
mod lane;
pub mod number;
mod row;
mod run;
mod setting;
mod spec;
mod table;
#[cfg(test)]
mod tests;
mod validate;
mod value;
mod version_0_1;

pub use key::SettingKey;
pub use lane::LaneSettings;
pub use run::RunSettings;
pub use setting::{Argument, Choice, DefaultFrom, Kind, NumberRange, Setting};
pub use spec::{LaneSpec, RunSpec};
pub use table::SETTINGS;
pub use validate::SettingError;
pub use value::{Value, ValueError};
