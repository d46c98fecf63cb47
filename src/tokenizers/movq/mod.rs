mod decoder;
pub mod description;

pub use decoder::*;
