//! What can be set for a run ([`RunSettings`]: what all lanes share, and the list of lanes; editable,
//! possibly wrong) and what a run is made from ([`RunSpec`]: complete lanes, validated, immutable).
//! Window and command line build both the same way.

mod lane;
mod run;
mod spec;
mod validate;
mod version_0_1;

pub use lane::LaneSettings;
pub use run::RunSettings;
pub use spec::{LaneSpec, RunSpec};
pub use validate::{Field, FieldError};
