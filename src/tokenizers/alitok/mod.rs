mod config;
mod decoder;
pub mod description;

pub use config::*;
pub use decoder::*;
