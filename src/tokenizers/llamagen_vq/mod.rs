mod decoder;

pub use decoder::*;
