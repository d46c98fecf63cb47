//! From chosen paths to a running model: what lies there, what else is needed, what it takes of
//! memory, and loading it.

pub mod amounts;
pub mod builtin;
pub mod companions;
pub mod error;
mod grid_that_fits;
pub mod identify;
pub mod inspect;
pub mod memory;
pub mod offer;
pub mod open;
pub mod opened;
mod pairs;
pub mod parts;
mod planning;
pub mod request;
mod rounding;
