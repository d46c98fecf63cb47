//! From chosen paths to a running model: what lies there, what else is needed, what it takes of
//! memory, and loading it.

pub mod builtin;
mod captions;
pub mod companions;
mod decoders;
pub mod error;
mod grid_that_fits;
pub mod identify;
pub mod inspect;
pub mod memory;
pub mod offer;
pub mod open;
mod pairs;
mod rounding;
mod tokenizers;
