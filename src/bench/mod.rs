//! How fast a decoder decodes, against how fast this machine reads memory: the measurements of
//! `cargo bench --bench decode` and of the `bench` subcommand.
//!
//! Variants that are compared run in turn, round after round, in another order each round. Before
//! each step a buffer larger than the caches is read and timed: it measures the roof at the same
//! moment, and drives out what the variant before has left in the last-level cache. Ratios are
//! medians of the ratios within a round. A share above 1 means that the roof was measured too low;
//! the table says so, and such a share proves nothing.

mod case;
mod measure;
mod model;
mod options;
mod random;
pub mod random_decoder;
mod report;
mod roof;
mod statistics;

pub use measure::{measure, measure_model, measure_on};
pub use options::BenchOptions;
pub use report::{Measurement, Report};
