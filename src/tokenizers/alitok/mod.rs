mod config;
mod decoder;

pub use config::*;
pub use decoder::*;
